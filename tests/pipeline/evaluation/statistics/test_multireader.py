"""Readers and an algorithm on the same cases, against published values and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.statistics.intervals import Flags, Floats
from pipeline.evaluation.statistics.multireader import against_readers, mean_of_readers, proportions
from pipeline.evaluation.statistics.roc import delong, delong_test

VAN_DYKE = np.array(
    [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
)
"""AUCs of five readers with spin-echo and with cine MRI on 114 patients (Van Dyke 1993), and below their variances and
covariances and the results, as the program of Hillis' group prints them: OR-DBM MRMC 2.51 (University of Iowa), Van
Dyke data, trapezoidal areas, jackknife covariances; in RJafroc 2.1 as
inst/IowaResults/VanDyke_trap_area_jackknife_anova.txt and VanDyke1T.txt."""

ERROR, COV1, COV2, COV3 = 0.00080229, 0.00034661, 0.00034407, 0.00023903
SINGLE = ((0.00101410, 0.00048396), (0.00059047, 0.00020419))
"""Variance of the error and Cov2 from each treatment alone."""


def symmetric(variance: float, covariance: float, size: int) -> Floats:
    return np.full((size, size), covariance) + np.eye(size) * (variance - covariance)


@pytest.mark.parametrize(
    ("treatment", "error", "freedom", "low", "high", "fixed_error", "fixed_low", "fixed_high"),
    [
        (0, 0.03317360, 12.74, 0.82522360, 0.96885048, 0.02428971, 0.84943008, 0.94464399),
        (1, 0.02156637, 12.71, 0.89413783, 0.98753689, 0.01677632, 0.90795637, 0.97371835),
    ],
)
def test_the_mean_of_readers_is_that_of_the_published_analysis(
    treatment: int,
    error: float,
    freedom: float,
    low: float,
    high: float,
    fixed_error: float,
    fixed_low: float,
    fixed_high: float,
) -> None:
    covariance = symmetric(*SINGLE[treatment], 5)
    mean = mean_of_readers(VAN_DYKE[treatment], covariance, random_readers=True)
    assert mean.standard_error == pytest.approx(error, abs=2e-7)
    assert mean.degrees_of_freedom == pytest.approx(freedom, abs=0.005)
    interval = mean.interval()
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-6)
    fixed = mean_of_readers(VAN_DYKE[treatment], covariance, random_readers=False)
    assert fixed.standard_error == pytest.approx(fixed_error, abs=2e-7) and np.isinf(fixed.degrees_of_freedom)
    assert (fixed.interval().low, fixed.interval().high) == pytest.approx((fixed_low, fixed_high), abs=1e-6)


def two_treatments(
    values: Floats, cov1: float, cov2: float, cov3: float, error: float
) -> tuple[float, float, float, float]:
    """Difference, its standard error, degrees of freedom and p of two treatments (2, r), with random readers.

    Written from the formulas that OR-DBM MRMC prints beside its results, for a check of the product's own.
    """
    readers = values.shape[1]
    residuals = values - values.mean(0) - values.mean(1)[:, None] + values.mean()
    interaction = (residuals**2).sum() / (readers - 1)
    shared = readers * max(cov2 - cov3, 0.0)
    freedom = (interaction + shared) ** 2 / (interaction**2 / (readers - 1))
    difference = float(values[0].mean() - values[1].mean())
    spread = float(np.sqrt(2 / readers * (interaction + shared)))
    assert error > cov1
    return difference, spread, float(freedom), float(2 * stats.t.sf(abs(difference) / spread, freedom))


def test_the_check_by_two_treatments_is_that_of_the_published_analysis() -> None:
    difference, spread, freedom, p = two_treatments(VAN_DYKE, COV1, COV2, COV3, ERROR)
    assert difference == pytest.approx(-0.04380, abs=5e-6) and spread == pytest.approx(0.02075, abs=5e-6)
    assert freedom == pytest.approx(15.26, abs=0.005) and p == pytest.approx(0.0517, abs=5e-5)


def readings(seed: int, readers: int, cases: int, skill: float, algorithm: float) -> tuple[Flags, Floats]:
    """Truth (2 cases,) and scores (readers + 1, 2 cases), the algorithm's last (model of Roe and Metz 1997)."""
    rng = np.random.default_rng(seed)
    positive = np.arange(2 * cases) < cases
    skills = 1.3 + rng.normal(0, skill, readers)
    shared, own = rng.normal(0, np.sqrt(0.4), 2 * cases), rng.normal(0, np.sqrt(0.6), (readers + 1, 2 * cases))
    return positive, np.append(skills, algorithm)[:, None] * positive + shared + own


def test_an_algorithm_against_readers_is_the_algorithm_copied_as_one_treatment() -> None:
    """Chakraborty 2017: copies of the algorithm as a second treatment give the same statistic, freedom and p."""
    positive, scores = readings(3, 5, 60, 0.3, 1.1)
    values, covariance = delong(positive, scores)
    compared = against_readers(values, covariance)
    off = ~np.eye(5, dtype=bool)
    cov2 = (covariance[:-1, :-1][off].mean() + covariance[-1, -1]) / 2
    copied = np.stack((np.full(5, values[-1]), values[:-1]))
    cov3 = float(covariance[-1, :-1].mean())
    difference, spread, freedom, p = two_treatments(copied, 0.0, float(cov2), cov3, 1.0)
    assert compared.random_readers
    assert compared.difference.value == pytest.approx(difference)
    assert compared.difference.standard_error == pytest.approx(spread)
    assert compared.difference.degrees_of_freedom == pytest.approx(freedom)
    assert compared.difference.unequal() == pytest.approx(p)


def test_one_reader_gives_the_paired_test_and_two_are_fixed() -> None:
    positive, scores = readings(4, 1, 50, 0.0, 1.2)
    one = against_readers(*delong(positive, scores))
    paired = delong_test(positive, scores[0], scores[1], margin=0.05)
    interval = one.difference.interval()
    assert not one.random_readers
    assert (interval.low, interval.high) == pytest.approx((paired.difference.low, paired.difference.high))
    assert one.difference.unequal() == pytest.approx(paired.p)
    assert one.difference.above(-0.05) == pytest.approx(paired.p_noninferior)
    positive, scores = readings(4, 2, 50, 0.0, 1.2)
    assert not against_readers(*delong(positive, scores)).random_readers


def test_readers_without_spread_leave_the_cases_alone() -> None:
    covariance = symmetric(4e-4, 4e-4, 3)
    mean = mean_of_readers(np.full(3, 0.8), covariance, random_readers=True)
    assert mean.standard_error == pytest.approx(0.02) and np.isinf(mean.degrees_of_freedom)
    assert mean.interval().low == pytest.approx(0.8 - 1.959964 * 0.02)
    exact = mean_of_readers(np.zeros(3), np.zeros((3, 3)), random_readers=True)
    assert exact.unequal() == 1 and exact.above(-0.02) == 0 and exact.above(0.0) == 1


def test_the_interval_of_an_area_stays_inside_its_range() -> None:
    mean = mean_of_readers(np.array([0.95, 0.99, 0.97]), symmetric(1e-3, 8e-4, 3), random_readers=True)
    low, value, high = mean.logit_interval().low, mean.value, mean.logit_interval().high
    assert mean.interval().high > 1 and 0 < low < value < high < 1
    assert np.isnan(mean_of_readers(np.ones(3), np.zeros((3, 3)), True).logit_interval().low)


def test_the_type_i_error_is_nominal_with_random_readers_and_not_with_fixed_ones() -> None:
    """Readers whose skill varies, an algorithm as good as their population; two-sided 5 % and one-sided 5 %.

    The mean AUC of the population is Phi(1.3 / sqrt(2 + 0.35^2)).
    """
    random, fixed, one_sided = [], [], []
    for seed in range(600):
        positive, scores = readings(seed, 5, 60, 0.35, 1.3 / np.sqrt(1 + 0.35**2 / 2))
        values, covariance = delong(positive, scores)
        compared = against_readers(values, covariance)
        alone = mean_of_readers(
            values[-1] - values[:-1], np.full((5, 5), _fixed_variance(covariance)), random_readers=False
        )
        random.append(compared.difference.unequal() < 0.05)
        fixed.append(alone.unequal() < 0.05)
        one_sided.append(compared.difference.above(0.0) < 0.05)
    assert 0.02 < np.mean(random) < 0.075
    assert 0.02 < np.mean(one_sided) < 0.08
    assert np.mean(fixed) > 0.09


def _fixed_variance(covariance: Floats) -> float:
    weights = np.append(np.full(5, -0.2), 1.0)
    return float(weights @ covariance @ weights)


def test_proportions_have_the_covariance_of_means_and_allow_for_patients() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((3, 40)) < 0.7
    values, covariance = proportions(right)
    assert values == pytest.approx(right.mean(1)) and covariance == pytest.approx(np.cov(right) / 40)
    assert proportions(right, np.arange(40))[1] == pytest.approx(covariance)
    twice = np.repeat(right, 2, axis=1)
    assert proportions(twice, np.repeat(np.arange(40), 2))[1] == pytest.approx(covariance)
    assert proportions(twice)[1][0, 0] < 0.6 * covariance[0, 0]
    assert np.isnan(proportions(right[:, :1])[1]).all()
    assert np.isnan(proportions(right, np.zeros(40, int))[1]).all()
