"""Metrics of the classification stage on predictions whose metrics are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES
from osteolens.documents.json_document import json_ready
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.classification.metrics import class_metrics, classification_metrics
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.statistics.intervals import Estimate, proportion
from pipeline.evaluation.statistics.roc import auc
from pipeline.evaluation.tables.classification import class_table, classification_table
from tests.pipeline.evaluation.classification.made_up import random_cases
from tests.pipeline.evaluation.studies.test_results import nulls_without_a_word

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 2])
T_SCORES = np.array([0.0, -0.5, -1.5, -2.0, -2.6, -3.0, -3.5, -4.0])
NORMAL, OSTEOPENIA, OSTEOPOROSIS = BMD_CLASSES


def cases(probabilities: np.ndarray, labels: np.ndarray = LABELS, t_scores: np.ndarray = T_SCORES) -> EvaluatedCases:
    predicted = probabilities.argmax(1)
    return EvaluatedCases(
        labels=labels,
        probabilities=probabilities,
        t_scores=t_scores,
        t_estimates=t_scores + 0.5,
        prediction_sets=[frozenset({BMD_CLASSES[k]}) for k in predicted],
        decisions=[Decision.RULED_IN if k == 2 else Decision.INDETERMINATE for k in predicted],
        patients=np.arange(len(labels)),
    )


def test_perfect_predictions() -> None:
    found = classification_metrics(cases(np.eye(3)[LABELS]), draws=50)
    assert found.accuracy.value == found.macro_auc.value == found.kappa == found.kappa_quadratic == 1
    assert found.classes[OSTEOPOROSIS].sensitivity.value == 1 and found.ece == found.brier == 0
    assert found.t_score is not None and found.prediction_sets is not None and found.decisions is not None
    assert (found.t_score.mae, found.t_score.bias.value, found.t_score.r) == pytest.approx((0.5, 0.5, 1))
    assert found.prediction_sets.coverage.value == 1
    assert (found.decisions.rule_in, found.decisions.indeterminate, found.decisions.rule_out) == (4, 4, 0)
    assert found.decisions.rule_in_ppv is not None and found.decisions.rule_in_ppv.value == 1
    assert found.decisions.rule_out_npv is None
    assert found.confusion == ((2, 0, 0), (0, 2, 0), (0, 0, 4)) and not found.not_estimable


def test_one_mistake_counts_as_by_hand() -> None:
    found = classification_metrics(cases(np.eye(3)[[0, 0, 1, 1, 2, 2, 2, 1]]), draws=1)
    own = found.classes[OSTEOPOROSIS]
    assert (found.accuracy.value, own.sensitivity.value, own.npv.value, own.ppv.value) == (7 / 8, 3 / 4, 4 / 5, 1)
    expected = 1 - (1 / 8) / (1 - (2 / 8 * 2 / 8 + 2 / 8 * 3 / 8 + 4 / 8 * 3 / 8))
    assert found.kappa == pytest.approx(expected)
    assert found.prediction_sets is not None
    assert found.prediction_sets.coverage.value == 7 / 8 and found.prediction_sets.mean_size == 1


def test_a_single_class_says_what_it_cannot_tell() -> None:
    found = classification_metrics(cases(np.tile([0.2, 0.3, 0.5], (8, 1)), np.full(8, 2)))
    own = found.classes[OSTEOPOROSIS]
    assert found.accuracy.value == own.sensitivity.value == 1
    assert np.isnan([found.macro_auc.value, found.kappa, own.specificity.value, own.auc.value]).all()
    assert set(found.not_estimable) == {"macro_auc", "kappa", "kappa_quadratic"}
    assert own.not_estimable["auc"] == found.not_estimable["kappa"] == "not estimable: one class only"
    assert own.not_estimable["npv"] == "not estimable: every study is predicted osteoporosis"


def test_aucs_that_exist_are_given_where_a_class_is_absent() -> None:
    labels = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    found = classification_metrics(cases(np.eye(3)[labels], labels))
    assert found.classes[OSTEOPENIA].auc.value == found.classes[OSTEOPOROSIS].auc.value == 1
    assert np.isnan(found.classes[NORMAL].auc.value) and np.isnan(found.macro_auc.value)
    assert found.not_estimable["macro_auc"] == found.classes[NORMAL].not_estimable["auc"]
    assert found.classes[NORMAL].not_estimable["auc"] == "not estimable: no study is normal"
    assert "auc" not in found.classes[OSTEOPOROSIS].not_estimable


def test_a_single_case_has_an_auc_without_an_interval() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    found = class_metrics(cases(np.eye(3)[labels], labels))
    assert found.auc.value == 1 and np.isnan(found.auc.low)
    assert found.not_estimable["auc_interval"] == "not estimable: 1 case" and "auc" not in found.not_estimable


def test_t_scores_that_do_not_vary_or_are_few_are_said() -> None:
    plain = cases(np.eye(3)[LABELS])
    flat = classification_metrics(replace(plain, t_estimates=np.full(8, -2.0)), draws=1)
    assert flat.t_score is not None and np.isnan(flat.t_score.r) and np.isfinite(flat.t_score.bias.value)
    assert flat.not_estimable["r"] == "not estimable: the T-scores do not vary"
    few = classification_metrics(replace(plain, t_estimates=np.array([-1.0, -2.0, *[np.nan] * 6])), draws=1)
    assert few.t_score is None
    assert few.not_estimable["t_score"] == "not estimable: 2 estimated T-scores, 3 are needed"


def test_chance_is_no_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(3, size=3000), rng.dirichlet([1, 1, 1], 3000)
    found = classification_metrics(cases(probabilities, labels, rng.normal(-2, 1, 3000)), draws=20)
    assert found.macro_auc.value == pytest.approx(0.5, abs=0.03) and abs(found.kappa) < 0.05
    assert found.classes[NORMAL].auc.low < found.classes[NORMAL].auc.value < found.classes[NORMAL].auc.high


def test_the_bootstrap_is_that_of_the_seed() -> None:
    rng = np.random.default_rng(0)
    made_up = cases(rng.dirichlet([1, 1, 1], 60), rng.integers(3, size=60), rng.normal(-2, 1, 60))
    one, same, other = (classification_metrics(made_up, 30, seed).macro_auc for seed in (1, 1, 2))
    assert one == same != other and isinstance(one, Estimate) and one.value == other.value


def test_one_study_a_patient_is_not_clustered_and_keeps_its_intervals() -> None:
    plain = random_cases(80)
    found = classification_metrics(plain, draws=20)
    own = found.classes[OSTEOPOROSIS]
    assert (found.studies, found.patients, found.clustered, own.clustered) == (80, 80, False, False)
    right = int((plain.predicted == plain.labels).sum())
    assert found.accuracy == proportion(right, 80)
    assert own.auc == auc(plain.positive, plain.p_osteoporosis)
    assert own.auc_paper_interval == proportion(own.auc.value * 80, 80)


def test_copies_of_each_study_widen_no_knowledge() -> None:
    once = random_cases(60)
    copied = cases(np.repeat(once.probabilities, 4, 0), np.repeat(once.labels, 4), np.repeat(once.t_scores, 4))
    by_patient = classification_metrics(replace(copied, patients=np.repeat(np.arange(60), 4)), draws=200)
    single, independent = classification_metrics(once, draws=200), classification_metrics(copied, draws=200)
    assert (by_patient.studies, by_patient.patients, by_patient.clustered) == (240, 60, True)
    for name in ("accuracy", "macro_auc"):
        first, wide, narrow = (getattr(found, name) for found in (single, by_patient, independent))
        assert wide.value == pytest.approx(first.value) and wide.low == pytest.approx(first.low, abs=0.02)
        assert wide.high - wide.low > 1.6 * (narrow.high - narrow.low)
    for name in ("auc", "sensitivity", "specificity"):
        first, wide, narrow = (
            getattr(found.classes[OSTEOPOROSIS], name) for found in (single, by_patient, independent)
        )
        assert wide.value == first.value and wide.high == pytest.approx(first.high, abs=0.03)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    sets = by_patient.prediction_sets
    assert sets is not None and sets.coverage.low == pytest.approx(by_patient.accuracy.low)


def test_limits_of_agreement_of_several_studies_hold_both_variances() -> None:
    # differences 0 and 2 of one patient, 10 and 12 of another: within 2, between (100 - 2) / 2
    labels, truth = np.array([2, 2, 1, 1]), np.array([-3.0, -3.5, -1.5, -1.2])
    several = replace(
        cases(np.eye(3)[labels], labels, truth),
        t_estimates=truth + np.array([0, 2, 10, 12]),
        patients=np.array([0, 0, 1, 1]),
    )
    t_score = classification_metrics(several, draws=1).t_score
    assert t_score is not None and t_score.bias.value == pytest.approx(6)
    assert t_score.bias.high == pytest.approx(6 + 1.96 * np.sqrt(2 + (100 - 2) / 2))


def test_studies_of_a_single_patient_have_no_intervals() -> None:
    found = classification_metrics(replace(cases(np.eye(3)[LABELS]), patients=np.zeros(8, int)), draws=20)
    own = found.classes[OSTEOPOROSIS]
    assert np.isnan([found.accuracy.low, found.macro_auc.low, own.auc.low, own.sensitivity.low]).all()
    assert found.not_estimable["macro_auc_interval"] == "not estimable: all are of one patient"
    assert own.not_estimable["auc_interval"] == "not estimable: all cases are of one patient"
    assert not nulls_without_a_word(json_ready(result_json(found)))
    assert nulls_without_a_word(json_ready(result_json(replace(found, not_estimable={}))))
    assert np.isnan(found.net_benefit[0].against_everyone.low)
    assert class_table({"one": own}).loc[0, "sensitivity %"] == (
        "100.00 (interval not estimable: all are of one patient)"
    )


def test_tables_say_by_patient_where_patients_have_several_studies() -> None:
    one, several = (classification_metrics(random_cases(60, each), draws=5) for each in (1, 2))
    plain, clustered = class_table({"a": one.classes[OSTEOPOROSIS]}), class_table({"b": several.classes[OSTEOPOROSIS]})
    assert "AUC (95 %, DeLong, logit scale)" in plain.columns and "patients" not in plain.columns
    assert clustered.loc[0, "patients"] == 60 and clustered.loc[0, "studies"] == 120
    found = several.classes[OSTEOPOROSIS].auc
    assert clustered.loc[0, "AUC (95 %, DeLong, logit scale, by patient)"] == (
        f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"
    )
    table = classification_table({"a": one, "b": several}, {"a": 0, "b": 1}).set_index("metric")
    assert list(table.loc["patients of these studies"]) == [60, 60]
    assert "macro AUC (95 %, bootstrap, by patient)" in table.index


def test_results_without_estimates_or_sets_are_evaluated_on_the_rest() -> None:
    plain = cases(np.eye(3)[LABELS])
    bare = replace(plain, t_estimates=np.full(8, np.nan), prediction_sets=[frozenset()] * 8, decisions=[None] * 8)
    found = classification_metrics(bare, draws=1)
    assert found.accuracy.value == 1
    assert (found.t_score, found.prediction_sets, found.decisions) == (None, None, None) and not found.not_estimable


def test_an_absent_class_has_a_word_for_the_papers_interval_too() -> None:
    bare = classification_metrics(replace(cases(np.eye(3)[LABELS]), labels=np.full(8, 2)), draws=1).classes[
        OSTEOPOROSIS
    ]
    assert bare.not_estimable["auc_paper_interval"] == bare.not_estimable["auc"] == "not estimable: one class only"


def test_studies_with_a_view_unlike_the_training_are_counted_where_the_results_tell() -> None:
    plain = cases(np.eye(3)[LABELS])
    assert classification_metrics(plain, draws=1).unlike_training is None
    distances = np.full((8, 2), 0.5)
    distances[0] = (1.2, 0.9)
    distances[1] = (np.nan, 1.01)
    distances[2] = np.nan
    found = classification_metrics(replace(plain, feature_distances=distances), draws=1)
    assert found.unlike_training is not None and found.unlike_training.value == pytest.approx(2 / 7)
    table = classification_table({"all": found}, {"all": 0}).set_index("metric")["all"]
    (row,) = [str(table[name]) for name in table.index if str(name).startswith("studies unlike the training's films")]
    assert row.startswith("0.286 (")
