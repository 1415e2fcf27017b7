"""How good a classifier is on validation studies, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from classify.calibration import Calibration, apply_temperature, brier, calibration_error
from classify.training.crops.crop_set import StudyArrays
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


@dataclass(frozen=True, slots=True)
class Criterion:
    """By which metric on the validation studies a network is chosen.

    Attributes:
        name: of the metric.
        smaller_is_better: of it.
        why: it is not the usual one, for people; empty where it is.
    """

    name: str
    smaller_is_better: bool = False
    why: str = ""

    def score(self, metrics: ValidationMetrics) -> float:
        """Larger for the better network."""
        value = float(getattr(metrics, self.name))
        return -value if self.smaller_is_better else value


def criterion_of(labels: Labels) -> Criterion:
    """Macro AUC, or the error of the T-score where a class is absent.

    Args:
        labels: (n,) index into BMD_CLASSES of the validation studies.
    """
    absent = [name for place, name in enumerate(BMD_CLASSES) if place not in labels]
    if not absent:
        return Criterion("macro_auc")
    why = f"no validation study is of class {', '.join(absent)}; the best epoch is that of the least T-score error"
    return Criterion("t_score_mae", smaller_is_better=True, why=why)


def validation_metrics(studies: StudyArrays, probabilities: Floats, t_scores: Floats) -> ValidationMetrics:
    """Metrics of predictions.

    Args:
        studies: validation studies.
        probabilities: (n, 3) by class.
        t_scores: (n,) predicted.
    """
    return ValidationMetrics(
        macro_auc=macro_auc(studies.labels, probabilities),
        accuracy=float(np.mean(probabilities.argmax(1) == studies.labels)),
        auc_osteoporosis=osteoporosis_auc(studies.labels, probabilities),
        t_score_mae=float(np.mean(np.abs(t_scores - studies.t_scores))),
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
