"""One classifier being trained: its network, the averaged copy that is kept, its optimiser and its files."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classify.config import PreprocessSpec
from classify.network.checkpoint import load_network, save_network
from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import BatchPlan, batches
from classify.training.config import ClassifierTraining, network_spec
from classify.training.crops import CropSet
from classify.training.head import HeadPlan, fit_head, pooled_features, predict_from_features
from classify.training.loss import classifier_loss
from classify.training.metrics import Epoch, ValidationMetrics, validation_metrics
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError, ReadError
from osteolens.training.precision import bfloat16_is_fast
from osteolens.training.run_options import RunOptions

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


class ClassifierTrainer:
    """A network, its averaged copy and its optimiser, with the files that let a run go on."""

    def __init__(
        self,
        fabric: Fabric,
        training: CropSet,
        out: Path,
        config: ClassifierTraining,
        spec: PreprocessSpec,
        options: RunOptions,
    ) -> None:
        """Begin a run, or read back where an earlier one stopped.

        Args:
            fabric: device, precision and processes.
            training: studies to train on.
            out: run folder.
            config: settings.
            spec: preprocessing of the crops.
            options: seed, resuming, and what it starts from.

        Raises:
            ConfigError: no epoch is asked for, and no network is given to start from.
            WeightsError: the tensors to start from do not fit.
        """
        self.fabric, self.training, self.config, self.spec, self._seed = fabric, training, config, spec, options.seed
        self._files = {name: out / f"{name}.safetensors" for name in ("last", "averaged", "best")}
        self._state = out / "state.json"
        self.network = DualChannelDenseNet(network_spec(config, spec))
        self.network.to(memory_format=torch.channels_last)
        self.history = self._finished_epochs() if options.resume else []
        if self.history:
            load_network(self.network, self._files["last"])
        elif options.start_from is not None:
            load_network(self.network, options.start_from, only_fitting=True)
        average = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        if self.history:
            load_network(self.averaged, self._files["averaged"])
            self._averaged.n_averaged += 1
        self.sides = [side for side, epochs in config.resolution_schedule for _ in range(epochs)]
        if not self.sides and options.start_from is None:
            raise ConfigError(f"{config.resolution_schedule} holds no epoch, and no network is given to start from")
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self._model, self._optimizer = fabric.setup(self.network, optimizer)
        self._averaged.to(fabric.device)
        self._loss = classifier_loss(training.labels, config, fabric.device)

    @property
    def averaged(self) -> DualChannelDenseNet:
        """The exponential moving average of the network."""
        network = self._averaged.module
        assert isinstance(network, DualChannelDenseNet)
        return network

    @property
    def side(self) -> int:
        """Working side of the last epoch, or the one that the settings end with."""
        return self.history[-1].side if self.history else self.config.resolution_schedule[-1][0]

    def train_epoch(self, number: int) -> float:
        """One pass over this process's shard of the studies; returns the mean loss."""
        config, shard = self.config, (self.fabric.global_rank, self.fabric.world_size)
        plan = self._plan(self.sides[number], config, shard)
        steps_each = -(-len(self.training.labels) // (config.batch * shard[1]))
        self._model.train()
        losses = []
        for step, batch in enumerate(batches(self.training, plan, np.random.default_rng([self._seed, number]))):
            for group in self._optimizer.param_groups:
                group["lr"] = config.lr * _one_cycle((number + step / steps_each) / len(self.sides))
            is_step = (step + 1) % config.accumulate_grad_batches == 0
            with self.fabric.no_backward_sync(self._model, enabled=not is_step):
                loss = self._loss(self._model(*batch.inputs), batch)
                self.fabric.backward(loss / config.accumulate_grad_batches)
            losses.append(float(loss.detach()))
            if is_step:
                self.fabric.clip_gradients(self._model, self._optimizer, max_norm=2.0)
                self._optimizer.step()
                self._optimizer.zero_grad()
                self._averaged.update_parameters(self.network)
        return float(np.mean(losses))

    def evaluate_on(self, validation: CropSet, side: int) -> ValidationMetrics:
        """Metrics of the averaged network at a working side."""
        return validation_metrics(validation, *predict(self.averaged, validation, self._plan(side)))

    def refit_head(self, validation: CropSet) -> dict[str, float]:
        """Refit what stands behind the best epoch's branches, with several weight decays; the one with the best
        macro AUC on validation is kept, or the head as it was.

        Returns:
            metrics of the network that is kept.
        """
        network, device = self.best(), self.fabric.device
        features, of_validation = (
            pooled_features(network, crops, self.side, self.spec, device) for crops in (self.training, validation)
        )
        best = validation_metrics(validation, *predict_from_features(network, of_validation, validation, device))
        start, chosen = _copy_of_state(network), None
        for weight_decay in self.config.head_weight_decays:
            network.load_state_dict(start)
            plan = HeadPlan(
                config=self.config, loss=self._loss, device=device, seed=self._seed, weight_decay=weight_decay
            )
            loss = fit_head(network, features, self.training, plan)
            metrics = validation_metrics(validation, *predict_from_features(network, of_validation, validation, device))
            log.info("head, weight decay %g: loss %.3f, macro AUC %.3f", weight_decay, loss, metrics.macro_auc)
            if np.nan_to_num(metrics.macro_auc, nan=1.0) >= np.nan_to_num(best.macro_auc):
                best, chosen = metrics, _copy_of_state(network)
        network.load_state_dict(chosen or start)
        if chosen or not self._files["best"].is_file():
            save_network(network, self._files["best"])
        return asdict(best)

    def save(self, is_best: bool) -> None:
        """Weights first, then the note that the epoch is finished."""
        save_network(self.network, self._files["last"])
        save_network(self.averaged, self._files["averaged"])
        if is_best:
            save_network(self.averaged, self._files["best"])
        write_json(self._state, {"history": [row.as_row() for row in self.history]})

    def best(self) -> DualChannelDenseNet:
        """The network of the best epoch; without an epoch, as it began."""
        for name in ("best", "averaged"):
            if self._files[name].is_file():
                load_network(self.averaged, self._files[name])
                break
        return self.averaged

    def _plan(
        self, side: int, training: ClassifierTraining | None = None, shard: tuple[int, int] = (0, 1)
    ) -> BatchPlan:
        return BatchPlan(
            side=side,
            size=self.config.batch,
            spec=self.spec,
            training=training,
            device=self.fabric.device,
            shard=shard,
        )

    def _finished_epochs(self) -> list[Epoch]:
        if not all(path.is_file() for path in (self._state, self._files["last"], self._files["averaged"])):
            return []
        try:
            return [Epoch.from_row(row) for row in read_json(self._state, nan_is_null=True)["history"]]
        except (KeyError, TypeError) as error:
            raise ReadError(
                f"{self._state}: no history of a run of this version ({error}); train anew, without --resume"
            ) from error


def predict(model: DualChannelDenseNet, crops: CropSet, plan: BatchPlan) -> tuple[Floats, Floats]:
    """Class probabilities (n, 3) and T-scores (n,) of plain crops at a working side."""
    model.eval()
    probabilities, t_scores = [], []
    with (
        torch.inference_mode(),
        torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=bfloat16_is_fast(plan.device)),
    ):
        for batch in batches(crops, plan):
            logits, t_score = model(*batch.inputs)
            probabilities.append(torch.softmax(logits.float(), 1).cpu().numpy())
            t_scores.append(t_score[:, 0].float().cpu().numpy())
    return np.concatenate(probabilities).astype(np.float64), np.concatenate(t_scores).astype(np.float64)


def _copy_of_state(network: DualChannelDenseNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _one_cycle(fraction: float) -> float:
    """Warm-up over the first tenth of a run, then a cosine to zero."""
    if fraction < 0.1:
        return 0.04 + 0.96 * fraction / 0.1
    return 0.5 * (1 + float(np.cos(np.pi * (fraction - 0.1) / 0.9))) + 0.002
