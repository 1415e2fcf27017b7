"""Table 1: the patients of each site, and whether sites differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Sex
from cohort.io.tables.cohort_tables import CohortRow


@dataclass(frozen=True, slots=True)
class MeanSd:
    """Mean and sample standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A column of the paper's Table 1.

    Attributes:
        studies: that were evaluated, with a line in cohort.csv or without.
        age_years: None with fewer than two.
        men: by cohort.csv.
        women: by cohort.csv.
        bmi_kg_m2: None with fewer than two.
        t_score: of L1-L4, None with fewer than two.
        classes: patients by DXA.
    """

    studies: int
    age_years: MeanSd | None
    men: int
    women: int
    bmi_kg_m2: MeanSd | None
    t_score: MeanSd | None
    classes: Mapping[BmdClass, int]


def population(rows: Sequence[CohortRow], studies: int | None = None) -> Population:
    """Table 1 of some rows.

    Args:
        rows: of cohort.csv.
        studies: how many there are, those without a row among them; as many as rows when left out.
    """
    classes = [row.dxa.bmd_class for row in rows if row.dxa is not None]
    return Population(
        studies=len(rows) if studies is None else studies,
        age_years=_mean_sd(_ages(rows)),
        men=sum(row.covariates.sex is Sex.MALE for row in rows),
        women=sum(row.covariates.sex is Sex.FEMALE for row in rows),
        bmi_kg_m2=_mean_sd(_bmis(rows)),
        t_score=_mean_sd([r.dxa.t_score for r in rows if r.dxa is not None and r.dxa.t_score is not None]),
        classes={c: classes.count(c) for c in BMD_CLASSES},
    )


def population_tests(groups: Sequence[Sequence[CohortRow]]) -> dict[str, float]:
    """Whether sites differ: one-way analysis of variance of numbers, chi-squared of counts; as the paper's Table 1.

    Returns:
        p by `age_years`, `bmi_kg_m2`, `sex` and `bmd_class`; what the groups cannot tell is left out.
    """
    p_values = {}
    for name, values in (("age_years", _ages), ("bmi_kg_m2", _bmis)):
        if (p := equal_means_p([values(rows) for rows in groups])) is not None:
            p_values[name] = p
    sexes = [[sum(row.covariates.sex is sex for row in rows) for sex in Sex] for rows in groups]
    classes = [[sum(r.dxa is not None and r.dxa.bmd_class is c for r in rows) for c in BMD_CLASSES] for rows in groups]
    for name, table in (("sex", np.array(sexes)), ("bmd_class", np.array(classes))):
        if (table.sum(0) > 0).all() and (table.sum(1) > 0).all():
            p_values[name] = float(stats.chi2_contingency(table).pvalue)
    return p_values


def equal_means_p(samples: Sequence[Sequence[float]]) -> float | None:
    """p that groups have equal means, by one-way analysis of variance; None where they are too few or never vary."""
    if all(len(sample) > 1 for sample in samples) and any(np.ptp(sample) > 0 for sample in samples):
        return float(stats.f_oneway(*samples).pvalue)
    return None


def _ages(rows: Sequence[CohortRow]) -> list[float]:
    return [row.covariates.age_years for row in rows if row.covariates.age_years is not None]


def _bmis(rows: Sequence[CohortRow]) -> list[float]:
    return [row.covariates.bmi_kg_m2 for row in rows if row.covariates.bmi_kg_m2 is not None]


def _mean_sd(values: Sequence[float]) -> MeanSd | None:
    return MeanSd(float(np.mean(values)), float(np.std(values, ddof=1))) if len(values) > 1 else None
