"""Fit the body segmenter on outlines, losses of height and kinds; export to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detect.training.body_crops import CropStore, batches
from detect.training.config import SegmenterTraining
from detect.training.pictures import draw_bodies
from detect.training.segmenter_network import (
    bodies_taken,
    evaluate,
    export_segmenter,
    load_start,
    mask_loss,
    segmenter_network,
    target_loss,
)
from osteolens.allocator import keep_freed_memory
from osteolens.atomic import make_folder, whole_file
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError, ReadError
from osteolens.training.average import averaged, one_cycle
from osteolens.training.device import computed_on, devices_of, seed_everything, torch_device
from osteolens.training.parallel.group import Mean, plain_mean, this_group
from osteolens.training.parallel.launch import fit_in_processes
from osteolens.training.precision import Precision, chosen_precision
from osteolens.training.record import RunRecord
from osteolens.training.run_options import RunOptions
from osteolens.training.run_state import TRAINED_ALREADY, RunFiles
from osteolens.training.watch import EpochClock, Watch

MEASURED_CROPS = 8
"""Crops of the step by which the precision is chosen."""

FEWEST_TAKEN = 0.9
"""Fraction of the bodies of validation below which quality control may reject good studies."""

RESULTS = ("segmenter.safetensors", "segmenter.onnx", "training_crops.png", "validation_crops.png")

Floats = npt.NDArray[np.float32]


def fit_segmenter(
    training: CropStore,
    validation: CropStore,
    out: Path,
    config: SegmenterTraining,
    options: RunOptions,
    watch: Watch | None = None,
) -> dict[str, float]:
    """Fit a small U-Net by binary cross-entropy and Dice; writes segmenter.onnx and .safetensors and metrics.json.

    A second head on its encoder learns what is known of `TARGETS`; fractured bodies weigh FRACTURE_WEIGHT. The averaged
    weights of the epoch with the best Dice are kept; weights to begin with are epoch 0. After every epoch the whole
    state is written, from which a stopped run goes on. Several processes share every batch, and the first one
    evaluates and writes; batch norm takes each process's part of a batch by itself.

    Args:
        training: crops of bodies.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        options: device, seed, resuming, and safetensors to begin with.
        watch: told of steps and epochs.

    Returns:
        epoch, loss, mean Dice on the validation bodies of the best epoch, `bodies_taken`, and areas under the ROC
        curves of losses of 25 % and more (Genant grade 2), of bodies, of lateral bodies and of facing, as far as both
        classes are there.

    Raises:
        WeightsError: `start_from` holds another network.
        ConfigError: the run to go on with has other settings or crops, or processes outnumber crops.
        ReadError: no validation crop shows a body.
    """
    watch, devices = watch or Watch(), devices_of(options.device, config.processes)
    least = min(config.batch, len(training.planes))
    if len(devices) > max(1, least):
        raise ConfigError(f"{len(devices)} processes share a batch of {least} crops; give fewer processes")
    fit = partial(_fit, training, validation, out, config.model_copy(update={"processes": len(devices)}))
    return fit(options, watch) if len(devices) == 1 else fit_in_processes(fit, devices, options, watch)


def _fit(
    training: CropStore, validation: CropStore, out: Path, config: SegmenterTraining, options: RunOptions, watch: Watch
) -> dict[str, float]:
    """A process's share of a fit; the metrics from the first one."""
    keep_freed_memory()
    make_folder(out)
    made_from = {"training": training.made_from, "validation": validation.made_from}
    files = RunFiles(out, config.model_dump(mode="json"), options, made_from, RESULTS)
    if (finished := files.finished()) is not None:
        watch.notify(TRAINED_ALREADY)
        return finished
    fit = _Fit(training, validation, config, options, watch, files)
    for epoch in range(fit.done, config.epochs):
        fit.run_epoch(epoch)
    return fit.finish() if fit.group.is_first else {}


class _Fit:
    """One segmenter being trained: its network, the averaged copy that is judged, its optimiser and its files."""

    def __init__(
        self,
        training: CropStore,
        validation: CropStore,
        config: SegmenterTraining,
        options: RunOptions,
        watch: Watch,
        files: RunFiles,
    ) -> None:
        if not (validation.planes[:, 1] > 127).any():
            raise ReadError("no crop of the validation studies shows a body; expected outlines of validation studies")
        self.training, self.validation, self.config = training, validation, config
        self.files, self.out = files, files.out
        self.options, self.watch, self.device = options, watch, torch_device(options.device)
        self.group = this_group()
        seed_everything(options.seed, 0)
        self.network = segmenter_network(config.encoder)
        if options.start_from is not None:
            load_start(self.network, options.start_from, config.encoder)
        self.network.to(self.device)
        self.rate = config.rate(fine_tuned=options.start_from is not None)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.rate, weight_decay=0.01)
        count, each = len(training.planes), config.batch
        self.steps_each = count // each + (count % each >= self.group.size)
        self.average = averaged(self.network, self.steps_each * config.epochs)
        state = self.group.after_the_first(files.resumed)
        self.best: Mapping[str, Tensor] = {}
        if state is None:
            self.record = RunRecord(self.out, "dice", watch)
            self.precision = chosen_precision(config.precision, self.device, self._measured_step)
            self.precision = self.group.broadcast(self.precision)
            watch.notify(str(self.precision))
            if self.group.is_first:
                draw_bodies(training, None, self.out / "training_crops.png")
            if self.group.is_first and options.start_from is not None:
                self._judge({"epoch": 0}, time.monotonic())
        else:
            self._restore(state)

    @property
    def done(self) -> int:
        """Epochs that are finished."""
        return int(self.record.history[-1]["epoch"]) if self.record.history else 0

    def run_epoch(self, epoch: int) -> None:
        """Train on all crops once, judge the averaged network, and write the state."""
        started = time.monotonic()
        seed_everything(self.options.seed, epoch + 1, self.group.rank)
        rng = np.random.default_rng([self.options.seed, epoch])
        self.network.train()
        order = rng.permutation(len(self.training.planes))
        clock = EpochClock(self.watch, epoch + 1, self.config.epochs, len(order))
        losses = []
        part, size = self.group.part_of(order, self.config.batch)
        rng = rng.spawn(self.group.size)[self.group.rank] if self.group.size > 1 else rng
        for number, batch in enumerate(batches(self.training, part, size, rng)):
            fraction = (epoch * self.steps_each + number) / max(1, self.steps_each * self.config.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * one_cycle(fraction)
            losses.append(self._step(self.network, batch, self.precision.is_bfloat16, self.group.mean))
            self.group.average_gradients(self.network)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update_parameters(self.network)
            clock.add(min(len(batch[0]) * self.group.size, self.config.batch))
        if not np.isfinite(losses).all():
            raise ConfigError(
                f"the loss is no number any more in epoch {epoch + 1}; give a lower rate than --set lr={self.rate:g}"
            )
        row = {"epoch": epoch + 1, "loss": self.group.mean_of(float(np.mean(losses)), self.device)}
        if self.group.is_first:
            self._judge(row, started)

    def finish(self) -> dict[str, float]:
        """Export the best epoch and write what is known of it."""
        self.record.tell_outcome()
        self.network.load_state_dict(dict(self.best))
        network = self.network.float().cpu().eval()
        with whole_file(self.out / "segmenter.safetensors") as unfinished:
            save_file({name: value.contiguous() for name, value in network.state_dict().items()}, unfinished)
        difference = export_segmenter(network, self.out / "segmenter.onnx")
        taken = bodies_taken(network, self.validation, self.config.batch)
        if taken < FEWEST_TAKEN:
            self.watch.notify(
                f"{100 * taken:.0f} % of the bodies of validation are taken for such in an image that is not inverted; "
                f"below {100 * FEWEST_TAKEN:.0f} % `process` may reject good studies as not_lumbar or inverted: "
                "train for more epochs, on more studies, or start from the shipped segmenter"
            )
        metrics = {**self.record.best, "bodies_taken": taken}
        document = {
            "validation": metrics,
            "history": [dict(row) for row in self.record.history],
            "onnx_apart": difference,
            "config": {**self.config.model_dump(mode="json"), "lr": self.rate},
            "run": {**computed_on(self.device), "precision": self.precision.as_json()},
        }
        write_json(self.out / "metrics.json", document)
        self.files.finish()
        return metrics

    def _step(
        self, network: nn.Module, batch: tuple[Floats, Floats, Floats], bfloat16: bool, mean: Mean = plain_mean
    ) -> float:
        """Forward and backward pass of a batch, with the mean of a group where it is a part of one; its loss."""
        images, masks, targets = batch
        inputs = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits, values = network(inputs)
        truth, known = (torch.from_numpy(array).to(self.device) for array in (masks, targets))
        loss = mask_loss(logits.float(), truth, mean) + target_loss(values.float(), known, mean)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _measured_step(self, bfloat16: bool) -> None:
        network = copy.deepcopy(self.network).train()
        chosen = np.arange(min(MEASURED_CROPS, len(self.training.planes)))
        state = torch.get_rng_state()
        self._step(network, next(iter(batches(self.training, chosen, len(chosen), None))), bfloat16)
        torch.set_rng_state(state)

    def _judge(self, row: dict[str, float], started: float) -> None:
        """Evaluate the averaged network, take the epoch up, and write the state."""
        network = self.average.module
        metrics = evaluate(network, self.validation, self.config.batch, self.device)
        minutes = self.record.minutes + (time.monotonic() - started) / 60
        if self.record.add({**row, **metrics, "minutes": minutes}):
            self.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        draw_bodies(self.validation, self._shown(self.validation), self.out / "validation_crops.png")
        self.files.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "best": dict(self.best),
                "optimizer": self.optimizer.state_dict(),
                "history": [dict(row) for row in self.record.history],
                "precision": self.precision.as_json(),
            }
        )

    def _restore(self, state: Mapping[str, object]) -> None:
        """Go on where a run stopped."""
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self.average.load_state_dict(state["average"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.best = state["best"]  # type: ignore[assignment]
        self.precision = Precision(**state["precision"])  # type: ignore[arg-type]
        self.record = RunRecord(self.out, "dice", self.watch, state["history"])  # type: ignore[arg-type]
        self.watch.notify(f"goes on after epoch {self.done} of {self.config.epochs}; {self.precision}")

    def _shown(self, store: CropStore) -> Floats:
        """Probabilities of the averaged network for the first crops of a store."""
        network = self.average.module.eval()
        images, *_ = next(iter(batches(store, np.arange(min(16, len(store.planes))), 16, None)))
        with torch.inference_mode():
            logits, _ = network(torch.from_numpy(images).to(self.device, memory_format=torch.channels_last))
        return np.asarray(torch.sigmoid(logits.float()).cpu().numpy()[:, 0], np.float32)
