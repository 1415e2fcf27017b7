"""Agreement against R and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.statistics.agreement import bland_altman, icc, mcnemar


def test_mcnemar_counts_the_discordant_pairs() -> None:
    first = np.array([True] * 10 + [False] * 3 + [True] * 20)
    second = np.array([False] * 10 + [True] * 3 + [True] * 20)
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(10, 13).pvalue)
    assert mcnemar(first, first) == 1.0


def test_bland_altman_of_a_shifted_measurement() -> None:
    reference = np.linspace(-4, 1, 50)
    found = bland_altman(reference, reference + 0.3)
    assert (found.bias, found.low, found.high, found.r) == pytest.approx((0.3, 0.3, 0.3, 1.0))


SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
"""Six cases by four raters. Source: Shrout and Fleiss 1979, table 2."""

READERS = np.array(
    [
        43.8,
        46.7,
        43.2,
        47.1,
        51.9,
        50.4,
        45.5,
        43.5,
        44.5,
        62.7,
        60.4,
        63.3,
        52.6,
        52.1,
        51.3,
        45.3,
        44.7,
        41.9,
        55.5,
        57.1,
        54.3,
        57.1,
        56.2,
        56.0,
        56.4,
        55.9,
        52.2,
        49.2,
        48.0,
        45.2,
        62.2,
        59.8,
        61.8,
        49.1,
        52.8,
        53.6,
    ]
).reshape(12, 3)
"""Twelve made-up cases by three raters."""


@pytest.mark.parametrize(
    ("ratings", "value", "low", "high"),
    [
        (SHROUT_FLEISS, 0.2897637795276, 0.0187865133747, 0.7610843696490),
        (READERS, 0.927498647191, 0.825826647263, 0.976365035059),
    ],
    ids=["Shrout and Fleiss", "readers"],
)
def test_the_icc_has_the_values_of_psych(ratings: np.ndarray, value: float, low: float, high: float) -> None:
    """R package psych 2.2.9: ICC(ratings, lmer = FALSE)$results, ICC2."""
    found = icc(ratings)
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-9)


def test_a_rater_who_differs_by_a_constant_agrees_less() -> None:
    assert icc(READERS + np.array([0, 0, 8])).value < 0.8 < icc(READERS).value
    perfect = icc(np.repeat(READERS[:, :1], 3, axis=1))
    assert (perfect.value, perfect.low, perfect.high) == (1, 1, 1)


@pytest.mark.parametrize(
    "ratings", [READERS[:1], READERS[:, :1], np.full((5, 2), 3.0), np.array([[1, 2], [2, np.nan], [3, 4.0]])]
)
def test_an_icc_that_cannot_be_given_is_nan(ratings: np.ndarray) -> None:
    assert np.isnan(icc(ratings).value)


def test_the_interval_of_the_icc_keeps_its_coverage() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        cases, raters = rng.normal(0, 2, (30, 1)), rng.normal(0, 0.5, (1, 4))
        found = icc(cases + raters + rng.normal(0, 1, (30, 4)))
        held.append(found.low < 4 / 5.25 < found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)
