"""Figures of the classification stage on predictions whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cohort.study import BMD_CLASSES
from pipeline.judged import Judged, judge_classes

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 2])
T_SCORES = np.array([0.0, -0.5, -1.5, -2.0, -2.6, -3.0, -3.5, -4.0])


def judged(shares: np.ndarray, labels: np.ndarray = LABELS, t_scores: np.ndarray = T_SCORES) -> Judged:
    sets = [frozenset({BMD_CLASSES[k].value}) for k in shares.argmax(1)]
    decisions = ["osteoporosis likely" if k == 2 else "undecided" for k in shares.argmax(1)]
    return Judged(labels, shares, t_scores, t_scores + 0.5, sets, decisions)


def test_perfect_predictions() -> None:
    found = judge_classes(judged(np.eye(3)[LABELS]))
    for name in ("accuracy", "macro_auc", "kappa", "kappa_quadratic", "osteoporosis_sensitivity", "set_coverage"):
        assert found[name] == 1, name
    assert found["ece"] == found["brier"] == 0
    assert (found["t_score_mae"], found["t_score_bias"]) == pytest.approx((0.5, 0.5))
    assert found["t_score_r"] == pytest.approx(1)
    assert (found["decided_likely"], found["decided_ppv"], found["undecided"]) == (4, 1, 4)
    assert found["decided_unlikely"] == 0 and "decided_npv" not in found


def test_one_mistake_counts_as_by_hand() -> None:
    shares = np.eye(3)[[0, 0, 1, 1, 2, 2, 2, 1]]
    found = judge_classes(judged(shares))
    assert found["accuracy"] == 7 / 8 and found["osteoporosis_sensitivity"] == 3 / 4
    assert found["osteoporosis_npv"] == 4 / 5 and found["osteoporosis_ppv"] == 1
    expected = 1 - (1 / 8) / (1 - (2 / 8 * 2 / 8 + 2 / 8 * 3 / 8 + 4 / 8 * 3 / 8))
    assert found["kappa"] == pytest.approx(expected)
    assert found["set_coverage"] == 7 / 8 and found["set_size_mean"] == 1


def test_a_single_class_leaves_out_what_it_cannot_tell() -> None:
    labels = np.full(8, 2)
    found = judge_classes(judged(np.tile([0.2, 0.3, 0.5], (8, 1)), labels))
    assert found["accuracy"] == 1 and "macro_auc" not in found and "kappa" not in found
    assert np.isnan(found["osteoporosis_specificity"]) and found["osteoporosis_sensitivity"] == 1


def test_chance_is_no_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    labels, shares = rng.integers(3, size=3000), rng.dirichlet([1, 1, 1], 3000)
    found = judge_classes(judged(shares, labels, rng.normal(-2, 1, 3000)))
    assert found["macro_auc"] == pytest.approx(0.5, abs=0.03) and abs(found["kappa"]) < 0.05
    assert found["auc_normal_low"] < found["auc_normal"] < found["auc_normal_high"]


def test_results_without_estimates_or_sets_are_judged_on_the_rest() -> None:
    plain = judged(np.eye(3)[LABELS])
    bare = replace(plain, t_estimates=np.full(8, np.nan), sets=[frozenset()] * 8, decisions=[None] * 8)
    found = judge_classes(bare)
    assert found["accuracy"] == 1
    assert not {"t_score_mae", "set_coverage", "undecided"} & set(found)
