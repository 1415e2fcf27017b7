"""Calibration on forecasts whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest

from classify.calibration import (
    Calibration,
    Decision,
    apply_temperature,
    brier,
    calibration_error,
    fit_calibration,
    perfect_calibration_error,
    prediction_set,
    rule_in_or_out,
)
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass


def forecasts(count: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels sampled from probabilities, and the probabilities made too sure by a factor on their logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.6, (count, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(3, p=p) for p in probabilities])
    return apply_temperature(probabilities, 1 / sharpness), labels


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 2.5])
def test_the_temperature_undoes_a_sharpening(sharpness: float) -> None:
    probabilities, labels = forecasts(4000, sharpness, 1)
    assert fit_calibration(probabilities, labels).temperature == pytest.approx(sharpness, rel=0.1)


def test_tempering_keeps_order_and_sum() -> None:
    probabilities, _ = forecasts(100, 2.0, 2)
    soft = apply_temperature(probabilities, 3.0)
    assert soft.sum(1) == pytest.approx(1) and (soft.argmax(1) == probabilities.argmax(1)).all()
    assert soft.max(1).mean() < probabilities.max(1).mean()


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_stated_fraction_of_new_cases(coverage: float) -> None:
    calibration = fit_calibration(*forecasts(3000, 2.0, 3), coverage=coverage)
    probabilities, labels = forecasts(3000, 2.0, 4)
    calibrated = apply_temperature(probabilities, calibration.temperature)
    inside = [BMD_CLASSES[y] in prediction_set(p, calibration) for p, y in zip(calibrated, labels, strict=True)]
    assert np.mean(inside) == pytest.approx(coverage, abs=0.025)


def test_a_set_is_never_empty() -> None:
    strict = Calibration(set_score=0.05)
    assert prediction_set(np.array([0.5, 0.3, 0.2]), strict) == (BmdClass.NORMAL,)
    assert prediction_set(np.array([0.5, 0.3, 0.2]), Calibration(set_score=0.75)) == (
        BmdClass.NORMAL,
        BmdClass.OSTEOPENIA,
    )


def test_the_zone_keeps_its_predictive_values() -> None:
    probabilities, labels = forecasts(5000, 1.0, 5)
    calibration = fit_calibration(probabilities, labels, predictive_value=0.9)
    osteoporosis = apply_temperature(probabilities, calibration.temperature)[:, OSTEOPOROSIS_INDEX]
    decisions = np.array([rule_in_or_out(p, calibration) for p in osteoporosis])
    positive = labels == 2
    assert positive[decisions == Decision.RULED_IN].mean() == pytest.approx(0.9, abs=0.02)
    assert positive[decisions == Decision.RULED_OUT].mean() == pytest.approx(0.1, abs=0.02)
    assert 0.05 < np.mean(decisions == Decision.INDETERMINATE) < 0.9


def test_noise_decides_nothing() -> None:
    rng = np.random.default_rng(6)
    probabilities = apply_temperature(rng.dirichlet([5, 5, 5], 400), 1.0)
    calibration = fit_calibration(probabilities, rng.integers(3, size=400))
    assert calibration.rule_in > 1 and calibration.rule_out < 0
    assert rule_in_or_out(0.99, calibration) is Decision.INDETERMINATE


def test_too_few_studies_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 20"):
        fit_calibration(*forecasts(10, 1.0, 0))


def test_chance_alone_gives_few_cases_a_calibration_error() -> None:
    rng = np.random.default_rng(3)
    few, many = (rng.dirichlet((1.0, 1.0, 1.0), size) for size in (300, 30_000))
    mean, high = perfect_calibration_error(few, draws=200)
    assert 0.03 < mean < 0.1 and mean < high
    assert perfect_calibration_error(many, draws=50)[0] < 0.01
    sampled = np.array([rng.choice(3, p=p) for p in few])
    assert calibration_error(few, sampled) < perfect_calibration_error(few)[1] + 0.02
    assert perfect_calibration_error(np.eye(3)) == (0.0, 0.0)


def test_calibration_error_and_brier_of_known_forecasts() -> None:
    sure = np.tile([0.8, 0.1, 0.1], (10, 1))
    labels = np.array([0] * 8 + [1] * 2)
    assert calibration_error(sure, labels) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(sure, np.zeros(10, int)) == pytest.approx(0.2)
    assert brier(np.eye(3)[labels], labels) == 0 and brier(sure, labels) == pytest.approx((8 * 0.06 + 2 * 1.46) / 10)
