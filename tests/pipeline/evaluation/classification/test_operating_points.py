"""Operating points: what they are chosen by and what they promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classify.calibration import Decision
from osteolens.documents.json_document import write_json
from pipeline.evaluation.classification.operating_points import OperatingPoint, operating_point, operating_points
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.statistics.intervals import proportion
from pipeline.evaluation.statistics.thresholds import threshold_for_predictive_value
from pipeline.evaluation.tables.osteoporosis import operating_point_table, predictive_value_table
from tests.pipeline.evaluation.classification.made_up import binary_cases, random_cases

CONFIG = EvaluationConfig()
AT_TENTH = EvaluationConfig(prevalence=0.1)
POSITIVE = np.repeat([True, False], [20, 80])
PREDICTED = np.concatenate((np.repeat([True, False], [16, 4]), np.repeat([True, False], [8, 72])))
"""Sensitivity 0.8, specificity 0.9."""


def starting(points: tuple[OperatingPoint, ...], name: str) -> OperatingPoint:
    return next(point for point in points if point.name.startswith(name))


def separated(n: int) -> tuple[OperatingPoint, ...]:
    """Points of n studies, half of them osteoporotic and all of these with higher probabilities."""
    return operating_points(binary_cases(np.arange(n) >= n / 2, np.linspace(0, 1, n)), CONFIG)


def test_predictive_values_at_a_prevalence_are_those_of_bayes() -> None:
    point = operating_point("made up", None, POSITIVE, PREDICTED, prevalence=0.1)
    assert point.at_prevalence is not None and point.at_prevalence.prevalence == 0.1
    assert point.at_prevalence.ppv.value == pytest.approx(0.08 / (0.08 + 0.09))
    assert point.at_prevalence.npv.value == pytest.approx(0.81 / (0.81 + 0.02))
    assert point.ppv.value == pytest.approx(16 / 24) and point.studies == 100
    assert operating_point("made up", None, POSITIVE, PREDICTED).at_prevalence is None


def test_copies_of_a_study_tell_no_more_than_one() -> None:
    once = operating_point("once", None, POSITIVE, PREDICTED, prevalence=0.1)
    patients = np.repeat(np.arange(100), 3)
    copied = operating_point("copied", None, POSITIVE.repeat(3), PREDICTED.repeat(3), patients, 0.1)
    independent = operating_point("independent", None, POSITIVE.repeat(3), PREDICTED.repeat(3), None, 0.1)
    assert copied.at_prevalence and once.at_prevalence and independent.at_prevalence
    for name in ("ppv", "npv"):
        same, wide, narrow = (getattr(point.at_prevalence, name) for point in (once, copied, independent))
        assert wide.value == pytest.approx(same.value) and wide.low == pytest.approx(same.low, abs=0.01)
        assert narrow.high - narrow.low < 0.75 * (wide.high - wide.low)
    assert copied.sensitivity.low == pytest.approx(proportion(16, 20).low, abs=0.02)


def test_what_no_study_tells_has_a_word() -> None:
    point = operating_point("none", None, np.zeros(5, bool), np.zeros(5, bool), prevalence=0.1)
    assert point.not_estimable["sensitivity"] == "not estimable: no study is osteoporosis"
    assert point.at_prevalence is not None
    assert point.at_prevalence.not_estimable["npv"] == "not estimable: no study is osteoporosis"
    assert np.isnan(point.at_prevalence.npv.value)
    lone = operating_point("lone", None, np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0], bool),
                           np.array([0, 0, 1, 2]), 0.1)  # fmt: skip
    assert lone.sensitivity.value == 0.5 and np.isnan(lone.sensitivity.low)
    assert lone.not_estimable["sensitivity_interval"] == "not estimable: all are of one patient"
    assert lone.at_prevalence is not None and np.isnan(lone.at_prevalence.ppv.low)
    assert lone.at_prevalence.not_estimable["ppv_interval"] == "not estimable: all are of one patient"


def test_many_studies_promise_predictive_values() -> None:
    points = separated(400)
    found = starting(points, "PPV of at least 95 %")
    assert found.threshold is not None and found.ppv.value >= 0.95 and found.sensitivity.value > 0.9
    assert found.promise.startswith("PPV of 95 % or more with 95 % confidence")
    negative = starting(points, "NPV of at least 95 %")
    assert negative.threshold is not None and negative.npv.value >= 0.95 and negative.specificity.value > 0.9
    sensitive = starting(points, "sensitivity of at least 90 %")
    assert sensitive.threshold is not None and sensitive.sensitivity.value > 0.9
    likely, chosen = points[0], points[1]
    assert likely.promise == "" and chosen.promise.startswith("optimistic")
    assert chosen.threshold is not None and sensitive.threshold < chosen.threshold


def test_few_studies_promise_none_and_say_so() -> None:
    found = starting(separated(40), "PPV")
    assert found.threshold is None and np.isnan(found.ppv.value)
    word = "PPV of 95 % is promised by no threshold with 95 % confidence by 40 patients, 20 with osteoporosis"
    assert found.promise == word and set(found.not_estimable.values()) == {f"not estimable: {word}"}


def test_a_lower_predictive_value_is_promised_more_easily() -> None:
    cases = random_cases(600, seed=3)
    points = [operating_points(cases, EvaluationConfig(predictive_value=value)) for value in (0.6, 0.8)]
    low, high = (starting(own, "PPV").threshold for own in points)
    assert low is not None and (high is None or low < high)


def test_thresholds_are_chosen_by_one_study_of_each_patient() -> None:
    cases = random_cases(300, 3)
    first = np.arange(0, 900, 3)
    expected = threshold_for_predictive_value(cases.positive[first], cases.p_osteoporosis[first], 0.8, 0.95, False)
    found = starting(operating_points(cases, EvaluationConfig(predictive_value=0.8)), "NPV")
    assert found.threshold == expected is not None
    assert found.promise.endswith("chosen by the first study of each patient") and found.studies == 900


def test_the_decisions_of_the_weights_are_points() -> None:
    cases = binary_cases([1, 1, 1, 0, 0, 0], [0.9, 0.5, 0.1, 0.5, 0.1, 0.1])
    ruled = [Decision.RULED_IN, Decision.INDETERMINATE, Decision.RULED_OUT, Decision.INDETERMINATE,
             Decision.RULED_OUT, None]  # fmt: skip
    points = operating_points(replace(cases, decisions=ruled), AT_TENTH)
    ruled_in, not_out = starting(points, "ruled in"), starting(points, "not ruled out")
    assert ruled_in.studies == not_out.studies == 5
    assert (ruled_in.sensitivity.value, ruled_in.ppv.value) == pytest.approx((1 / 3, 1))
    assert (not_out.sensitivity.value, not_out.npv.value) == pytest.approx((2 / 3, 1 / 2))
    assert not any("rule" in point.name for point in operating_points(cases, CONFIG))


def test_one_case_or_none_is_no_error(tmp_path: Path) -> None:
    for positive in ([1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1]):
        points = operating_points(binary_cases(positive, [0.7, 0.4, 0.2, 0.1][: len(positive)]), AT_TENTH)
        write_json(tmp_path / "points.json", result_json(points))
        assert "NaN" not in (tmp_path / "points.json").read_text()
        assert len(operating_point_table({"all": points})) == len(points)


def test_tables_give_thresholds_promises_and_values_at_the_prevalence() -> None:
    points = operating_points(random_cases(200), AT_TENTH)
    table = operating_point_table({"all": points}).set_index("osteoporosis is predicted at")
    assert table.loc["most probable class", "from probability"] == "-"
    row = table.loc["sensitivity of 90 % on these studies"]
    assert float(str(row["from probability"])) == pytest.approx(starting(points, "sensitivity").threshold, abs=5e-4)
    assert row["what the choice promises"].startswith("optimistic")
    assert set(table.loc["PPV of at least 95 % on other studies", ["PPV %", "NPV %"]]) == {"-"}
    values = predictive_value_table({"all": points})
    assert set(values["prevalence %"]) == {"10.0"} and "(" in str(values.loc[0, "PPV % (95 %)"])
    assert predictive_value_table({"all": operating_points(random_cases(50), CONFIG)}).empty
