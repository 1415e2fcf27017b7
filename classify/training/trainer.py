"""One classifier being trained: its network, the averaged copy that is judged, its optimiser and its files."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from classify.network.checkpoint import load_network, save_network
from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import Batch, BatchPlan, batches, batches_each
from classify.training.begin import frozen_parts, new_network, training_mode
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from classify.training.levels import LevelHeads
from classify.training.loss import Outputs, classifier_loss
from classify.training.metrics import Criterion, ValidationMetrics, criterion_of, validation_metrics
from classify.training.pictures import DRAWN, draw_crops
from classify.training.predict import predict
from osteolens.errors import ConfigError
from osteolens.training.average import averaged, one_cycle
from osteolens.training.device import seed_everything, torch_device
from osteolens.training.parallel.group import this_group
from osteolens.training.precision import Precision, chosen_precision
from osteolens.training.record import RunRecord
from osteolens.training.run_options import RunOptions
from osteolens.training.run_state import RunFiles
from osteolens.training.watch import EpochClock, Watch

MEASURED_STUDIES = 4
"""Studies of the step by which the precision is chosen."""

LEAST_RATE = 0.002
"""Learning rate of the last step, as a fraction of the peak."""

BEST = "best.safetensors"
"""Tensors of the network that is kept."""

RESULTS = (
    BEST,
    "classifier.onnx",
    "classifier_ap.safetensors",
    "classifier_lateral.safetensors",
    "classifier_fusion.safetensors",
    "calibration.json",
    "training_crops.png",
    "validation_crops.png",
)
"""Files of a run, beside those of every training."""

Floats = npt.NDArray[np.float64]


class ClassifierTrainer:
    """A network, its averaged copy and its optimiser, with the state from which a run goes on."""

    def __init__(
        self,
        training: CropSet,
        validation: CropSet,
        out: Path,
        config: ClassifierTraining,
        options: RunOptions,
        watch: Watch,
    ) -> None:
        """Begin a run, judging the weights that it starts from, or read back where an earlier one stopped.

        Args:
            training: studies to train on.
            validation: studies by which the best epoch is chosen.
            out: run folder.
            config: settings.
            options: device, seed, resuming, and what it starts from.
            watch: told of steps and epochs.

        Raises:
            ConfigError: the run to go on with has other settings, studies, seed or start, or nothing can be trained.
            WeightsError: the tensors to start from do not fit.
        """
        self.training, self.validation, self.out, self.config = training, validation, out, config
        self.options, self.watch, self.device = options, watch, torch_device(options.device)
        self.group = this_group()
        self.sides = [side for side, epochs in config.resolution_schedule for _ in range(epochs)]
        seed_everything(options.seed, 0)
        self.network = new_network(config, options.start_from, watch.notify)
        self.network.to(self.device)
        self._levels = LevelHeads(self.network, training, config).to(self.device)
        self._trained = nn.ModuleList([self.network, self._levels])
        self._frozen = frozen_parts(self.network, config)
        parameters = [parameter for parameter in self._trained.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
        self.average = averaged(self.network, len(self.sides) * -(-self._batches // config.accumulate_grad_batches))
        self._loss = classifier_loss(training.labels, config, self.device)
        self._shared_loss = classifier_loss(training.labels, config, self.device, self.group.mean)
        made_from = {"training": training.digest, "validation": validation.digest}
        self._files = RunFiles(out, config.model_dump(mode="json"), options, made_from, RESULTS)
        self._best: Mapping[str, Tensor] = {}
        state = self.group.after_the_first(self._files.resumed)
        if state is not None:
            self._restore(state)
            return
        self.record = self._new_record([])
        self.precision = chosen_precision(config.precision, self.device, self._measured_step)
        self.precision = self.group.broadcast(self.precision)
        watch.notify(str(self.precision))
        if self.group.is_first:
            self._draw_training()
            if options.start_from is not None or not self.sides:
                self._judge({"epoch": 0}, time.monotonic())

    @property
    def side(self) -> int:
        """Side at which every epoch is judged, and the network is exported."""
        return self.config.resolution_schedule[-1][0]

    @property
    def done(self) -> int:
        """Epochs that are finished."""
        return int(self.record.history[-1]["epoch"]) if self.record.history else 0

    def is_over(self) -> bool:
        """Whether all epochs are done, time is up, or none was better for as long as patience lasts."""
        config, done = self.config, self.done
        over = done >= len(self.sides)
        if not over and config.max_minutes and done and self.record.minutes >= config.max_minutes:
            self.watch.notify(f"stops after {self.record.minutes:.0f} minutes, {done} of {len(self.sides)} epochs")
            over = True
        at_last = done - len([side for side in self.sides if side != self.side])
        waited = min(self.record.waited(), at_last) if done else 0
        if not over and config.patience and waited >= config.patience:
            self.watch.notify(f"stops after epoch {done}: none was better for {waited} epochs")
            over = True
        return self.group.broadcast(over)

    def run_epoch(self) -> None:
        """Train on all studies once, judge the averaged network, and write the state."""
        started, epoch, config = time.monotonic(), self.done, self.config
        seed_everything(self.options.seed, epoch + 1, self.group.rank)
        side, bfloat16 = self.sides[epoch], self.precision.is_bfloat16
        plan = replace(self._plan(side, config), group=self.group)
        clock = EpochClock(self.watch, epoch + 1, len(self.sides), len(self.training.labels))
        training_mode(self.network, self._frozen)
        losses, count = [], self._batches
        for number, batch in enumerate(batches(self.training, plan, np.random.default_rng([self.options.seed, epoch]))):
            for group in self._optimizer.param_groups:
                group["lr"] = config.lr * one_cycle((epoch + number / count) / len(self.sides), LEAST_RATE)
            is_step = (number + 1) % config.accumulate_grad_batches == 0 or number + 1 == count
            loss = self._guided_loss(batch, bfloat16)
            (loss / config.accumulate_grad_batches).backward()  # type: ignore[no-untyped-call]
            losses.append(float(loss.detach()))
            if not np.isfinite(losses[-1]):
                advice = f"give a lower rate than --set lr={config.lr:g}"
                raise ConfigError(f"the loss is no number any more in epoch {epoch + 1}; {advice}")
            if is_step:
                self.group.average_gradients(self._trained)
                nn.utils.clip_grad_norm_(self._trained.parameters(), 2.0)
                self._optimizer.step()
                self._optimizer.zero_grad()
                self.average.update_parameters(self.network)
            clock.add(min(len(batch.labels) * self.group.size, config.batch))
        mean_loss = self.group.mean_of(float(np.mean(losses)), self.device)
        row = {"epoch": epoch + 1, "side": side, "loss": mean_loss}
        if self.group.is_first:
            self._judge(row, started)
        else:
            self.record.history.append(row)

    def best_network(self) -> DualChannelDenseNet:
        """The network of the best epoch, in the half precision in which it is stored."""
        network = copy.deepcopy(self.average.module)
        assert isinstance(network, DualChannelDenseNet)
        network.load_state_dict(dict(self._best))
        self.keep(network)
        return network

    def judged(self, network: DualChannelDenseNet) -> tuple[Floats, ValidationMetrics]:
        """Class probabilities (n, 3) that a network gives the validation studies, and how right they are."""
        probabilities, t_scores = predict(network, self.validation, self._plan(self.side))
        return probabilities, validation_metrics(self.validation, probabilities, t_scores)

    def keep(self, network: DualChannelDenseNet) -> None:
        """Store a network, and round its tensors to what is stored."""
        save_network(network, self.out / BEST)
        load_network(network, self.out / BEST)

    def _judge(self, row: dict[str, float], started: float) -> None:
        """Evaluate the averaged network, take the epoch up, and write the state."""
        network = self.average.module
        assert isinstance(network, DualChannelDenseNet)
        probabilities, metrics = self.judged(network)
        known = {name: value for name, value in asdict(metrics).items() if not np.isnan(value)}
        minutes = self.record.minutes + (time.monotonic() - started) / 60
        if self.record.add({**row, **known, "minutes": minutes}):
            self._best = {name: value.cpu() for name, value in _copy_of_state(network).items()}
        self._draw_validation(probabilities)
        self._files.save(
            {
                "network": self.network.state_dict(),
                "levels": self._levels.state_dict(),
                "average": self.average.state_dict(),
                "best": dict(self._best),
                "optimizer": self._optimizer.state_dict(),
                "history": [dict(row) for row in self.record.history],
                "precision": self.precision.as_json(),
            }
        )

    def _restore(self, state: Mapping[str, object]) -> None:
        """Go on where a run stopped."""
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self._levels.load_state_dict(state["levels"])  # type: ignore[arg-type]
        self.average.load_state_dict(state["average"])  # type: ignore[arg-type]
        self._optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self._best = state["best"]  # type: ignore[assignment]
        self.precision = Precision(**state["precision"])  # type: ignore[arg-type]
        self.record = self._new_record(state["history"])  # type: ignore[arg-type]
        self.watch.notify(f"goes on after epoch {self.done} of {len(self.sides)}; {self.precision}")

    def _new_record(self, history: Sequence[Mapping[str, float]]) -> RunRecord:
        criterion = self._criterion
        return RunRecord(self.out, criterion.name, self.watch, history, smaller_is_better=criterion.smaller_is_better)

    @property
    def _criterion(self) -> Criterion:
        return criterion_of(self.validation.labels)

    @property
    def _batches(self) -> int:
        """Batches of an epoch; one with too few studies is left out."""
        return batches_each(len(self.training.labels), self.config.batch, self.group.size)

    def _outputs(self, network: nn.Module, batch: Batch, bfloat16: bool) -> Outputs:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            outputs: Outputs = network(*batch.inputs)
        return outputs

    def _guided_loss(self, batch: Batch, bfloat16: bool) -> Tensor:
        """The loss of a step; with that of single levels where their T-scores guide the branches."""
        if not self._levels:
            return self._shared_loss(self._outputs(self.network, batch, bfloat16), batch)
        ap, lateral, *known = batch.inputs
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            crops = self.network.of_crops(ap, lateral)
            outputs: Outputs = self.network.fused(self.network.over_crops(crops), *known)
            levels = self._levels.loss(crops, batch, self.group.mean)
        return self._shared_loss(outputs, batch) + levels

    def _measured_step(self, bfloat16: bool) -> None:
        network, state = copy.deepcopy(self.network).train(), torch.get_rng_state()
        plan = replace(self._plan(self.sides[0] if self.sides else self.side, self.config), size=MEASURED_STUDIES)
        batch = next(batches(self.training, plan, np.random.default_rng(0)))
        self._loss(self._outputs(network, batch, bfloat16), batch).backward()  # type: ignore[no-untyped-call]
        torch.set_rng_state(state)

    def _draw_training(self) -> None:
        """Crops of a batch as the network sees them."""
        if self.sides:
            plan = replace(self._plan(self.sides[0], self.config), size=DRAWN)
            batch = next(batches(self.training, plan, np.random.default_rng([self.options.seed, 0])))
            draw_crops(batch, None, self.out / "training_crops.png")

    def _draw_validation(self, probabilities: Floats) -> None:
        batch = next(batches(self.validation, replace(self._plan(self.side), size=DRAWN)))
        draw_crops(batch, probabilities, self.out / "validation_crops.png")

    def _plan(self, side: int, training: ClassifierTraining | None = None) -> BatchPlan:
        return BatchPlan(
            side=side,
            size=self.config.batch,
            spec=self.config.preprocess,
            training=training,
            device=self.device,
        )


def _copy_of_state(network: DualChannelDenseNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
