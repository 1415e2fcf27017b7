"""What is known of bone density without DXA, and whether estimated T-scores show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from cohort.covariates import Sex
from cohort.io.digest import sha256_of
from cohort.mapping.columns_file import table_files
from cohort.spine import View
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.statistics.agreement import bland_altman, icc
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate, Floats
from pipeline.known_groups.observations import IMAGES, Observation, Observations, read_observations

MENOPAUSE_YEARS = 50.0
"""From this age on women lose bone faster than men (Mao et al. 2022 include patients from 50 years on)."""

FEWEST = 10
"""Patients below which a figure has no interval and is not given."""

TOO_FEW = f"not estimable: fewer than {FEWEST} patients"
ONE_SEX = f"not estimable: fewer than {FEWEST} women or men"
ONE_AGE = "not estimable: all patients are of one age"
ONE_AGE_A_SEX = "not estimable: all women are of one age, and all men"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeTrend:
    """T-scores of some patients against their age.

    Attributes:
        views: that the T-scores come from.
        sex: of the patients; None for all.
        patients: how many.
        ages: youngest and oldest; None where there are none.
        r: Pearson's correlation of T-score and age, with Fisher's interval.
        per_decade: change of the T-score in ten years, by least squares, with its t interval.
        not_estimable: why these cannot be given.
    """

    views: tuple[View, ...]
    sex: Sex | None
    patients: int
    ages: tuple[float, float] | None
    r: Estimate
    per_decade: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SexDifference:
    """T-scores of women minus those of men of equal age, from 50 years on.

    Attributes:
        views: that the T-scores come from.
        women: how many.
        men: how many.
        difference: by least squares with age, with its t interval.
        not_estimable: why it cannot be given.
    """

    views: tuple[View, ...]
    women: int
    men: int
    difference: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAgreement:
    """T-scores of the same patients from the AP view alone and from the lateral view alone.

    Attributes:
        patients: how many have both.
        bias: mean of lateral minus AP.
        limits: of agreement, 95 %.
        r: Pearson's correlation, with Fisher's interval.
        r_at_equal_age: the same of what age and sex leave.
        icc: absolute agreement of single T-scores, ICC(2,1).
        not_estimable: why these cannot be given.
    """

    patients: int
    bias: float
    limits: tuple[float, float]
    r: Estimate
    r_at_equal_age: Estimate
    icc: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGroups:
    """Every figure of a results folder.

    Attributes:
        observations: who is counted, and who is not and why.
        ages: trend with age by views and sex; view sets that no patient has are left out.
        sexes: women against men, by views.
        views: agreement of the two views.
        created: time, UTC.
        tables: SHA-256 of the cohort's tables by name.
    """

    observations: Observations
    ages: tuple[AgeTrend, ...]
    sexes: tuple[SexDifference, ...]
    views: ViewAgreement
    created: datetime
    tables: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """One object; what cannot be given is null, with a word why."""
        seen = self.observations
        return {
            "osteolens": version("osteolens"),
            "created": self.created.isoformat(timespec="seconds"),
            "weights": list(seen.weights),
            "tables": dict(self.tables),
            "results": seen.results,
            "patients": len(seen.usable),
            "left_out": dict(seen.left_out),
            "age": result_json(self.ages),
            "sex": result_json(self.sexes),
            "views": result_json(self.views),
        }


def known_groups(results: Path, cohort: Path | None = None) -> KnownGroups:
    """Known groups of saved results with age and sex; runs no model, needs no DXA.

    Args:
        results: output folder of `osteolens process --set input_ablation=true`, or of a run without age, sex and BMI.
        cohort: folder with cohort.csv for age and sex; those of the results when left out.

    Raises:
        ReadError: no result or table can be read.
    """
    seen = read_observations(results, cohort)
    shown = [views for views in IMAGES if any(views in one.t_scores for one in seen.usable)]
    return KnownGroups(
        observations=seen,
        ages=tuple(age_trend(seen.usable, views, sex) for views in shown for sex in (None, *Sex)),
        sexes=tuple(sex_difference(seen.usable, views) for views in shown),
        views=view_agreement(seen.usable),
        created=datetime.now(UTC),
        tables={} if cohort is None else {path.name: sha256_of(path) for path in table_files(cohort)},
    )


def age_trend(patients: Sequence[Observation], views: tuple[View, ...], sex: Sex | None = None) -> AgeTrend:
    """T-scores of some views against age."""
    chosen = [one for one in patients if views in one.t_scores and sex in (None, one.sex)]
    ages, t_scores = _ages(chosen), _t_scores(chosen, views)
    why = TOO_FEW if len(chosen) < FEWEST else ONE_AGE if np.ptp(ages) == 0 else None
    line = None if why else least_squares(np.column_stack((np.ones_like(ages), ages / 10)), t_scores)
    return AgeTrend(
        views=views,
        sex=sex,
        patients=len(chosen),
        ages=(float(ages.min()), float(ages.max())) if chosen else None,
        r=UNKNOWN if why else correlation(ages, t_scores),
        per_decade=UNKNOWN if line is None else line[1],
        not_estimable={} if why is None else {"r": why, "per_decade": why},
    )


def sex_difference(patients: Sequence[Observation], views: tuple[View, ...]) -> SexDifference:
    """Women against men of equal age from 50 years on."""
    chosen = [
        one for one in patients if views in one.t_scores and one.sex is not None and one.age_years >= MENOPAUSE_YEARS
    ]
    women = np.array([one.sex is Sex.FEMALE for one in chosen], np.float64)
    count = int(women.sum())
    ages = _ages(chosen)
    design = np.column_stack((np.ones_like(ages), women, ages - (ages.mean() if len(ages) else 0)))
    few = min(count, len(chosen) - count) < FEWEST
    why = ONE_SEX if few else ONE_AGE_A_SEX if np.linalg.matrix_rank(design) < design.shape[1] else None
    return SexDifference(
        views=views,
        women=count,
        men=len(chosen) - count,
        difference=UNKNOWN if why else least_squares(design, _t_scores(chosen, views))[1],
        not_estimable={} if why is None else {"difference": why},
    )


def view_agreement(patients: Sequence[Observation]) -> ViewAgreement:
    """T-scores of one view against those of the other, of patients who have both."""
    one_view = ((View.AP,), (View.LATERAL,))
    chosen = [one for one in patients if all(views in one.t_scores for views in one_view)]
    frontal, lateral = (_t_scores(chosen, views) for views in one_view)
    if len(chosen) < FEWEST:
        words = dict.fromkeys(("bias", "limits", "r", "r_at_equal_age", "icc"), TOO_FEW)
        nan = float("nan")
        return ViewAgreement(
            patients=len(chosen), bias=nan, limits=(nan, nan), r=UNKNOWN, r_at_equal_age=UNKNOWN, icc=UNKNOWN,
            not_estimable=words,
        )  # fmt: skip
    agreement = bland_altman(frontal, lateral)
    ages = _ages(chosen)
    known = np.column_stack(
        (np.ones_like(ages), ages, *(np.array([one.sex is sex for one in chosen], float) for sex in Sex))
    )
    removed = int(np.linalg.matrix_rank(known)) - 1
    return ViewAgreement(
        patients=len(chosen),
        bias=agreement.bias,
        limits=(agreement.low, agreement.high),
        r=correlation(frontal, lateral),
        r_at_equal_age=correlation(_residuals(known, frontal), _residuals(known, lateral), removed),
        icc=icc(np.column_stack((frontal, lateral))),
        not_estimable={},
    )


def correlation(first: Floats, second: Floats, removed: int = 0, confidence: float = 0.95) -> Estimate:
    """Pearson's correlation with Fisher's interval; NaN where one side never varies.

    Args:
        first: (n,) values.
        second: (n,) values.
        removed: variables whose effect was removed from both, which makes it a partial correlation.
        confidence: of the interval.

    Source: Fisher 1924, Metron 3:329 (partial correlations lose a degree of freedom for each variable).
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return UNKNOWN
    r = float(np.corrcoef(first, second)[0, 1])
    freedom = len(first) - 3 - removed
    if freedom < 1 or abs(r) >= 1:
        return Estimate(r, float("nan"), float("nan"))
    half = float(stats.norm.ppf(0.5 + confidence / 2)) / math.sqrt(freedom)
    return Estimate(r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half))


def least_squares(design: Floats, values: Floats, confidence: float = 0.95) -> tuple[Estimate, ...]:
    """Coefficients of a linear regression with their t intervals.

    Args:
        design: (n, k) of full rank, with a column of ones.
        values: (n,).
        confidence: of the intervals.
    """
    n, k = design.shape
    found, _, _, _ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ found
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * float(residuals @ residuals) / (n - k))
    halves = float(stats.t.ppf(0.5 + confidence / 2, n - k)) * errors
    return tuple(Estimate(float(v), float(v - h), float(v + h)) for v, h in zip(found, halves, strict=True))


def _residuals(design: Floats, values: Floats) -> Floats:
    found, _, _, _ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(values - design @ found)


def _ages(patients: Sequence[Observation]) -> Floats:
    return np.array([one.age_years for one in patients], np.float64)


def _t_scores(patients: Sequence[Observation], views: tuple[View, ...]) -> Floats:
    return np.array([one.t_scores[views] for one in patients], np.float64)
