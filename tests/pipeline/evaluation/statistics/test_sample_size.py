"""Sample sizes against published examples, pROC and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.evaluation.statistics.roc import auc, delong, delong_test
from pipeline.evaluation.statistics.sample_size import (
    auc_variance,
    studies_for_auc,
    studies_for_noninferiority,
    studies_for_sensitivity,
    studies_for_specificity,
)


def test_sensitivity_and_specificity_need_what_buderers_formulas_say() -> None:
    """Worked by hand: 1.96^2 * .9 * .1 / .1^2 = 34.57 cases, over .2; 1.96^2 * .85 * .15 / .1^2 = 48.98, over .8."""
    assert studies_for_sensitivity(0.90, 0.10, 0.20) == 173
    assert studies_for_specificity(0.85, 0.10, 0.20) == 62
    assert studies_for_sensitivity(0.90, 0.05, 0.20) == math.ceil(1.959964**2 * 0.09 / 0.0025 / 0.2)


def test_the_variance_of_an_area_is_hanleys_and_mcneils() -> None:
    """Hanley and McNeil 1982: an area of 0.893 of 51 cases and 58 others has a standard error of 0.032."""
    assert math.sqrt(auc_variance(0.893, 51, 58)) == pytest.approx(0.0325, abs=1e-4)
    wins = 0.893 * 0.107 + 50 * (0.893 / 1.107 - 0.893**2) + 57 * (2 * 0.893**2 / 1.893 - 0.893**2)
    assert auc_variance(0.893, 51, 58) == pytest.approx(wins / (51 * 58))


def test_an_area_gets_its_half_width() -> None:
    """The variance is that of exponential scores, a little larger than that of these normal ones."""
    n = studies_for_auc(0.85, 0.05, 0.3)
    rng, halves = np.random.default_rng(0), []
    for _ in range(200):
        positive = np.arange(n) < round(0.3 * n)
        found = auc(positive, 1.4657 * positive + rng.normal(0, 1, n))
        halves.append((found.high - found.low) / 2)
    assert 0.042 < np.mean(halves) <= 0.05
    assert studies_for_auc(0.85, 0.025, 0.3) == pytest.approx(4 * n, abs=4)


def test_noninferiority_has_its_power() -> None:
    rng = np.random.default_rng(1)

    def scores(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        positive = np.arange(n) < round(0.4 * n)
        shared = rng.normal(0, math.sqrt(0.7), n) + 1.4657 * positive
        return positive, shared + rng.normal(0, math.sqrt(0.3), n), shared + rng.normal(0, math.sqrt(0.3), n)

    positive, first, second = scores(200_000)
    covariance = delong(positive, np.stack((first, second)))[1]
    correlation = float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    n = studies_for_noninferiority(0.85, 0.05, correlation, 0.4, power=0.8)
    shown = [delong_test(*scores(n), margin=0.05).difference.low > -0.05 for _ in range(400)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)


def test_closer_scores_and_a_better_one_need_fewer_studies() -> None:
    usual = studies_for_noninferiority(0.9, 0.05, 0.5, 0.3)
    assert studies_for_noninferiority(0.9, 0.05, 0.8, 0.3) < usual
    assert studies_for_noninferiority(0.9, 0.05, 0.5, 0.3, difference=0.02) < usual
    assert studies_for_noninferiority(0.9, 0.05, 0.5, 0.3, power=0.9) > usual


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: studies_for_sensitivity(1.0, 0.1, 0.2), "sensitivity 1.0; it lies above 0"),
        (lambda: studies_for_specificity(0.9, 0.1, 1.2), "prevalence 1.2"),
        (lambda: studies_for_auc(0.9, 0, 0.2), "half width 0;"),
        (lambda: studies_for_noninferiority(0.99, 0.05, 0.5, 0.3, difference=0.02), "second auc 1.01"),
        (lambda: studies_for_noninferiority(0.9, 0.05, 1.0, 0.3), "correlation 1.0"),
        (lambda: studies_for_noninferiority(0.9, 0.05, 0.5, 0.3, difference=-0.05), "difference of -0.05"),
    ],
)
def test_impossible_plans_are_refused(wrong: Callable[[], int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
