"""ultralytics' trainer with a start from safetensors, a chosen precision, an average that fits the length of the run, a
start that is judged first, and a state that a run goes on from. Imported inside `private_ultralytics` alone."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel

from detect.training.config import DetectorTraining
from detect.training.pictures import draw_boxes
from osteolens.errors import ConfigError, WeightsError
from osteolens.training.average import average_decay
from osteolens.training.device import seed_everything
from osteolens.training.precision import Precision, chosen_precision
from osteolens.training.record import RunRecord
from osteolens.training.run_options import RunOptions
from osteolens.training.run_state import RunFiles
from osteolens.training.watch import EpochClock, Watch

METRIC = "mAP50-95"
SHOWN_IMAGES, MEASURED_IMAGES = 8, 4
SHOWN_SCORE = 0.25
"""Confidence from which a predicted box is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerPlan:
    """What a trainer works by beside ultralytics' own arguments."""

    out: Path
    config: DetectorTraining
    options: RunOptions
    files: RunFiles
    watch: Watch


class LumbarModel(DetectionModel):  # type: ignore[misc]
    """ultralytics' model whose forward pass in training runs in bfloat16 if told so, the loss in float32."""

    bfloat16 = False

    def loss(self, batch: dict[str, Tensor], preds: object = None) -> object:
        """Loss of a batch, and its parts."""
        if preds is None and self.training:
            images = batch["img"].contiguous(memory_format=torch.channels_last)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16):
                preds = self.predict(images)
            preds = _to_float(preds)
        return super().loss(batch, preds)


def lumbar_model(architecture: str, classes: int, start_from: Path | None) -> LumbarModel:
    """A new network, or one with the tensors of another run.

    Raises:
        WeightsError: `start_from` is of another architecture.
        ConfigError: the installed ultralytics does not know the architecture.
    """
    try:
        model = LumbarModel(f"{architecture}.yaml", nc=classes, ch=3, verbose=False)
    except FileNotFoundError as error:
        raise ConfigError(f"setting 'model' is {architecture!r}, which this version of ultralytics lacks") from error
    if start_from is not None:
        try:
            model.load_state_dict({name: value.float() for name, value in load_file(start_from).items()})
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"{start_from}: not the weights of a {architecture}; start from weights of the same architecture, or "
                "with --start-from none"
            ) from error
    return model


class LumbarTrainer(DetectionTrainer):  # type: ignore[misc]
    """Trains a detector; `record` and `best_state` hold what came of it."""

    epoch: int
    loss_names: tuple[str, ...]

    def __init__(self, plan: TrainerPlan, overrides: dict[str, object]) -> None:
        """Prepare a training.

        Args:
            plan: settings, options, files and who is told.
            overrides: arguments of ultralytics.
        """
        self.plan = plan
        self.threads = torch.get_num_threads()
        self._state = plan.files.resumed()
        former = {} if self._state is None else self._state
        self.record = RunRecord(plan.out, METRIC, plan.watch, former.get("history", ()))  # type: ignore[arg-type]
        self.best_state: Mapping[str, Tensor] = former.get("best", {})  # type: ignore[assignment]
        if self._state is not None:
            self.precision = Precision(**self._state["precision"])  # type: ignore[arg-type]
            done = int(self.record.history[-1]["epoch"])
            plan.watch.notify(f"goes on after epoch {done} of {plan.config.epochs}; {self.precision}")
        super().__init__(overrides=overrides)
        torch.set_num_threads(self.threads)
        self.add_callback("on_train_epoch_start", LumbarTrainer._begin_epoch)
        self.add_callback("on_train_batch_end", lambda trainer: trainer.clock.add(trainer.images_a_step))

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left, time is up, or nothing got better for as long as patience lasts."""
        config, record = self.plan.config, self.record
        if not record.history:
            return False
        is_late = bool(config.max_minutes) and record.minutes >= config.max_minutes
        return is_late or record.history[-1]["epoch"] >= config.epochs or record.waited() >= config.patience

    def get_model(self, cfg: object = None, weights: nn.Module | None = None, verbose: bool = True) -> nn.Module:
        """The network, with the tensors it starts from."""
        model = lumbar_model(self.plan.config.model, self.data["nc"], self.plan.options.start_from)
        model.names = self.data["names"]
        arranged: nn.Module = model.to(memory_format=torch.channels_last)
        return arranged

    def preprocess_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch on the device."""
        prepared: dict[str, Tensor] = super().preprocess_batch(batch)
        self.images_a_step = len(prepared["img"])
        return prepared

    def resume_training(self, ckpt: object) -> None:
        """Go on with the run's own state, or judge the start; ultralytics calls it before the first epoch."""
        steps = len(self.train_loader) * self.epochs
        self.ema.decay = lambda step: average_decay(step - 1, steps)
        if self._state is not None:
            self._restore(self._state)
            return
        self.precision = chosen_precision(self.plan.config.precision, self.device, self._measured_step)
        self.model.bfloat16 = self.precision.is_bfloat16
        self.plan.watch.notify(str(self.precision))
        self._draw(self.train_loader.dataset, self.plan.out / "training_images.png", with_found=False)
        if self.plan.options.start_from is not None:
            self.began = time.monotonic()
            self._judge_start()

    def save_metrics(self, metrics: Mapping[str, float]) -> None:
        """Take an epoch up; ultralytics calls it after the epoch's validation."""
        losses = {name.removeprefix("train/"): value for name, value in metrics.items() if name.startswith("train/")}
        self._take_up(self.epoch + 1, metrics, {"loss": sum(losses.values()), **losses})
        self.stop |= self.is_over

    def save_model(self) -> bool:
        """Write the state of the run; ultralytics calls it at the end of an epoch."""
        self.plan.files.save(
            {
                "network": self.model.state_dict(),
                "average": self.ema.ema.state_dict(),
                "updates": self.ema.updates,
                "best": dict(self.best_state),
                "optimizer": self.optimizer.state_dict(),
                "history": [dict(row) for row in self.record.history],
                "precision": self.precision.as_json(),
            }
        )
        return True

    def final_eval(self) -> None:
        """Nothing: the best epoch was judged when it was trained."""

    def _begin_epoch(self) -> None:
        """Draw what this epoch draws, whatever came before it, and start its clock."""
        seed_everything(self.plan.options.seed, self.epoch + 1)
        self.train_loader.generator.manual_seed(torch.initial_seed())
        self.train_loader.reset()
        self.began = time.monotonic()
        self.clock = EpochClock(self.plan.watch, self.epoch + 1, self.epochs, len(self.train_loader.dataset))

    def _handle_nan_recovery(self, epoch: int) -> bool:
        """A loss that is no number ends the training with advice."""
        if self.loss is not None and not self.loss.isfinite().all():
            raise ConfigError(
                f"the loss is no number any more in epoch {epoch + 1}; give a lower rate than --set lr="
                f"{self.plan.config.lr}"
            )
        return False

    def _judge_start(self) -> None:
        """Validate the start as epoch 0, by the same images as every epoch."""
        dataset = self.train_loader.dataset
        batch = self.preprocess_batch(dataset.collate_fn([dataset[0], dataset[len(dataset) - 1]]))
        with torch.no_grad():
            self.loss, self.loss_items = self.ema.ema.loss(batch)
        if not self.loss_names:
            self.loss_names = tuple(self.loss_items)
        self.epoch = -1
        self.loss = self.loss.sum()
        metrics, _ = self.validate()
        self._take_up(0, metrics, {})
        self.save_model()

    def _take_up(self, epoch: int, metrics: Mapping[str, float], more: Mapping[str, float]) -> None:
        """Record an epoch and draw what its network finds; keep its average if it is the best."""
        judged = {name.removeprefix("metrics/").removesuffix("(B)"): float(value) for name, value in metrics.items()
                  if name.startswith("metrics/")}  # fmt: skip
        minutes = self.record.minutes + (time.monotonic() - self.began) / 60
        if self.record.add({"epoch": epoch, **judged, **more, "minutes": minutes}):
            self.best_state = {name: value.detach().cpu().clone() for name, value in self.ema.ema.state_dict().items()}
        self._draw(self.test_loader.dataset, self.plan.out / "validation_images.png", with_found=True)

    def _restore(self, state: Mapping[str, object]) -> None:
        """Go on where a run stopped."""
        self.model.load_state_dict(state["network"])
        self.ema.ema.load_state_dict(state["average"])
        self.ema.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.model.bfloat16 = self.precision.is_bfloat16
        self.start_epoch = int(self.record.history[-1]["epoch"])
        criterion = self.model.init_criterion()
        if hasattr(criterion, "update"):
            self.model.criterion = criterion
            for _ in range(self.start_epoch):
                criterion.update()

    def _measured_step(self, bfloat16: bool) -> None:
        model, dataset = copy.deepcopy(self.model).train(), self.train_loader.dataset
        model.bfloat16 = bfloat16
        images = [dataset[k % len(dataset)] for k in range(min(MEASURED_IMAGES, self.batch_size))]
        loss, _ = model(self.preprocess_batch(dataset.collate_fn(images)))
        loss.sum().backward()

    def _draw(self, dataset: torch.utils.data.Dataset[object], path: Path, with_found: bool) -> None:
        """Some images of a data set with their boxes, and those that the averaged network finds."""
        count = len(dataset)  # type: ignore[arg-type]
        chosen = sorted(np.random.default_rng(0).permutation(count)[:SHOWN_IMAGES].tolist())
        shown = [dataset[k] for k in chosen]
        batch = self.preprocess_batch(dataset.collate_fn(shown))  # type: ignore[attr-defined]
        images = [np.round(image[0].cpu().numpy() * 255).astype(np.uint8) for image in batch["img"]]
        boxes = batch["bboxes"].cpu().numpy().astype(np.float64)
        corners = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), 1)
        owners = batch["batch_idx"].cpu().numpy().reshape(-1)
        truths = [corners[owners == k] for k in range(len(images))]
        draw_boxes(images, truths, self._found(batch["img"]) if with_found else None, path)

    def _found(self, images: Tensor) -> list[npt.NDArray[np.float64]]:
        """Boxes of the averaged network as fractions of the side."""
        network = self.ema.ema.eval()
        with torch.no_grad():
            predictions = self.validator.postprocess(network(images))
        side = images.shape[-1]
        return [one["bboxes"][one["conf"] > SHOWN_SCORE].cpu().numpy().astype(np.float64) / side for one in predictions]


def _to_float(value: object) -> object:
    """Tensors inside dictionaries and lists as float32."""
    if isinstance(value, dict):
        return {name: _to_float(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_to_float(one) for one in value)
    return value.float() if isinstance(value, torch.Tensor) else value
