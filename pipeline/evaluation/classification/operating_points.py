"""Osteoporosis at chosen thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohort.bmd import OSTEOPOROSIS_INDEX
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.estimable import metric_words
from pipeline.evaluation.statistics.intervals import Estimate, counts
from pipeline.evaluation.statistics.thresholds import threshold_for_sensitivity

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


def operating_points(cases: EvaluatedCases, sensitivity: float) -> tuple[OperatingPoint, ...]:
    """Osteoporosis at the most probable class, and at the threshold that reaches a sensitivity on these studies."""
    positive, probabilities = cases.positive, cases.p_osteoporosis
    points = [operating_point("most probable class", None, positive, cases.predicted == OSTEOPOROSIS_INDEX)]
    if positive.any():
        threshold = threshold_for_sensitivity(positive, probabilities, sensitivity)
        name = f"sensitivity {sensitivity:.0%} (threshold {threshold:.3f}, of this dataset)"
        points.append(operating_point(name, threshold, positive, probabilities >= threshold))
    return tuple(points)


def operating_point(name: str, threshold: float | None, positive: Flags, predicted: Flags) -> OperatingPoint:
    """Metrics of predictions (n,) of osteoporosis against truth (n,)."""
    return OperatingPoint(
        name=name,
        threshold=threshold,
        not_estimable=metric_words(positive, predicted),
        **counts(positive, predicted).metrics(),
    )
