"""Calibration against R and simulation, and where it cannot be given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from pipeline.evaluation.statistics.calibration import binary_calibration, smoothed_curve, value_calibration
from pipeline.evaluation.statistics.intervals import Estimate
from tests.pipeline.evaluation.statistics.asah import NDKA, PATIENTS, POOR, S100B, WFNS

PROBABILITIES = expit(-1.5 + 3 * S100B + 0.02 * NDKA - 0.5 * (WFNS == 2)).round(4)
"""A made-up prediction, p in R's calls; L = qlogis(p)."""

Z = 1.959963984540054


def standard_error(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2 / Z


def test_recalibration_has_the_values_of_glm() -> None:
    """R 4.2.2: glm(y ~ 1 + offset(L), binomial), glm(y ~ L, binomial), coef and sqrt(diag(vcov))."""
    found = binary_calibration(POOR, PROBABILITIES)
    assert found.intercept.value == pytest.approx(-0.0047872912067, abs=1e-9)
    assert standard_error(found.intercept) == pytest.approx(0.2099261246159, abs=1e-8)
    assert found.slope.value == pytest.approx(1.260334552211, abs=1e-9)
    assert standard_error(found.slope) == pytest.approx(0.320337350724, abs=1e-8)
    assert found.not_estimable == {}
    assert binary_calibration(POOR, PROBABILITIES, np.arange(113) * 3) == found


def test_recalibration_by_patient_has_the_sandwich_of_r() -> None:
    """R package sandwich 3.0-2: vcovCL(fit, seq(113) * 7 %% 40, type = "HC0", cadjust = TRUE)."""
    found = binary_calibration(POOR, PROBABILITIES, PATIENTS)
    assert standard_error(found.intercept) == pytest.approx(0.197289999661, abs=1e-8)
    assert standard_error(found.slope) == pytest.approx(0.300743476022, abs=1e-8)


def test_observed_over_expected_has_the_interval_of_its_logarithm() -> None:
    """R 4.2.2: oe * exp(c(-1, 1) * qnorm(.975) * sqrt((1 - mean(y)) / sum(y)))."""
    found = binary_calibration(POOR, PROBABILITIES).observed_expected
    assert (found.value, found.low, found.high) == pytest.approx((0.997355790867, 0.781155294327, 1.273394139167))
    twice = np.repeat(np.arange(113), 2)
    copied = binary_calibration(POOR[twice], PROBABILITIES[twice], twice).observed_expected
    assert (copied.low, copied.high) == pytest.approx((found.low, found.high), rel=5e-3)


def test_the_smoothed_curve_is_the_natural_spline_of_r() -> None:
    """R 4.2.2: glm(y ~ splines::ns(L, knots = k[2:3], Boundary.knots = k[c(1, 4)])), k the quantiles of L at .05, .35,
    .65 and .95; predict(se.fit = TRUE) on seq(quantile(p, .01), quantile(p, .99), length.out = 5), all by plogis; and
    mean, median and 90th percentile of abs(fitted - p)."""
    curve = smoothed_curve(POOR, PROBABILITIES, 5)
    assert curve.predicted == pytest.approx([0.172048, 0.345376, 0.518704, 0.692032, 0.865360])
    assert curve.observed == pytest.approx([0.184257901, 0.293462304, 0.523155506, 0.841096364, 0.983583540], abs=1e-7)
    assert curve.low == pytest.approx([0.047180734, 0.183584679, 0.340707723, 0.527091737, 0.511221404], abs=1e-7)
    assert curve.high == pytest.approx([0.507478427, 0.434133142, 0.699626225, 0.961740154, 0.999708723], abs=1e-7)
    found = binary_calibration(POOR, PROBABILITIES)
    assert (found.ici, found.e50, found.e90) == pytest.approx((0.0362132430, 0.0191864221, 0.0746823391), abs=1e-8)


def test_values_have_the_regression_of_lm() -> None:
    """R 4.2.2: lm(log(s100b) ~ log(ndka)), confint; by patient sandwich 3.0-2 vcovCL and qt(.975, 39)."""
    found = value_calibration(np.log(S100B), np.log(NDKA))
    assert (found.intercept.value, found.intercept.low, found.intercept.high) == pytest.approx(
        (-1.9107832403325, -2.54193076736, -1.279635713304)
    )
    assert (found.slope.value, found.slope.low, found.slope.high) == pytest.approx(
        (0.0403884421752, -0.19504327759, 0.275820161941)
    )
    grouped = value_calibration(np.log(S100B), np.log(NDKA), PATIENTS)
    assert (grouped.slope.low, grouped.slope.high) == pytest.approx((-0.346101803364, 0.426878687714))
    assert (grouped.intercept.low, grouped.intercept.high) == pytest.approx((-2.933775007479, -0.887791473186))


@pytest.mark.parametrize(
    ("truth", "estimates"), [([1.0, 2.0], [1.0, 2.0]), ([], []), ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])]
)
def test_values_without_spread_have_no_regression(truth: list[float], estimates: list[float]) -> None:
    found = value_calibration(np.array(truth), np.array(estimates))
    assert np.isnan([found.intercept.value, found.slope.value]).all()


def test_too_extreme_and_too_high_probabilities_are_seen() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.2, 20_000)
    positive = rng.random(20_000) < expit(logits)
    right = binary_calibration(positive, expit(logits))
    assert right.intercept.low < 0 < right.intercept.high
    assert right.slope.low < 1 < right.slope.high
    assert right.ici < 0.01
    wrong = binary_calibration(positive, expit(2 * logits + 1.5))
    assert wrong.slope.value == pytest.approx(0.5, abs=0.03)
    assert wrong.intercept.high < 0
    assert wrong.observed_expected.high < 1
    assert wrong.ici == pytest.approx(np.abs(expit(logits) - expit(2 * logits + 1.5)).mean(), abs=0.01)


def test_the_intervals_keep_their_coverage() -> None:
    rng, held = np.random.default_rng(1), []
    for _ in range(500):
        logits = rng.normal(-0.5, 1.0, 150)
        positive = rng.random(150) < expit(logits)
        found = binary_calibration(positive, expit(logits))
        curve = smoothed_curve(positive, expit(logits), 5)
        held.append(
            (
                found.intercept.low < 0 < found.intercept.high,
                found.slope.low < 1 < found.slope.high,
                found.observed_expected.low < 1 < found.observed_expected.high,
                float(np.mean((curve.low < curve.predicted) & (curve.predicted < curve.high))),
            )
        )
    assert np.mean(held, axis=0) == pytest.approx([0.95] * 4, abs=0.03)


QUASI_SEPARATED = np.concatenate((np.linspace(0.1, 0.5, 40), np.linspace(0.5, 0.9, 40)))


@pytest.mark.parametrize(
    ("probabilities", "word"),
    [
        (np.concatenate((np.linspace(0.1, 0.4, 40), np.linspace(0.5, 0.9, 40))), "separate"),
        (QUASI_SEPARATED, "separate"),
        (QUASI_SEPARATED[::-1].copy(), "separate"),
        (np.concatenate((np.zeros(40), np.ones(40))), "separate"),
        (np.concatenate((np.zeros(40), np.ones(39), np.zeros(1))), "separate"),
        (np.full(80, 0.3), "do not vary"),
    ],
    ids=["separated", "one tie", "reversed", "certain", "certain, one wrong", "constant"],
)
def test_what_has_no_likelihood_maximum_is_nan_with_a_reason(probabilities: np.ndarray, word: str) -> None:
    positive = np.repeat([False, True], 40)
    found = binary_calibration(positive, probabilities)
    assert np.isnan([found.slope.value, found.slope.low, found.ici, found.e50, found.e90]).all()
    assert np.isfinite([found.intercept.value, found.observed_expected.low]).all()
    assert set(found.not_estimable) == {"slope", "ici", "e50", "e90"}
    assert word in found.not_estimable["slope"]
    curve = smoothed_curve(positive, probabilities, 7)
    assert np.isnan(curve.observed).all() and word in curve.reason


def test_a_single_class_or_patient_and_few_cases_have_their_reasons() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(60)
    one_class = binary_calibration(np.zeros(60, bool), probabilities)
    assert set(one_class.not_estimable.values()) == {"all cases are of one class"}
    assert np.isnan([one_class.intercept.value, one_class.observed_expected.value]).all()
    few = binary_calibration(np.arange(60) < 6, probabilities)
    assert np.isfinite(few.slope.low) and np.isnan(few.ici)
    assert few.not_estimable["ici"] == "6 cases of the rarer class, 10 are needed"
    patient = binary_calibration(rng.random(60) < probabilities, probabilities, np.zeros(60, np.int64))
    assert np.isfinite(patient.slope.value) and np.isnan(patient.slope.low)
    assert patient.not_estimable["slope"] == "all cases are of one patient"
    nothing = binary_calibration(np.zeros(0, bool), np.zeros(0))
    assert np.isnan(nothing.ici) and smoothed_curve(np.zeros(0, bool), np.zeros(0)).reason == "no cases"


def test_small_and_coarse_samples_never_fail() -> None:
    rng, separated = np.random.default_rng(4), 0
    for _ in range(300):
        n = int(rng.integers(1, 60))
        probabilities = rng.beta(0.3, 0.3, n).round(int(rng.integers(1, 4)))
        positive = rng.random(n) < probabilities
        found = binary_calibration(positive, probabilities, rng.integers(max(1, n // 2), size=n))
        smoothed_curve(positive, probabilities, 5)
        cases, others = probabilities[positive], probabilities[~positive]
        if 0 < len(cases) < n and np.ptp(probabilities) > 0:
            apart = others.max() <= cases.min() or cases.max() <= others.min()
            assert np.isnan(found.slope.value) == apart
            separated += apart
    assert separated > 10
