"""Calibration on forecasts whose faults are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from classify.calibration import (
    NO_CALIBRATION,
    Calibration,
    Decision,
    apply_temperature,
    brier,
    calibration_error,
    fit_calibration,
    perfect_calibration_error,
    prediction_set,
    rule_in_or_out,
    t_score_line,
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


def seen_often(
    patients: int, displays: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Displays of the studies of patients: those who come six times are easy to class, those who come once are not.

    Probabilities (studies, displays, 3), labels and patients (studies,).
    """
    probabilities, labels, numbers = [], [], []
    for patient in range(patients):
        is_easy, truth = rng.random() < 0.5, int(rng.integers(3))
        for _ in range(6 if is_easy else 1):
            study = rng.normal(0, 0.7, 3) + (3.0 if is_easy else 0.6) * np.eye(3)[truth]
            shown = np.exp(study + rng.normal(0, 0.3, (displays, 3)))
            probabilities.append(shown / shown.sum(1, keepdims=True))
            labels.append(truth)
            numbers.append(patient)
    return np.array(probabilities), np.array(labels, np.int64), np.array(numbers, np.int64)


def coverage_on_new_patients(runs: int, patients: int, by_patient: bool) -> float:
    """How often the sets hold the truth of a new patient, one study and display of whom is shown."""
    rng, held = np.random.default_rng(9), []
    new, truth, numbers = seen_often(2000, 3, rng)
    orders = rng.permutation(len(numbers))
    one = orders[np.unique(numbers[orders], return_index=True)[1]]
    shown, labels = new[one, rng.integers(3, size=len(one))], truth[one]
    for _ in range(runs):
        fitted, known, owners = seen_often(patients, 3, rng)
        copies = fitted.reshape(-1, 3), np.repeat(known, 3)
        calibration = fit_calibration(fitted, known, owners) if by_patient else fit_calibration(*copies)
        calibrated = apply_temperature(shown, calibration.temperature)
        held.append(np.mean(1 - calibrated[np.arange(len(labels)), labels] <= calibration.set_score))
    return float(np.mean(held))


def test_sets_hold_the_stated_fraction_of_new_patients_whose_studies_and_displays_are_many() -> None:
    assert coverage_on_new_patients(60, 60, by_patient=False) < 0.85, "taken as so many patients, copies promise less"
    assert 0.89 < coverage_on_new_patients(60, 60, by_patient=True) < 0.94


def test_patients_are_counted_not_their_studies_nor_displays() -> None:
    probabilities, labels, patients = seen_often(40, 3, np.random.default_rng(2))
    found = fit_calibration(probabilities, labels, patients)
    assert (found.patients, found.studies) == (40, len(labels)) and len(labels) > 100
    with pytest.raises(ValueError, match="19 validation patients; a calibration needs 20"):
        fit_calibration(probabilities[patients < 19], labels[patients < 19], patients[patients < 19])


def test_copies_of_studies_change_nothing() -> None:
    probabilities, labels = forecasts(300, 2.0, 3)
    once = fit_calibration(probabilities, labels, predictive_value=0.7)
    copied = fit_calibration(np.stack([probabilities] * 3, 1), labels, predictive_value=0.7)
    visits = np.tile(np.arange(300), 4)
    four = fit_calibration(np.tile(probabilities, (4, 1)), np.tile(labels, 4), visits, predictive_value=0.7)
    assert once.rule_in < 1 and once.patients == copied.patients == four.patients == 300
    for other in (copied, four):
        for name in ("temperature", "set_score", "rule_in", "rule_out"):
            assert getattr(other, name) == pytest.approx(getattr(once, name), abs=1e-4), name
    assert (once.studies, copied.studies, four.studies) == (300, 300, 1200)


def test_more_coverage_than_so_few_patients_can_promise_gives_sets_of_all_classes() -> None:
    assert fit_calibration(*forecasts(20, 1.0, 0), coverage=0.95).set_score < 1
    assert fit_calibration(*forecasts(20, 1.0, 0), coverage=0.96).set_score == 1


@pytest.mark.parametrize("value", [0.8, 0.9])
def test_the_predictive_values_are_kept_on_new_patients(value: float) -> None:
    osteoporosis = OSTEOPOROSIS_INDEX
    new, truth = forecasts(40_000, 1.0, 7)
    missed = {"in": 0, "out": 0}
    runs, called = 40, 0
    for seed in range(100, 100 + runs):
        probabilities, labels = forecasts(1500, 1.0, seed)
        found = fit_calibration(probabilities, labels, predictive_value=value)
        p = apply_temperature(new, found.temperature)[:, osteoporosis]
        ruled_in, ruled_out = p >= found.rule_in, p < found.rule_out
        called += bool(ruled_in.any()) + bool(ruled_out.any())
        missed["in"] += bool(ruled_in.any() and (truth == osteoporosis)[ruled_in].mean() < value)
        missed["out"] += bool(ruled_out.any() and (truth != osteoporosis)[ruled_out].mean() < value)
    assert called > 1.5 * runs
    assert missed["in"] <= 6 and missed["out"] <= 6, "chosen at the point estimate, half of the runs miss it"


def test_a_threshold_takes_all_of_equal_probability_or_none() -> None:
    sure = np.array([0.02, 0.08, 0.9])
    coarse = np.array([sure] * 200 + [[0.3, 0.3, 0.4]] * 200)
    labels = np.array([2] * 200 + [2, 0] * 100)
    found = fit_calibration(coarse, labels, predictive_value=0.9)
    calibrated = apply_temperature(coarse, found.temperature)[:, OSTEOPOROSIS_INDEX]
    assert found.rule_in == pytest.approx(calibrated[0]) and found.rule_out < 0


def test_thresholds_say_how_sure_their_promise_is() -> None:
    probabilities, labels = forecasts(5000, 1.0, 5)
    calibration = fit_calibration(probabilities, labels, predictive_value=0.9)
    assert calibration.confidence == 0.95 and NO_CALIBRATION.confidence is None
    osteoporosis = apply_temperature(probabilities, calibration.temperature)[:, OSTEOPOROSIS_INDEX]
    decisions = np.array([rule_in_or_out(p, calibration) for p in osteoporosis])
    positive = labels == 2
    assert 0.9 < positive[decisions == Decision.RULED_IN].mean() < 0.95
    assert 0.05 < positive[decisions == Decision.RULED_OUT].mean() < 0.1
    assert 0.05 < np.mean(decisions == Decision.INDETERMINATE) < 0.9


def test_noise_decides_nothing() -> None:
    rng = np.random.default_rng(6)
    probabilities = apply_temperature(rng.dirichlet([5, 5, 5], 400), 1.0)
    calibration = fit_calibration(probabilities, rng.integers(3, size=400))
    assert calibration.rule_in > 1 and calibration.rule_out < 0
    assert rule_in_or_out(0.99, calibration) is Decision.INDETERMINATE


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="10 validation patients; a calibration needs 20"):
        fit_calibration(*forecasts(10, 1.0, 0))


def test_a_calibration_of_an_earlier_version_counts_no_patients() -> None:
    former = Calibration.model_validate_json('{"temperature": 0.98, "rule_in": 0.94, "studies": 696}')
    assert former.studies == 696 and former.patients is None and former.confidence is None


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


def test_the_line_of_the_t_score_follows_patients_and_not_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(-1.5, 1.5, 200)
    close, patients = rng.normal(0, 0.3, 200), np.arange(200)
    assert t_score_line(truth + close - close.mean(), truth, patients)[0] == pytest.approx(1, abs=0.1)
    slope, offset = t_score_line((truth - 0.4) / 1.5 + close / 1.5, truth, patients)
    assert slope == pytest.approx(1.5 / (1 + 0.3**2 / 1.5**2), abs=0.1) and offset == pytest.approx(0.3, abs=0.15)
    noise = rng.normal(0, 1e-3, 200)
    noise -= noise.mean()
    assert t_score_line(truth + noise + 0.5, truth, patients) == pytest.approx((1.0, -0.5), abs=1e-3)
    assert t_score_line(truth + noise, truth, patients) == pytest.approx((1.0, 0.0), abs=1e-9)
    few = patients[:19]
    assert t_score_line(truth[few] + 3, truth[few], few) == (1.0, 0.0), "19 patients show nothing"
    twice = np.repeat(patients[:19], 2)
    assert t_score_line(np.repeat(truth[few], 2) + 3, np.repeat(truth[few], 2), twice) == (1.0, 0.0)
    assert t_score_line(-truth, truth, patients)[0] == 1.0, "a slope that turns T-scores over is none"
