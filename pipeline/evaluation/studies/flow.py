"""The flow of studies: every study of the results and of the tables is counted once, with what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cohort.bmd import BmdClass
from cohort.eligibility import NO_T_SCORE, EligibilityCriteria, exclusions
from cohort.study import Study
from pipeline.evaluation.studies.joined import EvaluatedStudy, References, join
from pipeline.evaluation.studies.results import SavedResults


class Fate(StrEnum):
    """What became of a study; the first that applies, in this order."""

    INELIGIBLE = "ineligible"
    WITHOUT_REFERENCE = "without reference standard"
    NOT_PROCESSED = "not processed"
    FAILED = "failed"
    REJECTED = "rejected"
    EVALUATED = "evaluated"


NOT_SCREENED, DAMAGED = "could not be screened", "its result cannot be read"
"""Why a study failed."""

NO_RESULT = "no result"
"""Why a study was not processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedStudy:
    """One study and what became of it.

    Attributes:
        study: as headers and tables describe it.
        fate: what became of it.
        reason: the first criterion that it misses, the code of its rejection, or why there is no result.
        evaluated: its result with references; None where it failed or was not processed.
        has_result: whether the results folder knows it, readable or not.
    """

    study: Study
    fate: Fate
    reason: str
    evaluated: EvaluatedStudy | None
    has_result: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How many studies took which way; every study is counted once.

    Attributes:
        studies: all of them.
        patients: of these studies.
        ineligible: by the first criterion that they miss.
        without_reference: eligible, without a T-score by DXA.
        not_processed: eligible with DXA, without a result.
        failed: eligible with DXA, by the kind of failure.
        rejected: eligible with DXA, by the code of the rejection.
        evaluated: with a class and DXA.
        classes: evaluated studies by DXA.
    """

    studies: int
    patients: int
    ineligible: Mapping[str, int]
    without_reference: int
    not_processed: int
    failed: Mapping[str, int]
    rejected: Mapping[str, int]
    evaluated: int
    classes: Mapping[BmdClass, int]


def counted_studies(
    results: SavedResults, references: References, criteria: EligibilityCriteria, include_ineligible: bool = False
) -> tuple[CountedStudy, ...]:
    """Every study that the results or the tables name, once: with results first, then those without.

    Args:
        results: of the output folder.
        references: of the cohort folder.
        criteria: of eligibility.
        include_ineligible: criteria exclude no one.
    """
    screened = join(results.predictions, references, criteria)
    failed = [(references.study_of(prediction), NOT_SCREENED) for prediction in results.failed]
    named = {study.study_uid for study in (*(s.study for s in screened), *(study for study, _ in failed))}
    for names, reason in ((results.failed_names, NOT_SCREENED), (results.damaged_names, DAMAGED)):
        for name in names:
            if name.study_uid not in named:
                named.add(name.study_uid)
                study = Study(study_uid=name.study_uid, patient_id=name.patient_id)
                failed.append((references.tables.joined(study), reason))
    present = [*(s.study for s in screened), *(study for study, _ in failed)]
    lacking = [study for study in references.tables.unprocessed(present) if _has_line(study, references)]
    return (
        *(_screened(study, include_ineligible) for study in screened),
        *(_without_result(study, Fate.FAILED, why, criteria, include_ineligible) for study, why in failed),
        *(_without_result(study, Fate.NOT_PROCESSED, NO_RESULT, criteria, include_ineligible) for study in lacking),
    )


def _has_line(study: Study, references: References) -> bool:
    """Whether cohort.csv names the patient; of one in dxa.csv alone nothing says that there are radiographs."""
    return references.tables.line_of(study) is not None


def _screened(study: EvaluatedStudy, include_ineligible: bool) -> CountedStudy:
    early = _early_fate(study.exclusions, include_ineligible)
    rejection = study.prediction.rejection
    late = (Fate.EVALUATED, "") if rejection is None else (Fate.REJECTED, rejection.code.value)
    fate, reason = early or late
    return CountedStudy(study=study.study, fate=fate, reason=reason, evaluated=study, has_result=True)


def _without_result(
    study: Study, fate: Fate, why: str, criteria: EligibilityCriteria, include_ineligible: bool
) -> CountedStudy:
    found, reason = _early_fate(exclusions(study, criteria), include_ineligible) or (fate, why)
    return CountedStudy(study=study, fate=found, reason=reason, evaluated=None, has_result=fate is Fate.FAILED)


def _early_fate(missed: Sequence[str], include_ineligible: bool) -> tuple[Fate, str] | None:
    """Ineligible by the first criterion, or without reference; None where the study is eligible with DXA."""
    criteria = [reason for reason in missed if reason != NO_T_SCORE]
    if criteria and not include_ineligible:
        return Fate.INELIGIBLE, criteria[0]
    return (Fate.WITHOUT_REFERENCE, NO_T_SCORE) if NO_T_SCORE in missed else None


def flow_of(studies: Sequence[CountedStudy]) -> Flow:
    """The counts of some studies."""
    by_fate = {fate: [study for study in studies if study.fate is fate] for fate in Fate}
    evaluated = by_fate[Fate.EVALUATED]
    classes = Counter(s.study.dxa.bmd_class for s in evaluated if s.study.dxa is not None)
    return Flow(
        studies=len(studies),
        patients=len({study.study.patient_id for study in studies}),
        ineligible=_by_reason(by_fate[Fate.INELIGIBLE]),
        without_reference=len(by_fate[Fate.WITHOUT_REFERENCE]),
        not_processed=len(by_fate[Fate.NOT_PROCESSED]),
        failed=_by_reason(by_fate[Fate.FAILED]),
        rejected=_by_reason(by_fate[Fate.REJECTED]),
        evaluated=len(evaluated),
        classes={c: classes[c] for c in BmdClass},
    )


def _by_reason(studies: Iterable[CountedStudy]) -> dict[str, int]:
    return dict(Counter(study.reason for study in studies).most_common())
