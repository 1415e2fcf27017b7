"""How good a classifier is on validation studies, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from classify.calibration import Calibration, apply_temperature, brier, calibration_error
from classify.training.crops import CropSet
from cohort.bmd import BMD_CLASSES, BmdClass

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationMetrics:
    """Of one network on the validation studies.

    Attributes:
        macro_auc: mean of the three one-against-rest areas under the ROC curve; NaN when a class is absent.
        accuracy: fraction of studies of the right class.
        auc_osteoporosis: of osteoporosis against the rest; NaN when either is absent.
        t_score_mae: mean absolute error of the T-score.
    """

    macro_auc: float
    accuracy: float
    auc_osteoporosis: float
    t_score_mae: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch.

    Attributes:
        epoch: counted from 1.
        side: working side of the crops in pixels.
        loss: mean over its steps.
        validation: of the averaged network after it.
        minutes: since the run, or its continuation, began.
    """

    epoch: int
    side: int
    loss: float
    validation: ValidationMetrics
    minutes: float

    def as_row(self) -> dict[str, float]:
        """As it stands in state.json and metrics.json."""
        metrics = asdict(self.validation)
        return {"epoch": self.epoch, "side": self.side, "loss": self.loss, **metrics, "minutes": self.minutes}

    @classmethod
    def from_row(cls, row: Mapping[str, float | None]) -> Epoch:
        """The inverse; null is NaN.

        Raises:
            KeyError: a value is missing.
        """
        values = {name: float("nan") if (value := row[name]) is None else value for name in _ROW}
        metrics = ValidationMetrics(**{name: values[name] for name in ValidationMetrics.__slots__})
        return cls(
            epoch=int(values["epoch"]),
            side=int(values["side"]),
            loss=values["loss"],
            validation=metrics,
            minutes=values["minutes"],
        )


_ROW = ("epoch", "side", "loss", "minutes", "macro_auc", "accuracy", "auc_osteoporosis", "t_score_mae")


def validation_metrics(crops: CropSet, probabilities: Floats, t_scores: Floats) -> ValidationMetrics:
    """Metrics of predictions.

    Args:
        crops: validation studies.
        probabilities: (n, 3) by class.
        t_scores: (n,) predicted.
    """
    return ValidationMetrics(
        macro_auc=macro_auc(crops.labels, probabilities),
        accuracy=float(np.mean(probabilities.argmax(1) == crops.labels)),
        auc_osteoporosis=osteoporosis_auc(crops.labels, probabilities),
        t_score_mae=float(np.mean(np.abs(t_scores - crops.t_scores))),
    )


def macro_auc(labels: Labels, probabilities: Floats) -> float:
    """Mean of the three one-against-rest areas under the ROC curve; NaN when a class is absent."""
    if len(np.unique(labels)) < len(BMD_CLASSES):
        return float("nan")
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))


def osteoporosis_auc(labels: Labels, probabilities: Floats) -> float:
    """Area under the ROC curve of osteoporosis against the rest; NaN when either is absent."""
    place = BMD_CLASSES.index(BmdClass.OSTEOPOROSIS)
    positive = labels == place
    if not 0 < positive.sum() < len(labels):
        return float("nan")
    return float(roc_auc_score(positive, probabilities[:, place]))


def best_epoch(history: Sequence[Epoch], side: int) -> int:
    """Number of the epoch with the best macro AUC among those at the last side, or among all before it."""
    final = [row for row in history if row.side == side] or list(history)
    return max(final, key=lambda row: (np.nan_to_num(row.validation.macro_auc, nan=-1.0), row.epoch)).epoch


def reliability(probabilities: Floats, labels: Labels, calibration: Calibration) -> dict[str, float]:
    """Expected calibration error and Brier score before and after the temperature.

    Args:
        probabilities: (n, 3) by class.
        labels: (n,) index into BMD_CLASSES.
        calibration: fitted on them.
    """
    after = apply_temperature(probabilities, calibration.temperature)
    return {
        "ece_before": calibration_error(probabilities, labels),
        "ece": calibration_error(after, labels),
        "brier_before": brier(probabilities, labels),
        "brier": brier(after, labels),
    }
