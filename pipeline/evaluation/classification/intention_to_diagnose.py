"""Osteoporosis by intention to diagnose: every eligible study with DXA counts, whether it got a class or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cohort.bmd import BmdClass
from pipeline.evaluation.classification.operating_points import OperatingPoint, operating_point
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_PATIENT, is_lone
from pipeline.evaluation.statistics.intervals import Estimate, clustered_proportion
from pipeline.evaluation.studies.flow import CountedStudy, Fate

NOT_CALLED = "intention to diagnose: a study without a class is not called osteoporotic"
REFERRED = "intention to diagnose: a study without a class is referred to DXA"

COUNTED = (Fate.EVALUATED, Fate.REJECTED, Fate.FAILED, Fate.NOT_PROCESSED)
"""Fates of eligible studies with DXA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentionToDiagnose:
    """Every eligible study with DXA counts.

    Attributes:
        studies: all of them.
        evaluated: that got a class.
        rejected: by quality control.
        failed: that could not be screened, or whose result cannot be read.
        not_processed: without a result.
        without_class: fraction of the last three.
        osteoporosis_without_class: of these, with osteoporosis by DXA.
        not_called: metrics where a study without a class counts as not osteoporotic; the lower bound of sensitivity.
        referred: metrics where it counts as called, since it goes on to DXA; the lower bound of specificity.
        not_estimable: a word for the interval of `without_class` where these studies cannot give it.
    """

    studies: int
    evaluated: int
    rejected: int
    failed: int
    not_processed: int
    without_class: Estimate
    osteoporosis_without_class: int
    not_called: OperatingPoint
    referred: OperatingPoint
    not_estimable: Mapping[str, str] = field(default_factory=dict)


def intention_to_diagnose(
    studies: Sequence[CountedStudy], prevalence: float | None = None
) -> IntentionToDiagnose | None:
    """Both bounds over every eligible study with DXA; None without any.

    Args:
        studies: of one data set, whatever became of them.
        prevalence: of osteoporosis, for predictive values where these are to be used.

    Source: STARD 2015, item 15 (indeterminate results) and item 16 (missing data).
    """
    counted = [(study, study.study.dxa.bmd_class) for study in studies if study.fate in COUNTED and study.study.dxa]
    if not counted:
        return None
    positive = np.array([bmd_class is BmdClass.OSTEOPOROSIS for _, bmd_class in counted])
    called = np.array([_is_called(study) for study, _ in counted])
    lacking = np.array([study.fate is not Fate.EVALUATED for study, _ in counted])
    patients = np.unique([study.study.patient_id for study, _ in counted], return_inverse=True)[1].astype(np.int64)
    everyone = np.ones(len(counted), bool)
    fates = [study.fate for study, _ in counted]
    return IntentionToDiagnose(
        studies=len(counted),
        evaluated=fates.count(Fate.EVALUATED),
        rejected=fates.count(Fate.REJECTED),
        failed=fates.count(Fate.FAILED),
        not_processed=fates.count(Fate.NOT_PROCESSED),
        without_class=clustered_proportion(lacking, patients),
        osteoporosis_without_class=int((positive & lacking).sum()),
        not_called=operating_point(NOT_CALLED, None, positive, called, patients, prevalence),
        referred=operating_point(REFERRED, None, positive, called | lacking, patients, prevalence),
        not_estimable={"without_class_interval": NOT_ESTIMABLE + ONE_PATIENT} if is_lone(everyone, patients) else {},
    )


def _is_called(study: CountedStudy) -> bool:
    result = study.evaluated
    return study.fate is Fate.EVALUATED and result is not None and result.prediction.bmd_class is BmdClass.OSTEOPOROSIS
