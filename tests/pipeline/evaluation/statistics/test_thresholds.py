"""Thresholds, predictive values and net benefit against R, hand-computed values and simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import betainc

from pipeline.evaluation.statistics.thresholds import (
    net_benefit,
    net_benefit_difference,
    predictive_values,
    threshold_for_predictive_value,
    threshold_for_sensitivity,
)


def test_net_benefit_of_treating_all_and_of_a_perfect_test() -> None:
    positive = np.array([True] * 3 + [False] * 7)
    thresholds = np.array([0.1, 0.5])
    everyone = net_benefit(positive, np.ones(10), thresholds)
    assert everyone == pytest.approx(0.3 - 0.7 * thresholds / (1 - thresholds))
    assert net_benefit(positive, positive.astype(float), thresholds) == pytest.approx(0.3)


def test_a_threshold_reaches_its_sensitivity() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(300) < 0.35
    scores = positive + rng.normal(0, 1.0, 300)
    for wanted in (0.5, 0.8, 0.95, 1.0):
        predicted = scores >= threshold_for_sensitivity(positive, scores, wanted)
        assert (predicted & positive).sum() / positive.sum() >= wanted


def test_a_promised_sensitivity_holds_on_new_cases() -> None:
    rng, held, naive = np.random.default_rng(0), [], []
    for _ in range(1500):
        positive, scores = np.arange(160) < 80, rng.normal(0, 1, 160)
        promised = threshold_for_sensitivity(positive, scores, 0.9, confidence=0.95)
        assert promised is not None
        held.append(stats.norm.sf(promised) >= 0.9)
        naive.append(stats.norm.sf(threshold_for_sensitivity(positive, scores, 0.9)) >= 0.9)
    assert 0.94 < np.mean(held) < 0.99
    assert np.mean(naive) < 0.75


def test_few_positives_cannot_promise_a_sensitivity() -> None:
    positive, scores = np.arange(100) < 28, np.linspace(1, 0, 100)
    assert threshold_for_sensitivity(positive, scores, 0.9, confidence=0.95) is None
    positive = np.arange(100) < 29
    assert threshold_for_sensitivity(positive, scores, 0.9, confidence=0.95) == scores[28]


Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def binormal(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    positive = rng.random(n) < 0.35
    return positive, 3 * positive + rng.normal(0, 1, n)


def binormal_ppv(threshold: float) -> float:
    tp, fp = 0.35 * stats.norm.sf(threshold - 3), 0.65 * stats.norm.sf(threshold)
    return float(tp / (tp + fp))


def calibrated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    probabilities = rng.beta(0.5, 0.7, n)
    return rng.random(n) < probabilities, probabilities


def calibrated_ppv(threshold: float) -> float:
    return float(0.5 / 1.2 * (1 - betainc(1.5, 0.7, threshold)) / (1 - betainc(0.5, 0.7, threshold)))


def plateau(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    scores = rng.random(n)
    return rng.random(n) < np.where(scores > 0.4, 0.945, 0.1), scores


def plateau_ppv(threshold: float) -> float:
    return 0.945


@pytest.mark.parametrize(
    ("draw", "ppv", "n", "found_often"),
    [
        (binormal, binormal_ppv, 200, 0.0),
        (binormal, binormal_ppv, 600, 0.7),
        (binormal, binormal_ppv, 2000, 0.99),
        (calibrated, calibrated_ppv, 2000, 0.3),
        (plateau, plateau_ppv, 300, 0.0),
        (plateau, plateau_ppv, 3000, 0.0),
    ],
    ids=["binormal 200", "binormal 600", "binormal 2000", "calibrated 2000", "plateau 300", "plateau 3000"],
)
def test_a_promised_ppv_holds_on_new_cases(
    draw: Draw, ppv: Callable[[float], float], n: int, found_often: float
) -> None:
    """In the plateaus all thresholds miss, and a bound of 95 % at every threshold would pass in 8 and 13 % of runs."""
    rng, held, found = np.random.default_rng(0), [], []
    for _ in range(300):
        threshold = threshold_for_predictive_value(*draw(rng, n), 0.95)
        found.append(threshold is not None)
        held.append(threshold is None or ppv(threshold) >= 0.95)
    assert np.mean(held) >= 0.95
    assert np.mean(found) >= found_often


def test_the_npv_below_a_threshold_is_the_ppv_turned_round() -> None:
    rng = np.random.default_rng(3)
    positive, scores = binormal(rng, 1500)
    low = threshold_for_predictive_value(positive, scores, 0.95, above=False)
    high = threshold_for_predictive_value(~positive, -scores, 0.95)
    assert low is not None and high is not None
    assert ((scores < low) == (-scores >= high)).all()
    assert (~positive)[scores < low].mean() > 0.95
    everything = threshold_for_predictive_value(np.zeros(100, bool), scores[:100], 0.95, above=False)
    assert everything is not None and (scores[:100] < everything).sum() > 70


def test_a_certain_predictive_value_cannot_be_promised() -> None:
    with pytest.raises(ValueError, match="predictive value 1, confidence"):
        threshold_for_predictive_value(np.ones(100, bool), np.arange(100.0), 1)
    assert threshold_for_predictive_value(np.ones(40, bool), np.arange(40.0), 0.9) is not None
    assert threshold_for_predictive_value(np.ones(40, bool), np.arange(40.0), 0.95) is None


def test_ties_are_taken_in_together() -> None:
    scores = np.repeat([0.9, 0.5, 0.1], (150, 150, 100))
    positive = np.arange(400) < 150
    assert threshold_for_predictive_value(positive, scores, 0.95) == 0.9
    positive[100:150] = False
    assert threshold_for_predictive_value(positive, scores, 0.95) is None
    assert threshold_for_predictive_value(positive[:0], scores[:0], 0.95) is None


def test_predictive_values_have_the_intervals_of_the_delta_method_in_r() -> None:
    """R 4.2.2: glm(cbind(tp, fn) ~ 1, binomial("log")), glm(cbind(fp, tn) ~ 1, ...); plogis of qlogis(prevalence) plus
    the difference of the coefficients, and its interval from the sum of the variances; likewise for NPV."""
    ppv, npv = predictive_values(80, 20, 30, 270, 0.1)
    assert (ppv.value, ppv.low, ppv.high) == pytest.approx((0.470588235294, 0.384351054537, 0.558617835740))
    assert (npv.value, npv.low, npv.high) == pytest.approx((0.975903614458, 0.964685162059, 0.983618820675))
    ppv, npv = predictive_values(190, 34, 54, 350, 0.25)
    assert (ppv.value, ppv.low, ppv.high) == pytest.approx((0.679003609086, 0.621245421510, 0.731757031040))
    assert (npv.value, npv.low, npv.high) == pytest.approx((0.944821158852, 0.926114673197, 0.959001154628))


def test_predictive_values_with_empty_cells() -> None:
    ppv, npv = predictive_values(10, 0, 0, 20, 0.1)
    assert (ppv.value, ppv.high, npv.value, npv.high) == (1, 1, 1, 1)
    assert 0 < ppv.low < npv.low < 1
    nothing, npv = predictive_values(0, 10, 0, 20, 0.1)
    assert np.isnan(nothing.value) and npv.value == pytest.approx(0.9)
    assert np.isnan(predictive_values(0, 0, 3, 5, 0.1)[0].value)
    wrong, _ = predictive_values(0, 10, 3, 20, 0.1)
    assert (wrong.value, wrong.low) == (0, 0) and 0 < wrong.high < 1
    with pytest.raises(ValueError, match="prevalence 1"):
        predictive_values(1, 1, 1, 1, 1)


def test_predictive_values_keep_their_coverage() -> None:
    rng, held = np.random.default_rng(0), []
    truth = 0.9 * 0.1 / (0.9 * 0.1 + 0.05 * 0.9), 0.95 * 0.9 / (0.95 * 0.9 + 0.1 * 0.1)
    for _ in range(1000):
        tp, tn = rng.binomial(40, 0.9), rng.binomial(80, 0.95)
        found = predictive_values(tp, 40 - tp, 80 - tn, tn, 0.1)
        held.append([value.low <= wanted <= value.high for value, wanted in zip(found, truth, strict=True)])
    assert np.mean(held, axis=0) == pytest.approx([0.955, 0.955], abs=0.025)


def test_net_benefit_differences_are_those_of_the_curves_with_their_spread() -> None:
    rng = np.random.default_rng(0)
    positive, probabilities = calibrated(rng, 400)
    thresholds = np.array([0.05, 0.2, 0.5])
    model = net_benefit(positive, probabilities, thresholds)
    everyone = net_benefit(positive, np.ones(400), thresholds)
    found = net_benefit_difference(positive, probabilities, thresholds, 400, 0)
    assert [value.value for value in found] == pytest.approx(model - everyone)
    alone = net_benefit_difference(positive, probabilities, thresholds, 400, 0, against="none")
    assert [value.value for value in alone] == pytest.approx(model)
    gains = np.where(positive, 1.0, -0.25) * (probabilities >= 0.2)
    assert alone[1].high - alone[1].low == pytest.approx(2 * 1.96 * gains.std() / 20, rel=0.15)
    twice = np.repeat(np.arange(400), 2)
    copied = net_benefit_difference(positive[twice], probabilities[twice], thresholds, 400, 0, twice)
    assert [v.low for v in copied] == pytest.approx([v.low for v in found])
    assert [v.high for v in copied] == pytest.approx([v.high for v in found])
