"""What a comparison says of studies whose probabilities are known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cohort.bmd import BMD_CLASSES, BmdClass
from osteolens.documents.json_document import json_ready
from pipeline.roi_comparison.classification import PairedAucs
from pipeline.roi_comparison.comparison import Comparison, compare_readings
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.studies import AUTOMATIC
from tests.pipeline.roi_comparison.fakes import noisy_studies, studies_of

DRAWS = ComparisonConfig(bootstrap_draws=50)


def osteoporosis(comparison: Comparison) -> PairedAucs:
    paired = comparison.classes[BMD_CLASSES.index(BmdClass.OSTEOPOROSIS)].auc
    assert paired is not None
    return paired


def written(comparison: Comparison) -> Any:
    return json.loads(json.dumps(json_ready(comparison.as_json()), allow_nan=False))


def test_the_same_probabilities_are_noninferior_and_reclassify_nobody() -> None:
    comparison = compare_readings(noisy_studies(0.0), DRAWS)
    paired = osteoporosis(comparison)
    assert paired.difference.value == 0 and paired.noninferior and paired.p_difference == 1.0
    assert comparison.reclassification.changed == 0 and comparison.p_osteoporosis.r == pytest.approx(1)
    assert comparison.kappa == 1 and comparison.overlap_with_detector["all"] == 1


def test_noise_costs_auc_and_noninferiority() -> None:
    comparison = compare_readings(noisy_studies(3.0), DRAWS)
    paired = osteoporosis(comparison)
    assert paired.difference.value < -0.05 and not paired.noninferior and paired.p_noninferiority > 0.5
    assert paired.bootstrap.low < paired.difference.value < paired.bootstrap.high
    assert comparison.reclassification.changed > 50 and comparison.classes[-1].p_mcnemar < 0.05
    assert comparison.auc_by_reader["a"] > comparison.auc_by_reader[AUTOMATIC]
    rows = comparison.tables["reclassification"].set_index("on manual ROIs")
    assert rows.to_numpy().sum() == comparison.count


def test_a_wider_margin_makes_noise_noninferior() -> None:
    studies = noisy_studies(1.0)
    assert osteoporosis(compare_readings(studies, DRAWS)).noninferior is False
    wide = compare_readings(studies, DRAWS.model_copy(update={"margin": 0.5}))
    assert osteoporosis(wide).noninferior is True and "margin of 0.5" in wide.verdict


def test_the_seed_and_the_draws_change_the_bootstrap_alone() -> None:
    studies = noisy_studies(1.0, 60)
    first = osteoporosis(compare_readings(studies, DRAWS))
    for update in ({"seed": 1}, {"bootstrap_draws": 51}):
        other = osteoporosis(compare_readings(studies, DRAWS.model_copy(update=update)))
        assert other.bootstrap.low != first.bootstrap.low and replace(other, bootstrap=first.bootstrap) == first


def test_few_cases_state_no_noninferiority() -> None:
    studies = noisy_studies(0.0, 20)
    cases = int((studies.labels == 2).sum())
    assert 0 < cases < 10
    comparison = compare_readings(studies, DRAWS)
    assert osteoporosis(comparison).noninferior is None
    assert comparison.verdict == f"Too few studies to state non-inferiority: {cases} of 20 with osteoporosis."
    fewer = DRAWS.model_copy(update={"fewest_cases": cases})
    assert osteoporosis(compare_readings(studies, fewer)).noninferior is True


def test_an_absent_class_is_said() -> None:
    studies = replace(noisy_studies(0.1), labels=np.zeros(400, np.int64))
    comparison = compare_readings(studies, DRAWS)
    assert "one class is absent" in comparison.verdict
    document = written(comparison)
    assert document["not_estimable"] == {"auc_by_reader": "not estimable: one class only"}
    assert document["classes"]["osteoporosis"]["auc"] is None and document["classes"]["osteoporosis"]["cases"] == 0
    assert list(comparison.tables["readers"]["AUC"]) == ["not estimable (one class only)"] * 2


@pytest.mark.parametrize("labels", [[2], [2, 0], [2, 0, 0, 0], [2, 2, 2]])
def test_few_or_equal_studies_give_json_and_words(labels: list[int]) -> None:
    probabilities = np.array([[0.2, 0.3, 0.5]] * len(labels))
    comparison = compare_readings(studies_of(labels, probabilities, probabilities), DRAWS)
    document = written(comparison)
    assert document["not_estimable"]["kappa_between_rois"] == "not estimable: every study is given the same class"
    assert document["kappa_between_rois"] is None
    assert document["p_osteoporosis"]["r"] is None and "r" in document["p_osteoporosis"]["not_estimable"]
    if labels == [2, 0, 0, 0]:
        paired = document["classes"]["osteoporosis"]["auc"]
        assert (
            paired["difference"]["low"] is None and paired["not_estimable"]["p_difference"] == "not estimable: 1 case"
        )
        row = comparison.tables["classes"].set_index("class").loc["osteoporosis"]
        assert row["difference (95 %, DeLong)"] == "+0.000 (interval not estimable: 1 case)"


def test_the_settings_stand_in_the_result() -> None:
    document = written(compare_readings(noisy_studies(0.1, 30), ComparisonConfig(bootstrap_draws=7, margin=0.03)))
    assert document["config"]["bootstrap_draws"] == 7 and document["config"]["margin"] == 0.03
    assert document["config"]["criteria"]["min_age_years"] == 50
