"""Osteoporosis at chosen thresholds, and by intention to diagnose, where rejected studies count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohort.bmd import OSTEOPOROSIS_INDEX, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.estimable import metric_words
from pipeline.evaluation.statistics.intervals import Estimate, counts, proportion
from pipeline.evaluation.statistics.thresholds import threshold_for_sensitivity
from pipeline.evaluation.studies.joined import EvaluatedStudy

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Metrics of one way to predict osteoporosis.

    Attributes:
        name: of the way.
        threshold: probability of osteoporosis from which it is predicted; None at the most probable class.
        sensitivity: of osteoporosis by DXA.
        specificity: of the other classes.
        ppv: of predicted osteoporosis.
        npv: of the other predictions.
        accuracy: of both.
        not_estimable: a word for each metric that these studies cannot give.
    """

    name: str
    threshold: float | None = None
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentionToDiagnose:
    """Every study with DXA counts; a rejected one is not predicted osteoporotic.

    Attributes:
        metrics: over all of them.
        rejected: fraction that was rejected.
        osteoporosis_among_rejected: rejected studies with osteoporosis by DXA.
    """

    metrics: OperatingPoint
    rejected: Estimate
    osteoporosis_among_rejected: int


def operating_points(cases: EvaluatedCases, sensitivity: float) -> tuple[OperatingPoint, ...]:
    """Osteoporosis at the most probable class, and at the threshold that reaches a sensitivity on these studies."""
    positive, probabilities = cases.positive, cases.p_osteoporosis
    points = [_point("most probable class", None, positive, cases.predicted == OSTEOPOROSIS_INDEX)]
    if positive.any():
        threshold = threshold_for_sensitivity(positive, probabilities, sensitivity)
        name = f"sensitivity {sensitivity:.0%} (threshold {threshold:.3f}, of this dataset)"
        points.append(_point(name, threshold, positive, probabilities >= threshold))
    return tuple(points)


def intention_to_diagnose(studies: Sequence[EvaluatedStudy]) -> IntentionToDiagnose | None:
    """Metrics over every study with DXA, rejected ones among them; None without any."""
    known = [(study, study.dxa.bmd_class) for study in studies if study.dxa is not None]
    if not known:
        return None
    positive = np.array([bmd_class is BmdClass.OSTEOPOROSIS for _, bmd_class in known])
    predicted = np.array([study.prediction.bmd_class is BmdClass.OSTEOPOROSIS for study, _ in known])
    rejected = np.array([study.prediction.rejection is not None for study, _ in known])
    name = "intention to diagnose: every study counts, a rejected one is not predicted osteoporotic"
    return IntentionToDiagnose(
        metrics=_point(name, None, positive, predicted),
        rejected=proportion(int(rejected.sum()), len(rejected)),
        osteoporosis_among_rejected=int((positive & rejected).sum()),
    )


def _point(name: str, threshold: float | None, positive: Flags, predicted: Flags) -> OperatingPoint:
    return OperatingPoint(
        name=name,
        threshold=threshold,
        not_estimable=metric_words(positive, predicted),
        **counts(positive, predicted).metrics(),
    )
