"""Options of a training, and its result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from osteolens.config import StrictConfig
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import EpochStep, Watch

log = logging.getLogger(__name__)

Notify = Callable[[str], None]
"""Told of every step in a line for people."""


class Start(StrEnum):
    """Initial weights of a training that are no file."""

    WEIGHTS = "weights"
    """The tensors of `TrainingOptions.weights`."""
    NONE = "none"
    """Random tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Options of a training, beside its settings.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:1".
        seed: of split, weights, order and augmentation.
        resume: go on from the run folder's last checkpoint.
        start_from: safetensors of another run, or a `Start`; None is the stage's own default, which is the weights
            for detector and classifier, and random tensors for the segmenter.
        weights: folder of weights that find ROIs and that a run starts from; the shipped ones when None.
        validation: cohort folder for validation; when None the site `validation`, or a fraction of the patients.
        on_epoch: told of every epoch's numbers by name, for a logger of one's own such as MLflow.
        on_step: told how far an epoch is, instead of a line every half minute.
    """

    device: str = "auto"
    seed: int = 0
    resume: bool = False
    start_from: Path | Start | None = None
    weights: Path | None = None
    validation: Path | None = None
    on_epoch: Callable[[Mapping[str, float]], None] | None = None
    on_step: Callable[[EpochStep], None] | None = None

    def watch(self, notify: Notify) -> Watch:
        """Who is told how the fit goes."""
        return Watch(notify=notify, on_epoch=self.on_epoch or (lambda _: None), on_step=self.on_step)

    def run_options(self, start_from: Path | None) -> RunOptions:
        """Those that the fit of a stage takes."""
        return RunOptions(device=self.device, seed=self.seed, resume=self.resume, start_from=start_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """Result of a training.

    Attributes:
        out: run folder; `assemble_weights` takes it.
        training: studies trained on.
        validation: studies held out.
        left_out: studies that were left out, by reason.
        metrics: on the validation studies, as in metrics.json.
    """

    out: Path
    training: int
    validation: int
    left_out: Mapping[str, int]
    metrics: Mapping[str, float]

    def as_json(self) -> dict[str, object]:
        """As it is printed."""
        return {
            "out": str(self.out),
            "training": self.training,
            "validation": self.validation,
            "left_out": dict(self.left_out),
            "metrics": dict(self.metrics),
        }


def settings_text(config: StrictConfig) -> str:
    """The settings that are not as by default, in words."""
    given = _flat(config.model_dump(mode="json"))
    defaults = _flat(type(config)().model_dump(mode="json"))
    words = [f"{name} {value}" for name, value in given.items() if value != defaults.get(name)]
    return "settings " + (", ".join(words) or "by default")


def _flat(values: Mapping[str, object], before: str = "") -> dict[str, object]:
    """Values by names with dots, as --set takes them."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat
