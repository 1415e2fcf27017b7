"""Table 1: who the patients of each site are, and whether sites differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from cohort.bmd import BMD_CLASSES
from cohort.covariates import Sex
from cohort.io.tables.cohort_tables import CohortRow
from pipeline.evaluation.evaluate import row_of_document

Documents = Sequence[dict[str, Any]]
Rows = Mapping[str, CohortRow]


def population(documents: Documents, rows: Rows) -> dict[str, Any]:
    """A column of the paper's Table 1."""
    known = [row for d in documents if (row := row_of_document(d, rows)) is not None]
    ages, bmis = (np.array(values, float) for values in _ages_and_bmis(known))
    scores = np.array([r.dxa.t_score for r in known if r.dxa is not None and r.dxa.t_score is not None], float)
    classes = [r.dxa.bmd_class for r in known if r.dxa is not None]
    return {
        "studies": len(documents),
        "age_years": _mean_sd(ages),
        "men": sum(r.covariates.sex is Sex.MALE for r in known),
        "women": sum(r.covariates.sex is Sex.FEMALE for r in known),
        "bmi_kg_m2": _mean_sd(bmis),
        "t_score": _mean_sd(scores),
        **{c.value: classes.count(c) for c in BMD_CLASSES},
    }


def _ages_and_bmis(known: Sequence[CohortRow]) -> tuple[list[float], list[float]]:
    covariates = [r.covariates for r in known]
    ages = [c.age_years for c in covariates if c.age_years is not None]
    return ages, [c.bmi_kg_m2 for c in covariates if c.bmi_kg_m2 is not None]


def _mean_sd(values: npt.NDArray[np.float64]) -> list[float] | None:
    return [float(values.mean()), float(values.std(ddof=1))] if len(values) > 1 else None


def population_tests(groups: Sequence[Documents], rows: Rows) -> dict[str, float]:
    """Whether sites differ: one-way analysis of variance of numbers, chi-squared of counts; as the paper's Table 1."""
    known = [[row for d in own if (row := row_of_document(d, rows)) is not None] for own in groups]
    found = {}
    pairs = [_ages_and_bmis(own) for own in known]
    for name, samples in (("age_years", [p[0] for p in pairs]), ("bmi_kg_m2", [p[1] for p in pairs])):
        if (p := equal_means_p(samples)) is not None:
            found[name] = p
    sexes = [[sum(r.covariates.sex is sex for r in own) for sex in Sex] for own in known]
    classes = [[sum(r.dxa is not None and r.dxa.bmd_class is c for r in own) for c in BMD_CLASSES] for own in known]
    for name, table in (("sex", np.array(sexes)), ("bmd_class", np.array(classes))):
        if (table.sum(0) > 0).all() and (table.sum(1) > 0).all():
            found[name] = float(stats.chi2_contingency(table).pvalue)
    return found


def equal_means_p(samples: Sequence[Sequence[float]]) -> float | None:
    """p that groups have equal means, by one-way analysis of variance; None where they are too few or never vary."""
    if all(len(sample) > 1 for sample in samples) and any(np.ptp(sample) > 0 for sample in samples):
        return float(stats.f_oneway(*samples).pvalue)
    return None
