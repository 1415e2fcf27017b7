"""Thresholds, predictive values and net benefit against R, hand-computed values and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.statistics.thresholds import net_benefit, threshold_for_sensitivity


def test_net_benefit_of_treating_all_and_of_a_perfect_test() -> None:
    positive = np.array([True] * 3 + [False] * 7)
    thresholds = np.array([0.1, 0.5])
    everyone = net_benefit(positive, np.ones(10), thresholds)
    assert everyone == pytest.approx(0.3 - 0.7 * thresholds / (1 - thresholds))
    assert net_benefit(positive, positive.astype(float), thresholds) == pytest.approx(0.3)


def test_a_threshold_reaches_its_sensitivity() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(300) < 0.35
    scores = positive + rng.normal(0, 1.0, 300)
    for wanted in (0.5, 0.8, 0.95, 1.0):
        predicted = scores >= threshold_for_sensitivity(positive, scores, wanted)
        assert (predicted & positive).sum() / positive.sum() >= wanted
