"""Results in a lower precision beside those in fp32, on one cohort, and the bars that they have to hold."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import CohortIndex
from cohort.spine import TARGET_LEVELS, View, iou
from cohort.study import Study
from osteolens.errors import ConfigError, StudyError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from osteolens.progress import Progress, silent
from pipeline.bundle.load import Bundle
from pipeline.evaluation.statistics.roc import auc_value
from pipeline.prediction import Prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import read_images
from pipeline.screening.screener import Screener

log = logging.getLogger(__name__)

MOST_AUC, MOST_IOU, MOST_T_SCORE = 0.003, 0.005, 0.05
"""Bars: differences of the AUC of any class, of the mean IoU with manual ROIs, and of the T-score of any study."""

FEWEST_STUDIES = 50
"""Studies below which a gate says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionGate:
    """How far results in a precision lie from those in fp32.

    Attributes:
        precision: that was tried.
        studies: of the cohort that were screened in both.
        other_outcomes: studies with a class in one precision alone, or rejected for another reason.
        other_names: studies with other levels in a view.
        auc: largest difference of the AUC of a class; NaN where a class has none.
        iou: difference of the mean IoU with manual ROIs, over boxes of L1-L4; NaN where the cohort has none.
        t_score: largest difference of the T-score of a study.
        t_score_95: 95th percentile of these differences.
    """

    precision: Precision
    studies: int
    other_outcomes: int
    other_names: int
    auc: float
    iou: float
    t_score: float
    t_score_95: float

    @property
    def passed(self) -> bool:
        """Whether every bar is held; what cannot be said holds no bar."""
        within = self.auc <= MOST_AUC and self.iou <= MOST_IOU and self.t_score <= MOST_T_SCORE
        return within and not self.other_outcomes and not self.other_names

    def as_json(self) -> dict[str, int | float | str | bool | None]:
        """For the manifest of weights."""
        figures = {"auc": self.auc, "iou": self.iou, "t_score": self.t_score, "t_score_95": self.t_score_95}
        return {
            "passed": self.passed,
            "studies": self.studies,
            "other_outcomes": self.other_outcomes,
            "other_names": self.other_names,
            **{name: None if np.isnan(value) else round(value, 5) for name, value in figures.items()},
        }


def try_precision(
    cohort: CohortIndex, bundle: Bundle, precision: Precision, progress: Progress = silent
) -> PrecisionGate:
    """Screen a cohort in fp32 and in another precision, and compare.

    Args:
        cohort: with T-scores by DXA and rois.csv; of no site that weights are tested on.
        bundle: checked weights.
        precision: to try.
        progress: told after each study.

    Raises:
        ReadError: a table or image that cannot be read.
        ConfigError: too few studies, none with DXA, fp32, or no device of this precision.
        WeightsError: weights that cannot be loaded.
    """
    if precision is Precision.FP32:
        raise ConfigError("precision fp32: is what others are compared with; choose bf16")
    studies = [study for study in cohort.studies if study.dxa is not None and study.dxa.t_score is not None]
    _check_count(cohort, len(studies), "studies with a T-score")
    drawn = None if cohort.root is None else cohort.root / "rois.csv"
    rois = read_rois(drawn) if drawn is not None and drawn.is_file() else {}
    auto = InferenceConfig(detector=Device.AUTO, segmenter=Device.AUTO, classifier=Device.AUTO, precision=precision)
    reference = Screener(bundle, ScreeningConfig())
    other = Screener(replace(bundle, precisions=(precision,)), ScreeningConfig(inference=auto))
    pairs = []
    for number, study in enumerate(studies, start=1):
        loaded = read_images(study)
        try:
            pairs.append((study, reference.screen_loaded(loaded).prediction, other.screen_loaded(loaded).prediction))
        except StudyError as error:
            log.warning("a study was left out: %s", error)
        progress(number, len(studies))
    _check_count(cohort, len(pairs), "studies with a T-score that can be read")
    return compared(precision, pairs, rois)


def _check_count(cohort: CohortIndex, count: int, what: str) -> None:
    if count < FEWEST_STUDIES:
        raise ConfigError(f"{cohort.root}: {count} {what}, expected at least {FEWEST_STUDIES}")


def compared(precision: Precision, pairs: Sequence[tuple[Study, Prediction, Prediction]], rois: Rois) -> PrecisionGate:
    """Results in two precisions.

    Args:
        precision: of the second result of each pair.
        pairs: study, result in fp32, result in the other precision.
        rois: manual boxes.
    """
    both = [(s, a, b) for s, a, b in pairs if a.probabilities and b.probabilities]
    t_scores = np.abs([(a.t_score or 0.0) - (b.t_score or 0.0) for _, a, b in both])
    return PrecisionGate(
        precision=precision,
        studies=len(pairs),
        other_outcomes=sum(_outcome(a) != _outcome(b) for _, a, b in pairs),
        other_names=sum(_levels(a) != _levels(b) for _, a, b in pairs),
        auc=float(np.max([_auc_difference(both, bmd_class) for bmd_class in BMD_CLASSES])),
        iou=abs(_mean_iou(rois, (a for _, a, _ in pairs)) - _mean_iou(rois, (b for _, _, b in pairs))),
        t_score=float(t_scores.max()) if len(t_scores) else float("nan"),
        t_score_95=float(np.percentile(t_scores, 95)) if len(t_scores) else float("nan"),
    )


def _outcome(prediction: Prediction) -> str | None:
    if prediction.rejection is not None:
        return prediction.rejection.code.value
    return None if prediction.probabilities else "unclassified"


def _levels(prediction: Prediction) -> dict[View, tuple[str, ...]]:
    return {view: tuple(box.level for box in result.detection.boxes) for view, result in prediction.views.items()}


def _auc_difference(both: Iterable[tuple[Study, Prediction, Prediction]], bmd_class: BmdClass) -> float:
    """Difference of the AUC of a class; NaN where all or no studies are of it."""
    rows = [(s.dxa is not None and s.dxa.bmd_class is bmd_class, a, b) for s, a, b in both]
    positive: npt.NDArray[np.bool_] = np.array([row[0] for row in rows], bool)
    if positive.all() or not positive.any():
        return float("nan")
    first, second = (
        auc_value(positive, np.array([result.probabilities[bmd_class] for result in results]))
        for results in ([a for _, a, _ in rows], [b for _, _, b in rows])
    )
    return abs(first - second)


def _mean_iou(rois: Rois, predictions: Iterable[Prediction]) -> float:
    """Mean IoU of boxes of L1-L4 with the manual ones; NaN without a pair."""
    overlaps = []
    for prediction in predictions:
        for view, result in prediction.views.items():
            manual = {box.level: box for box in rois.get((prediction.study_uid, view), ())}
            for box in result.detection.boxes:
                if box.level in TARGET_LEVELS and box.level in manual:
                    overlaps.append(iou(box.corners, manual[box.level].corners))
    return float(np.mean(overlaps)) if overlaps else float("nan")
