"""Known groups as people read them."""

from __future__ import annotations

import math

import pandas as pd

from classify.inputs import InputSet
from cohort.covariates import Sex
from cohort.spine import View
from pipeline.evaluation.estimable import as_cell, gap_text, interval_text
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.known_groups.groups import KnownGroups

SEXES = {None: "all", Sex.FEMALE: "women", Sex.MALE: "men"}

TITLES = {
    "age": "T-score falls with age",
    "sex": "Women below men of equal age, from 50 years on",
    "views": "The two views of a patient agree",
    "counts": "Who is counted",
}


def known_group_tables(groups: KnownGroups) -> dict[str, pd.DataFrame]:
    """Every table, by the names of `TITLES`."""
    return {"age": _ages(groups), "sex": _sexes(groups), "views": _views(groups), "counts": _counts(groups)}


def verdict(estimate: Estimate, below: bool) -> str:
    """Whether an estimate lies on the side of zero that is known, by its interval."""
    if not math.isfinite(estimate.low):
        return "-"
    shown, against = (estimate.high < 0, estimate.low > 0) if below else (estimate.low > 0, estimate.high < 0)
    return "shown" if shown else "the opposite" if against else "not shown"


def _ages(groups: KnownGroups) -> pd.DataFrame:
    rows = [
        {
            "views": _named(trend.views),
            "patients": f"{trend.patients} {SEXES[trend.sex]}",
            "ages": "-" if trend.ages is None else f"{trend.ages[0]:.0f}-{trend.ages[1]:.0f}",
            "r of T-score and age": gap_text(trend.r, trend.not_estimable.get("r"), digits=2),
            "T-score in ten years": gap_text(trend.per_decade, trend.not_estimable.get("per_decade"), digits=2),
            "it falls": verdict(trend.r, below=True),
        }
        for trend in groups.ages
    ]
    return pd.DataFrame(rows)


def _sexes(groups: KnownGroups) -> pd.DataFrame:
    rows = [
        {
            "views": _named(one.views),
            "women": one.women,
            "men": one.men,
            "T-score of women minus men": gap_text(one.difference, one.not_estimable.get("difference"), digits=2),
            "women are below": verdict(one.difference, below=True),
        }
        for one in groups.sexes
    ]
    return pd.DataFrame(rows)


def _views(groups: KnownGroups) -> pd.DataFrame:
    views = groups.views
    if views.not_estimable:
        return pd.DataFrame(
            [{"figure": "patients with both", "value": f"{views.patients}: {as_cell(views.not_estimable['r'])}"}]
        )
    low, high = views.limits
    rows = [
        ("patients with both", str(views.patients)),
        ("lateral minus AP, mean", f"{views.bias:+.2f} (95 % limits of agreement {low:+.2f} to {high:+.2f})"),
        ("correlation", interval_text(views.r, digits=2)),
        ("correlation at equal age and sex", interval_text(views.r_at_equal_age, digits=2)),
        ("ICC(2,1), absolute agreement", interval_text(views.icc, digits=2)),
    ]
    return pd.DataFrame(rows, columns=["figure", "value"])


def _counts(groups: KnownGroups) -> pd.DataFrame:
    seen = groups.observations
    rows = [("results", seen.results), *seen.left_out.items(), ("patients counted", len(seen.usable))]
    return pd.DataFrame(rows, columns=["what", "number"])


def _named(views: tuple[View, ...]) -> str:
    return InputSet(views=views, covariates=False).projection
