"""Figures of the classification stage on predictions whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.classification import EvaluatedCases, classification_metrics, not_estimable

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 2])
T_SCORES = np.array([0.0, -0.5, -1.5, -2.0, -2.6, -3.0, -3.5, -4.0])


def judged(shares: np.ndarray, labels: np.ndarray = LABELS, t_scores: np.ndarray = T_SCORES) -> EvaluatedCases:
    sets = [frozenset({BMD_CLASSES[k].value}) for k in shares.argmax(1)]
    decisions = ["osteoporosis likely" if k == 2 else "undecided" for k in shares.argmax(1)]
    return EvaluatedCases(labels, shares, t_scores, t_scores + 0.5, sets, decisions)


def test_perfect_predictions() -> None:
    found = classification_metrics(judged(np.eye(3)[LABELS]))
    for name in ("accuracy", "macro_auc", "kappa", "kappa_quadratic", "osteoporosis_sensitivity", "set_coverage"):
        assert found[name] == 1, name
    assert found["ece"] == found["brier"] == 0
    assert (found["t_score_mae"], found["t_score_bias"]) == pytest.approx((0.5, 0.5))
    assert found["t_score_r"] == pytest.approx(1)
    assert (found["decided_likely"], found["decided_ppv"], found["undecided"]) == (4, 1, 4)
    assert found["decided_unlikely"] == 0 and "decided_npv" not in found


def test_one_mistake_counts_as_by_hand() -> None:
    shares = np.eye(3)[[0, 0, 1, 1, 2, 2, 2, 1]]
    found = classification_metrics(judged(shares))
    assert found["accuracy"] == 7 / 8 and found["osteoporosis_sensitivity"] == 3 / 4
    assert found["osteoporosis_npv"] == 4 / 5 and found["osteoporosis_ppv"] == 1
    expected = 1 - (1 / 8) / (1 - (2 / 8 * 2 / 8 + 2 / 8 * 3 / 8 + 4 / 8 * 3 / 8))
    assert found["kappa"] == pytest.approx(expected)
    assert found["set_coverage"] == 7 / 8 and found["set_size_mean"] == 1


def test_a_single_class_leaves_out_what_it_cannot_tell() -> None:
    labels = np.full(8, 2)
    found = classification_metrics(judged(np.tile([0.2, 0.3, 0.5], (8, 1)), labels))
    assert found["accuracy"] == 1 and "macro_auc" not in found and "kappa" not in found
    assert np.isnan(found["osteoporosis_specificity"]) and found["osteoporosis_sensitivity"] == 1
    assert not any(name.startswith("auc_") for name in found)
    words = not_estimable(judged(np.tile([0.2, 0.3, 0.5], (8, 1)), labels))
    assert {"macro_auc", "auc_osteoporosis_high", "kappa", "osteoporosis_specificity"} <= set(words)
    assert words["auc_normal"] == words["kappa"] == "not estimable: one class only"
    assert words["osteoporosis_npv"] == "not estimable: every study is called osteoporosis"


def test_areas_that_exist_are_given_where_a_class_is_absent() -> None:
    labels = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    some = judged(np.eye(3)[labels], labels)
    found, words = classification_metrics(some), not_estimable(some)
    assert found["auc_osteopenia"] == found["auc_osteoporosis"] == 1
    assert "auc_normal" not in found and "macro_auc" not in found
    assert words["auc_normal"] == words["macro_auc"] == "not estimable: no study is normal"
    assert "auc_osteoporosis" not in words


def test_a_single_case_has_an_area_without_an_interval() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    one = judged(np.eye(3)[labels], labels)
    found, words = classification_metrics(one), not_estimable(one)
    assert found["auc_osteoporosis"] == 1 and np.isnan(found["auc_osteoporosis_low"])
    assert words["auc_osteoporosis_low"] == "not estimable: 1 case" and "auc_osteoporosis" not in words


def test_t_scores_that_do_not_vary_or_are_few_are_said() -> None:
    plain = judged(np.eye(3)[LABELS])
    flat = replace(plain, t_estimates=np.full(8, -2.0))
    assert np.isnan(classification_metrics(flat)["t_score_r"]) and np.isfinite(
        classification_metrics(flat)["t_score_bias"]
    )
    assert not_estimable(flat)["t_score_r"] == "not estimable: the T-scores do not vary"
    few = replace(plain, t_estimates=np.array([-1.0, -2.0, *[np.nan] * 6]))
    assert "t_score_mae" not in classification_metrics(few)
    assert not_estimable(few)["t_score_mae"] == "not estimable: 2 estimated T-scores, 3 are needed"


def test_chance_is_no_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    labels, shares = rng.integers(3, size=3000), rng.dirichlet([1, 1, 1], 3000)
    found = classification_metrics(judged(shares, labels, rng.normal(-2, 1, 3000)))
    assert found["macro_auc"] == pytest.approx(0.5, abs=0.03) and abs(found["kappa"]) < 0.05
    assert found["auc_normal_low"] < found["auc_normal"] < found["auc_normal_high"]


def test_results_without_estimates_or_sets_are_judged_on_the_rest() -> None:
    plain = judged(np.eye(3)[LABELS])
    bare = replace(plain, t_estimates=np.full(8, np.nan), sets=[frozenset()] * 8, decisions=[None] * 8)
    found = classification_metrics(bare)
    assert found["accuracy"] == 1
    assert not {"t_score_mae", "set_coverage", "undecided"} & set(found)
