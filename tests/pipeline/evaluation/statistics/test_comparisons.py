"""Adjusted p-values, heterogeneity and unpaired AUCs against R and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.statistics.comparisons import (
    heterogeneity_p,
    holm,
    logit_auc,
    logit_proportion,
)
from tests.pipeline.evaluation.statistics.asah import PATIENTS, POOR, S100B


def test_holm_has_the_values_of_p_adjust() -> None:
    """R 4.2.2: p.adjust(c(.01, .04, .03, NA, .005, .9), "holm"), p.adjust(c(.04, .04, .001), "holm")."""
    found = holm([0.01, 0.04, 0.03, float("nan"), 0.005, 0.9])
    assert found == pytest.approx([0.04, 0.09, 0.09, float("nan"), 0.025, 0.9], nan_ok=True)
    assert holm((0.04, 0.04, 0.001)) == pytest.approx([0.08, 0.08, 0.003])
    assert holm([]) == []
    assert holm([0.7, 0.8]) == [1.0, 1.0]


def test_cochrans_q_has_the_value_of_r() -> None:
    """R 4.2.2: w <- 1 / v; pchisq(sum(w * (x - sum(w * x) / sum(w))^2), 2, lower.tail = FALSE)."""
    assert heterogeneity_p((0.2, 0.9, 1.5), (0.1, 0.2, 0.15)) == pytest.approx(0.03199077521)
    empty = float("nan")
    assert heterogeneity_p((0.2, empty, 0.9, 1.5, 3), (0.1, 1, 0.2, 0.15, 0)) == pytest.approx(0.03199077521)
    assert np.isnan(heterogeneity_p((0.2, empty), (0.1, 0.1)))


def test_heterogeneity_holds_its_level_in_small_groups_and_finds_differences() -> None:
    rng, same, different = np.random.default_rng(0), [], []
    for _ in range(600):
        groups = [rng.random(n) < 0.85 for n in (30, 25, 40)]
        same.append(heterogeneity_p(*zip(*(logit_proportion(g) for g in groups), strict=True)) < 0.05)
        groups[0] = rng.random(30) < 0.4
        different.append(heterogeneity_p(*zip(*(logit_proportion(g) for g in groups), strict=True)) < 0.05)
    assert 0.01 < np.mean(same) < 0.075
    assert np.mean(different) > 0.8


def test_logits_and_their_variances() -> None:
    value, variance = logit_proportion(np.array([True] * 9 + [False]))
    assert (value, variance) == pytest.approx((np.log(9.5 / 1.5), 1 / 9.5 + 1 / 1.5))
    assert np.isfinite(logit_proportion(np.ones(5, bool))).all()
    assert np.isnan(logit_proportion(np.zeros(0, bool))).all()
    four = np.repeat(np.arange(10), 4)
    assert logit_proportion(np.repeat([True] * 9 + [False], 4), four)[1] == pytest.approx(variance, rel=0.1)
    value, variance = logit_auc(POOR, S100B)
    assert value == pytest.approx(np.log(0.7313685637 / 0.2686314363))
    assert variance == pytest.approx(0.0026686824572 / (0.7313685637 * 0.2686314363) ** 2)
    assert logit_auc(POOR, S100B, PATIENTS)[1] < variance
    assert np.isnan(logit_auc(POOR, POOR.astype(float))).all()
