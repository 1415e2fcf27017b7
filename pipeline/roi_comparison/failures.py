"""Studies on which the detector fails: counted against it, beside the studies that it could be compared on."""

from __future__ import annotations

from dataclasses import dataclass

from cohort.bmd import OSTEOPOROSIS_INDEX, BmdClass
from pipeline.roi_comparison.classification import Compared, compare_auc, compare_right
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.studies import ComparedStudies


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Osteoporosis against the rest on one set of studies.

    Attributes:
        studies: how many.
        cases: of osteoporosis by DXA.
        auc: None where osteoporosis, or everything else, is absent; as the next two.
        sensitivity: at the most probable class.
        specificity: at the most probable class.
    """

    studies: int
    cases: int
    auc: Compared | None
    sensitivity: Compared | None
    specificity: Compared | None


def complete_cases(studies: ComparedStudies, config: ComparisonConfig) -> Performance:
    """Only studies with automatic ROIs."""
    sensitivity, specificity = compare_right(studies, BmdClass.OSTEOPOROSIS, config)
    return Performance(
        studies=len(studies.study_uids),
        cases=int((studies.labels == OSTEOPOROSIS_INDEX).sum()),
        auc=compare_auc(studies, BmdClass.OSTEOPOROSIS, config),
        sensitivity=sensitivity,
        specificity=specificity,
    )


def worst_case(studies: ComparedStudies, config: ComparisonConfig) -> Performance:
    """All studies with manual ROIs, those on which the detector failed counted against it."""
    return complete_cases(studies.with_failures_against_the_detector(), config)
