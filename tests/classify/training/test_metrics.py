"""Metrics of a training's epochs, and the one by which the best is chosen."""

from __future__ import annotations

import math

import numpy as np

from classify.training.metrics import ValidationMetrics, criterion_of, macro_auc, osteoporosis_auc


def test_a_network_is_chosen_by_macro_auc_or_where_a_class_is_absent_by_its_t_scores() -> None:
    good = ValidationMetrics(macro_auc=0.9, accuracy=0.5, auc_osteoporosis=0.5, t_score_mae=0.6)
    near = ValidationMetrics(macro_auc=0.8, accuracy=0.5, auc_osteoporosis=0.5, t_score_mae=0.4)
    usual, other = criterion_of(np.array([0, 1, 2, 0])), criterion_of(np.array([0, 2, 2]))
    assert usual.score(good) > usual.score(near) and not usual.why
    assert other.score(near) > other.score(good) and "no validation study is of class osteopenia" in other.why


def test_areas_of_absent_classes_are_unknown() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert math.isnan(macro_auc(np.array([0, 1]), probabilities))
    assert math.isnan(osteoporosis_auc(np.array([0, 1]), probabilities))
    assert osteoporosis_auc(np.array([0, 2]), np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])) == 1
