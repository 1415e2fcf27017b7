"""Table 1: the patients of each data set, what is unknown of them, and whether groups differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from cohort.bmd import BMD_CLASSES, BmdClass, DxaResult
from cohort.covariates import Covariates, Sex

FEWEST_FOR_MEANS = 15
"""Values of a group below which groups are compared by ranks, since means of so few need not be normal."""

FEWEST_EXPECTED = 5.0
"""Expected count of a cell below which chi-squared is no reference. Source: Cochran 1954, Biometrics 10:417."""

DRAWS = 9999
"""Tables drawn for a Monte Carlo p."""


class Described(Protocol):
    """A study, or a line of cohort.csv."""

    @property
    def covariates(self) -> Covariates:
        """Age, sex and body size."""

    @property
    def dxa(self) -> DxaResult | None:
        """The reference standard."""

    @property
    def patient_id(self) -> str | None:
        """The patient; None is a patient of its own."""


class Method(StrEnum):
    """How groups are compared."""

    ANALYSIS_OF_VARIANCE = "analysis of variance"
    KRUSKAL_WALLIS = "Kruskal-Wallis"
    CHI_SQUARED = "chi-squared"
    FISHER = "Fisher's exact"
    MONTE_CARLO = "chi-squared, Monte Carlo"


@dataclass(frozen=True, slots=True)
class GroupTest:
    """p that groups are alike, and by which test."""

    p: float
    test: Method


@dataclass(frozen=True, slots=True)
class MeanSd:
    """Mean and sample standard deviation, with median and quartiles where they are known."""

    mean: float
    sd: float
    median: float | None = None
    quartiles: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Studies of which a characteristic is unknown, and patients of whom it is unknown in every study."""

    studies: int
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A column of the paper's Table 1.

    Attributes:
        studies: of the data set.
        patients: of these studies; None where it is not known.
        age_years: None with fewer than two.
        men: studies of men.
        women: studies of women.
        bmi_kg_m2: None with fewer than two.
        t_score: of L1-L4, None with fewer than two.
        classes: studies by DXA.
        missing: what is unknown, by `age_years`, `sex`, `bmi_kg_m2` and `t_score` (the class with it).
    """

    studies: int
    patients: int | None = None
    age_years: MeanSd | None
    men: int
    women: int
    bmi_kg_m2: MeanSd | None
    t_score: MeanSd | None
    classes: Mapping[BmdClass, int]
    missing: Mapping[str, Missing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedOrNot:
    """The studies of a data set that were evaluated, beside those that were not.

    Attributes:
        evaluated: with a class and DXA.
        not_evaluated: rejected, failed, not processed, or without a reference.
        tests: whether both differ, by characteristic.
    """

    evaluated: Population
    not_evaluated: Population
    tests: Mapping[str, GroupTest]


def population(studies: Sequence[Described]) -> Population:
    """Table 1 of some studies."""
    classes = [study.dxa.bmd_class for study in studies if study.dxa is not None]
    sexes = [study.covariates.sex for study in studies]
    patients = _patients(studies)
    return Population(
        studies=len(studies),
        patients=len(set(patients)),
        age_years=_mean_sd(_known(studies, _NUMBERS["age_years"])),
        men=sexes.count(Sex.MALE),
        women=sexes.count(Sex.FEMALE),
        bmi_kg_m2=_mean_sd(_known(studies, _NUMBERS["bmi_kg_m2"])),
        t_score=_mean_sd(_known(studies, _NUMBERS["t_score"])),
        classes={c: classes.count(c) for c in BMD_CLASSES},
        missing={name: _missing([value(s) for s in studies], patients) for name, value in _VALUES.items()},
    )


def evaluated_or_not(evaluated: Sequence[Described], others: Sequence[Described]) -> EvaluatedOrNot | None:
    """Evaluated studies beside the others of a data set; None where all or none were evaluated."""
    if not evaluated or not others:
        return None
    return EvaluatedOrNot(
        evaluated=population(evaluated),
        not_evaluated=population(others),
        tests=population_tests([evaluated, others]),
    )


def population_tests(groups: Sequence[Sequence[Described]]) -> dict[str, GroupTest]:
    """Whether groups differ, by the first study of each patient, since studies of a patient are alike.

    Numbers: one-way analysis of variance, as the paper's Table 1, or Kruskal-Wallis where a group has fewer than 15.
    Counts: chi-squared, or, where an expected count is below 5, Fisher's exact test of two groups by two and else
    chi-squared with a Monte Carlo p.

    Returns:
        by `age_years`, `bmi_kg_m2`, `t_score`, `sex` and `bmd_class`; what the groups cannot tell is left out.
    """
    firsts = [_one_of_each_patient(studies) for studies in groups]
    found: dict[str, GroupTest | None] = {
        name: _numbers_test([_known(studies, value) for studies in firsts]) for name, value in _NUMBERS.items()
    }
    sexes = [[sum(study.covariates.sex is sex for study in studies) for sex in Sex] for studies in firsts]
    classes = [
        [sum(s.dxa is not None and s.dxa.bmd_class is c for s in studies) for c in BMD_CLASSES] for studies in firsts
    ]
    found |= {"sex": _counts_test(np.array(sexes)), "bmd_class": _counts_test(np.array(classes))}
    return {name: test for name, test in found.items() if test is not None}


def _equal_means_p(samples: Sequence[Sequence[float]]) -> float | None:
    """p that groups have equal means, by one-way analysis of variance; None where they are too few or never vary."""
    if all(len(sample) > 1 for sample in samples) and any(np.ptp(sample) > 0 for sample in samples):
        return float(stats.f_oneway(*samples).pvalue)
    return None


def _numbers_test(samples: Sequence[Sequence[float]]) -> GroupTest | None:
    if len(samples) > 1 and min(map(len, samples)) >= FEWEST_FOR_MEANS:
        p = _equal_means_p(samples)
        return None if p is None else GroupTest(p, Method.ANALYSIS_OF_VARIANCE)
    if len(samples) < 2 or min(map(len, samples)) < 2 or len({value for sample in samples for value in sample}) < 2:
        return None
    return GroupTest(float(stats.kruskal(*samples).pvalue), Method.KRUSKAL_WALLIS)


def _counts_test(table: npt.NDArray[np.int64]) -> GroupTest | None:
    """Whether rows (groups) differ in their columns; None where a row or a column is empty."""
    if len(table) < 2 or not (table.sum(0) > 0).all() or not (table.sum(1) > 0).all():
        return None
    expected = stats.contingency.expected_freq(table)
    if expected.min() >= FEWEST_EXPECTED:
        return GroupTest(float(stats.chi2_contingency(table).pvalue), Method.CHI_SQUARED)
    if table.shape == (2, 2):
        return GroupTest(float(stats.fisher_exact(table)[1]), Method.FISHER)
    return GroupTest(_monte_carlo_p(table, expected), Method.MONTE_CARLO)


def _monte_carlo_p(table: npt.NDArray[np.int64], expected: npt.NDArray[np.float64]) -> float:
    """Fraction of tables with the same margins whose chi-squared is as large or larger (Hope 1968)."""
    drawn = stats.random_table(table.sum(1), table.sum(0), seed=0).rvs(DRAWS)
    measured = ((table - expected) ** 2 / expected).sum()
    statistics = ((drawn - expected) ** 2 / expected).sum((1, 2))
    return float((1 + (statistics >= measured - 1e-9).sum()) / (DRAWS + 1))


_NUMBERS: Mapping[str, Callable[[Described], float | None]] = {
    "age_years": lambda study: study.covariates.age_years,
    "bmi_kg_m2": lambda study: study.covariates.bmi_kg_m2,
    "t_score": lambda study: None if study.dxa is None else study.dxa.t_score,
}

_VALUES: Mapping[str, Callable[[Described], object]] = {**_NUMBERS, "sex": lambda study: study.covariates.sex}


def _known(studies: Sequence[Described], value: Callable[[Described], float | None]) -> list[float]:
    return [known for study in studies if (known := value(study)) is not None]


def _patients(studies: Sequence[Described]) -> list[object]:
    """The patient of each study; one without an identifier is a patient of its own."""
    return [k if study.patient_id is None else study.patient_id for k, study in enumerate(studies)]


def _one_of_each_patient(studies: Sequence[Described]) -> list[Described]:
    first: dict[object, Described] = {}
    for patient, study in zip(_patients(studies), studies, strict=True):
        first.setdefault(patient, study)
    return list(first.values())


def _missing(values: Sequence[object], patients: Sequence[object]) -> Missing:
    known = {patient for patient, value in zip(patients, values, strict=True) if value is not None}
    return Missing(sum(value is None for value in values), len(set(patients) - known))


def _mean_sd(values: Sequence[float]) -> MeanSd | None:
    if len(values) < 2:
        return None
    low, median, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    return MeanSd(float(np.mean(values)), float(np.std(values, ddof=1)), median, (low, high))
