"""Metrics of a training's epochs, on disk and in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from classify.training.metrics import Epoch, ValidationMetrics, best_epoch, macro_auc, osteoporosis_auc


def epoch(number: int, side: int, auc: float) -> Epoch:
    metrics = ValidationMetrics(macro_auc=auc, accuracy=0.5, auc_osteoporosis=0.5, t_score_mae=1.0)
    return Epoch(epoch=number, side=side, loss=1.0, validation=metrics, minutes=0.1)


def test_an_epoch_comes_back_from_its_row() -> None:
    one = epoch(3, 64, 0.7)
    assert Epoch.from_row(one.as_row()) == one
    lacking = Epoch.from_row({**one.as_row(), "macro_auc": None})
    assert math.isnan(lacking.validation.macro_auc), "null stands for what is no number"
    with pytest.raises(KeyError):
        Epoch.from_row({"epoch": 1.0})


def test_the_best_epoch_is_one_of_the_last_side() -> None:
    history = [epoch(1, 64, 0.9), epoch(2, 96, 0.7), epoch(3, 96, 0.8), epoch(4, 96, float("nan"))]
    assert best_epoch(history, 96) == 3
    assert best_epoch(history[:1], 96) == 1, "before the last side, the best of all"


def test_areas_of_absent_classes_are_unknown() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert math.isnan(macro_auc(np.array([0, 1]), probabilities))
    assert math.isnan(osteoporosis_auc(np.array([0, 1]), probabilities))
    assert osteoporosis_auc(np.array([0, 2]), np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])) == 1
