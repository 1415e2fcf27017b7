"""Calibration of classes and of T-scores where it is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.bmd import BMD_CLASSES
from osteolens.documents.json_document import write_json
from pipeline.evaluation.classification.calibration import (
    CURVE_POINTS,
    calibrations,
    class_calibration,
    expected_calibration_error,
)
from pipeline.evaluation.classification.metrics import classification_metrics
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.tables.calibration import calibration_table, t_score_calibration_table
from tests.pipeline.evaluation.classification.made_up import binary_cases, random_cases

TRUTH = np.tile([1, 0, 0, 0, 0, 1, 1, 1, 1, 0], 20).astype(bool)
RIGHT = np.tile([0.2] * 5 + [0.8] * 5, 20)
"""One in five at 0.2, four in five at 0.8."""


def test_perfect_calibration_has_its_ideal_values() -> None:
    found = class_calibration(TRUTH, RIGHT)
    assert (found.intercept.value, found.slope.value, found.observed_expected.value) == pytest.approx((0, 1, 1))
    assert found.ici == pytest.approx(0, abs=1e-6) and found.ece == pytest.approx(0) and not found.not_estimable
    assert found.brier == pytest.approx(0.2 * 0.8)
    assert (found.studies, found.cases) == (200, 100)


def test_halved_logits_have_slope_two() -> None:
    halved = 1 / (1 + np.sqrt((1 - RIGHT) / RIGHT))
    found = class_calibration(TRUTH, halved)
    assert found.slope.value == pytest.approx(2) and found.slope.low < 2 < found.slope.high
    assert found.ece == pytest.approx(0.8 - 1 / (1 + 0.5))


def test_the_error_of_bins_is_that_by_hand() -> None:
    positive, probabilities = np.array([True, False, False, True]), np.array([0.9, 0.91, 0.1, 0.31])
    # bins 13 (0.9, 0.91), 1 (0.1) and 4 (0.31)
    assert expected_calibration_error(positive, probabilities) == pytest.approx((0.81 + 0.1 + 0.69) / 4)
    assert expected_calibration_error(np.array([True]), np.array([1.0])) == 0


def test_several_studies_of_a_patient_widen_the_intervals() -> None:
    once = class_calibration(TRUTH, RIGHT)
    truth, right, patients = np.repeat(TRUTH, 3), np.repeat(RIGHT, 3), np.repeat(np.arange(200), 3)
    copied, independent = class_calibration(truth, right, patients), class_calibration(truth, right)
    for name in ("intercept", "slope", "observed_expected"):
        widths = [getattr(found, name).high - getattr(found, name).low for found in (once, copied, independent)]
        assert widths[1] == pytest.approx(widths[0], rel=0.02) and widths[2] < 0.7 * widths[1]


def test_few_cases_have_no_curve_and_one_class_nothing() -> None:
    few = class_calibration(np.arange(30) < 5, np.linspace(0.6, 0.1, 30) + 0.05 * (np.arange(30) % 2))
    assert np.isnan(few.ici) and few.points == ()
    assert few.not_estimable["curve"].startswith("not estimable: 5 cases of the rarer class")
    one = class_calibration(np.ones(30, bool), np.linspace(0.1, 0.9, 30))
    assert np.isnan([one.intercept.value, one.slope.value, one.observed_expected.value]).all()
    assert {"intercept", "slope", "observed_expected", "ici", "curve"} <= set(one.not_estimable)
    assert np.isfinite([one.ece, one.brier]).all()


def test_json_holds_some_points_of_the_curve_and_no_nan(tmp_path: Path) -> None:
    calibrated = calibrations(random_cases(300))
    document = result_json(calibrated)
    write_json(tmp_path / "document.json", document)
    read = json.loads((tmp_path / "document.json").read_text(), parse_constant=pytest.fail)["osteoporosis"]
    assert len(read["points"]) == 21 and "curve" not in read
    assert len(calibrated[BMD_CLASSES[2]].curve.predicted) == CURVE_POINTS
    assert read["points"][0]["low"] <= read["points"][0]["observed"] <= read["points"][0]["high"]
    write_json(tmp_path / "one.json", result_json(classification_metrics(binary_cases([1] * 5, [0.4] * 5), draws=5)))
    assert "NaN" not in (tmp_path / "one.json").read_text()


def test_t_scores_are_calibrated_by_regression() -> None:
    cases = random_cases(200)
    shifted = replace(cases, t_estimates=2 * cases.t_scores + 1)
    t_score = classification_metrics(shifted, draws=1).t_score
    assert t_score is not None
    assert (t_score.calibration.intercept.value, t_score.calibration.slope.value) == pytest.approx((-0.5, 0.5))
    flat = classification_metrics(replace(cases, t_estimates=np.full(200, -2.0)), draws=1)
    assert flat.t_score is not None and np.isnan(flat.t_score.calibration.slope.value)
    assert flat.t_score.not_estimable["calibration"] == "not estimable: the T-scores do not vary"
    table = t_score_calibration_table({"flat": flat})
    assert table.loc[0, "slope (95 %)"] == "not estimable (the T-scores do not vary)"


def test_tables_say_who_is_counted_and_hold_one_line_a_class() -> None:
    one, several = (classification_metrics(random_cases(120, each), draws=5) for each in (1, 3))
    table = calibration_table({"site": one})
    assert list(table["probability of"]) == [*(c.value for c in BMD_CLASSES), "most probable class"]
    found = one.calibration[BMD_CLASSES[2]].slope
    assert table.loc[2, "slope (95 %)"] == f"{found.value:.2f} ({found.low:.2f}-{found.high:.2f})"
    assert table.loc[3, "ECE"] == f"{one.ece:.3f}"
    assert "slope (95 %, by patient)" in calibration_table({"site": several}).columns
    bare = classification_metrics(binary_cases([0, 1] * 15, np.linspace(0.2, 0.8, 30)), draws=1)
    assert calibration_table({}).empty and t_score_calibration_table({"bare": bare}).empty
