"""Osteoporosis by intention to diagnose, where rejected studies count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cohort.bmd import BmdClass
from pipeline.evaluation.classification.operating_points import OperatingPoint, operating_point
from pipeline.evaluation.statistics.intervals import Estimate, proportion
from pipeline.evaluation.studies.joined import EvaluatedStudy


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
        metrics=operating_point(name, None, positive, predicted),
        rejected=proportion(int(rejected.sum()), len(rejected)),
        osteoporosis_among_rejected=int((positive & rejected).sum()),
    )
