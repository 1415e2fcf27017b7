"""What a comparison says of studies whose probabilities are known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from osteolens.documents.json_document import json_ready
from pipeline.evaluation.statistics.roc import auc_value, delong_test
from pipeline.roi_comparison.classification import Compared
from pipeline.roi_comparison.comparison import Comparison, compare_readings
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.studies import ComparedStudies, Readings
from tests.pipeline.roi_comparison.fakes import failures_of, noisy_studies, studies_of

DRAWS = ComparisonConfig(bootstrap_draws=50)


def osteoporosis(comparison: Comparison) -> Compared:
    compared = comparison.osteoporosis.auc
    assert compared is not None
    return compared


def written(comparison: Comparison) -> Any:
    return json.loads(json.dumps(json_ready(comparison.as_json()), allow_nan=False))


def test_the_same_probabilities_are_noninferior_and_reclassify_nobody() -> None:
    comparison = compare_readings(noisy_studies(0.0), DRAWS)
    compared = osteoporosis(comparison)
    assert compared.difference.value == 0 and compared.noninferior and compared.p_difference == 1.0
    assert comparison.reclassification.changed == 0 and comparison.p_osteoporosis.r == pytest.approx(1)
    assert comparison.kappa_by_reader == {"a": 1} and comparison.overlap_with_detector["all"].iou == 1


def test_noise_costs_auc_and_noninferiority() -> None:
    comparison = compare_readings(noisy_studies(3.0), DRAWS)
    compared, bootstrap = osteoporosis(comparison), comparison.osteoporosis.bootstrap
    assert compared.difference.value < -0.05 and not compared.noninferior and compared.p_noninferiority > 0.5
    assert bootstrap is not None and bootstrap.low < compared.difference.value < bootstrap.high
    assert comparison.reclassification.changed > 50 and comparison.osteoporosis.p_mcnemar < 0.05
    assert (
        comparison.osteoporosis.readers["a"].values["auc"].value > comparison.osteoporosis.automatic.values["auc"].value
    )
    rows = comparison.tables["reclassification"].set_index("on manual ROIs")
    assert rows.to_numpy().sum() == comparison.count


def test_one_reader_gives_the_paired_delong_test_and_says_so() -> None:
    studies = noisy_studies(1.0)
    comparison = compare_readings(studies, DRAWS)
    positive = studies.labels == 2
    paired = delong_test(
        positive, studies.readers["a"].probabilities[:, 2], studies.automatic.probabilities[:, 2], DRAWS.margin
    )
    compared = osteoporosis(comparison)
    assert compared.p_difference == pytest.approx(paired.p) and compared.p_noninferiority == pytest.approx(
        paired.p_noninferior
    )
    assert "paired DeLong test: it holds for this reader alone" in comparison.verdict


def test_several_readers_are_a_panel_and_the_mean_of_their_probabilities_is_one_more_reader() -> None:
    studies = noisy_studies(0.3, readers=4, reader_noise=1.0)
    comparison = compare_readings(studies, DRAWS)
    compared, positive = osteoporosis(comparison), studies.labels == 2
    areas = [auc_value(positive, reader.probabilities[:, 2]) for reader in studies.readers.values()]
    assert compared.readers.value == pytest.approx(float(np.mean(areas)))
    pooled = comparison.osteoporosis.mean_of_readers.values["auc"].value
    assert pooled > compared.readers.value + 0.01, "pooling readers adds what no reader has"
    assert np.isfinite(compared.degrees_of_freedom) and "the mean of 4 readers" in comparison.verdict
    assert "readers and cases random" in comparison.verdict
    assert list(comparison.tables["readers"]["ROIs by"]) == [
        "a", "b", "c", "d", "mean of the readers' probabilities", "detector (automatic)",
    ]  # fmt: skip
    assert np.isnan(comparison.osteoporosis.p_mcnemar)
    assert "several readers" in written(comparison)["classes"]["osteoporosis"]["not_estimable"]["p_mcnemar"]
    assert comparison.reclassification.counts.sum() == 4 * comparison.count


def test_two_readers_are_fixed() -> None:
    comparison = compare_readings(noisy_studies(0.3, readers=2), DRAWS)
    assert np.isinf(osteoporosis(comparison).degrees_of_freedom)
    assert "readers fixed: it holds for these readers alone" in comparison.verdict
    assert written(comparison)["classes"]["osteoporosis"]["auc"]["degrees_of_freedom"] is None


def test_sensitivity_and_specificity_are_compared_with_the_mean_of_the_readers() -> None:
    studies = noisy_studies(2.0, readers=3)
    comparison, positive = compare_readings(studies, DRAWS), studies.labels == 2
    found = comparison.osteoporosis.sensitivity
    called = [reader.predicted == 2 for reader in studies.readers.values()]
    assert found is not None
    assert found.readers.value == pytest.approx(float(np.mean([c[positive].mean() for c in called])))
    assert found.automatic.value == pytest.approx((studies.automatic.predicted == 2)[positive].mean())
    assert found.difference.low < found.difference.value < found.difference.high and found.p_difference < 0.05


def test_a_wider_margin_makes_noise_noninferior() -> None:
    studies = noisy_studies(1.0)
    assert osteoporosis(compare_readings(studies, DRAWS)).noninferior is False
    wide = compare_readings(studies, DRAWS.model_copy(update={"margin": 0.5}))
    assert osteoporosis(wide).noninferior is True and "margin of 0.5" in wide.verdict


def test_the_seed_and_the_draws_change_the_bootstrap_alone() -> None:
    studies = noisy_studies(1.0, 60)
    first = compare_readings(studies, DRAWS)
    for update in ({"seed": 1}, {"bootstrap_draws": 51}):
        other = compare_readings(studies, DRAWS.model_copy(update=update))
        assert other.osteoporosis.bootstrap != first.osteoporosis.bootstrap
        assert other.osteoporosis.auc == first.osteoporosis.auc


def test_few_cases_have_no_p_and_state_no_noninferiority() -> None:
    studies = noisy_studies(0.0, 20)
    cases = int((studies.labels == 2).sum())
    assert 0 < cases < 10
    comparison = compare_readings(studies, DRAWS)
    compared = osteoporosis(comparison)
    assert compared.noninferior is None and np.isnan(compared.p_difference) and np.isnan(compared.p_noninferiority)
    assert compared.not_estimable["p_difference"] == f"not estimable: {cases} cases, fewer than 10"
    assert comparison.verdict == f"Too few studies to state non-inferiority: {cases} of 20 with osteoporosis."
    fewer = DRAWS.model_copy(update={"fewest_cases": cases})
    assert osteoporosis(compare_readings(studies, fewer)).noninferior is True


def test_readers_and_a_detector_without_any_error_are_not_tested() -> None:
    """Nothing varies, so that no interval and no p can be had; zero width would claim certainty."""
    labels = [2] * 12 + [0] * 12
    sure = np.array([[0.1, 0.1, 0.8]] * 12 + [[0.7, 0.2, 0.1]] * 12)
    other = sure + np.linspace(0, 0.01, 24)[:, None] * np.array([1, 0, -1])
    comparison = compare_readings(studies_of(labels, [sure] * 3, other), DRAWS)
    for compared in (comparison.osteoporosis.auc, comparison.osteoporosis.sensitivity):
        assert compared is not None and np.isnan(compared.difference.low) and np.isnan(compared.p_noninferiority)
        assert compared.noninferior is None
        assert compared.not_estimable["p_difference"] == "not estimable: all values are 1, without variance"
    assert comparison.osteoporosis.bootstrap is not None and np.isnan(comparison.osteoporosis.bootstrap.low)
    assert comparison.verdict.endswith("cannot be tested: all values are 1, without variance.")


def test_a_reader_may_be_called_reader() -> None:
    studies = noisy_studies(0.1, 30, readers=3)
    named = replace(studies, readers=dict(zip(("reader", "b", "ROIs by"), studies.readers.values(), strict=True)))
    table = compare_readings(named, DRAWS).tables["pairs"]
    assert list(table.columns) == ["", "b", "ROIs by"] and list(table[""]) == ["reader", "b"]


def repeated(studies: ComparedStudies, times: int) -> ComparedStudies:
    """Each study several times, of the same patient."""

    def again(reader: Readings) -> Readings:
        return Readings(np.repeat(reader.probabilities, times, axis=0), reader.rois)

    made = studies_of(
        np.repeat(studies.labels, times).tolist(),
        [again(reader).probabilities for reader in studies.readers.values()],
        again(studies.automatic).probabilities,
        [uid for uid in studies.study_uids for _ in range(times)],
    )
    return made


def test_several_studies_of_a_patient_add_no_certainty() -> None:
    studies = noisy_studies(1.0, 120, readers=3)
    once, thrice = (compare_readings(s, DRAWS) for s in (studies, repeated(studies, 3)))
    first, second = osteoporosis(once).difference, osteoporosis(thrice).difference
    assert (second.low, second.high) == pytest.approx((first.low, first.high), rel=0.02)
    assert thrice.patients == 120 and thrice.count == 360
    alone = compare_readings(repeated(noisy_studies(1.0, 120), 3), DRAWS)
    assert "several studies of a patient" in alone.osteoporosis.not_estimable["p_mcnemar"]
    few = repeated(noisy_studies(1.0, 20), 3)
    word = osteoporosis(compare_readings(few, DRAWS)).not_estimable["p_difference"]
    assert word.endswith("patients, fewer than 10")


def test_failures_of_the_detector_count_against_it_beside_the_complete_cases() -> None:
    studies = noisy_studies(0.0, 400, readers=3, reader_noise=0.0)
    places = [int(k) for k in np.flatnonzero(studies.labels == 2)[:5]] + [int(np.flatnonzero(studies.labels != 2)[0])]
    comparison = compare_readings(failures_of(studies, places), DRAWS)
    complete, worst = comparison.complete_cases, comparison.worst_case
    assert worst is not None and (complete.studies, worst.studies) == (394, 400)
    assert complete.auc is not None and complete.auc.difference.value == pytest.approx(0)
    positive = studies.labels == 2
    scores = studies.automatic.probabilities[:, 2].copy()
    scores[places[:5]], scores[places[5]] = -1, 2
    assert worst.auc is not None and worst.auc.automatic.value == pytest.approx(auc_value(positive, scores))
    called = studies.automatic.predicted == 2
    called[places[:5]], called[places[5]] = False, True
    assert worst.sensitivity is not None and worst.sensitivity.automatic.value == pytest.approx(called[positive].mean())
    assert worst.specificity is not None
    assert worst.specificity.automatic.value == pytest.approx((~called[~positive]).mean())
    assert worst.auc.readers.value == pytest.approx(auc_value(positive, studies.readers["a"].probabilities[:, 2]))
    assert "With the 6 studies on which the detector failed counted against it" in comparison.verdict
    assert "not shown to be non-inferior" in comparison.verdict.partition("With the 6")[2]
    assert written(comparison)["detector_failures"]["worst_case"]["studies"] == 400
    assert len(comparison.tables["worst_case"]) == 6


def test_where_images_cannot_be_read_the_readers_count_as_right() -> None:
    studies = noisy_studies(0.0, 400, readers=3, reader_noise=0.0)
    places = [int(k) for k in np.flatnonzero(studies.labels == 2)[:5]]
    worst = compare_readings(failures_of(studies, places, readable=False), DRAWS).worst_case
    scores = studies.readers["a"].probabilities[:, 2].copy()
    scores[places] = 2
    assert worst is not None and worst.auc is not None
    assert worst.auc.readers.value == pytest.approx(auc_value(studies.labels == 2, scores))


def test_an_absent_class_is_said() -> None:
    studies = replace(noisy_studies(0.1), labels=np.zeros(400, np.int64))
    comparison = compare_readings(studies, DRAWS)
    assert "one class is absent" in comparison.verdict
    document = written(comparison)["classes"]["osteoporosis"]
    assert document["auc"] is None and document["cases"] == 0 and document["sensitivity"] is None
    assert document["not_estimable"]["auc"] == "not estimable: one class only"
    assert list(comparison.tables["readers"]["AUC (95 %)"]) == ["not estimable (one class only)"] * 2


@pytest.mark.parametrize("labels", [[2], [2, 0], [2, 0, 0, 0], [2, 2, 2]])
@pytest.mark.parametrize("readers", [1, 3])
def test_few_or_equal_studies_give_json_and_words(labels: list[int], readers: int) -> None:
    probabilities = np.array([[0.2, 0.3, 0.5]] * len(labels))
    comparison = compare_readings(studies_of(labels, [probabilities] * readers, probabilities), DRAWS)
    document = written(comparison)
    kappa = document["kappa_between_rois"]
    assert kappa["not_estimable"]["a"] == "not estimable: every study is given the same class"
    assert kappa["by_reader"]["a"] is None
    assert document["p_osteoporosis"]["r"] is None and "r" in document["p_osteoporosis"]["not_estimable"]
    if labels == [2, 0, 0, 0]:
        compared = document["classes"]["osteoporosis"]["auc"]
        assert compared["difference"]["low"] is None
        assert compared["not_estimable"]["p_difference"] == "not estimable: 1 case"
        row = comparison.tables["classes"].set_index("class").loc["osteoporosis"]
        assert row["difference (95 %)"] == "+0.000 (interval not estimable: 1 case)"


def test_the_settings_stand_in_the_result() -> None:
    document = written(compare_readings(noisy_studies(0.1, 30), ComparisonConfig(bootstrap_draws=21, margin=0.03)))
    assert document["config"]["bootstrap_draws"] == 21 and document["config"]["margin"] == 0.03
    assert document["config"]["criteria"]["min_age_years"] == 50
