"""AUC of osteoporosis and accuracy by sex, age, BMI and radiography system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cohort.covariates import Covariates, Sex
from cohort.io.tables.cohort_tables import CohortRow
from pipeline.evaluation.classification.cases import cases_of
from pipeline.evaluation.statistics.intervals import Estimate, proportion
from pipeline.evaluation.statistics.roc import auc
from pipeline.evaluation.studies.joined import EvaluatedStudy

AGE_BANDS = ((50, 60), (60, 70), (70, 80), (80, 120))
BMI_BANDS = ((0.0, 18.5), (18.5, 24.0), (24.0, 28.0), (28.0, 99.0))
"""Underweight, normal, overweight, obese by the Chinese criteria (WS/T 428-2013)."""

Belongs = Callable[[CohortRow], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """One group of studies.

    Attributes:
        kind: by what studies are grouped.
        group: its name.
        studies: with a class and DXA.
        cases: of osteoporosis by DXA.
        accuracy: at the most probable class.
        auc: of osteoporosis; None with too few cases or others.
    """

    kind: str
    group: str
    studies: int
    cases: int
    accuracy: Estimate
    auc: Estimate | None


def subgroups(studies: Sequence[EvaluatedStudy], fewest_cases: int) -> tuple[Subgroup, ...]:
    """Every group that has a study with a class and DXA.

    Args:
        studies: evaluated ones.
        fewest_cases: cases, and others, below which a group has no AUC.
    """
    systems = sorted({study.row.machine for study in studies if study.row is not None and study.row.machine})
    groups = []
    for kind, group, belongs in _groups(systems):
        cases = cases_of([study for study in studies if study.row is not None and belongs(study.row)])
        if cases is None:
            continue
        positive = cases.positive
        enough = min(positive.sum(), (~positive).sum()) >= fewest_cases
        groups.append(
            Subgroup(
                kind=kind,
                group=group,
                studies=len(positive),
                cases=int(positive.sum()),
                accuracy=proportion(int((cases.predicted == cases.labels).sum()), len(positive)),
                auc=auc(positive, cases.p_osteoporosis) if enough else None,
            )
        )
    return tuple(groups)


def _groups(systems: Sequence[str]) -> Iterator[tuple[str, str, Belongs]]:
    yield "sex", "women", lambda row: row.covariates.sex is Sex.FEMALE
    yield "sex", "men", lambda row: row.covariates.sex is Sex.MALE
    for low, high in AGE_BANDS:
        name = f"{low}-{high - 1}" if high < 120 else f"{low}+"
        yield "age", name, _within(lambda known: known.age_years, low, high)
    for least, most in BMI_BANDS:
        name = f"{least:g}-{most:g}" if most < 99 else f"{least:g}+"
        yield "BMI", name, _within(lambda known: known.bmi_kg_m2, least, most)
    for system in systems:
        yield "radiography system", system, _of_system(system)


def _within(value_of: Callable[[Covariates], float | None], low: float, high: float) -> Belongs:
    def belongs(row: CohortRow) -> bool:
        value = value_of(row.covariates)
        return value is not None and low <= value < high

    return belongs


def _of_system(system: str) -> Belongs:
    return lambda row: row.machine == system
