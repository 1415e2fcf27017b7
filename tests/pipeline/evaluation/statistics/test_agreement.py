"""Agreement against R and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.statistics.agreement import bland_altman, mcnemar


def test_mcnemar_counts_the_discordant_pairs() -> None:
    first = np.array([True] * 10 + [False] * 3 + [True] * 20)
    second = np.array([False] * 10 + [True] * 3 + [True] * 20)
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(10, 13).pvalue)
    assert mcnemar(first, first) == 1.0


def test_bland_altman_of_a_shifted_measurement() -> None:
    reference = np.linspace(-4, 1, 50)
    found = bland_altman(reference, reference + 0.3)
    assert (found.bias, found.low, found.high, found.r) == pytest.approx((0.3, 0.3, 0.3, 1.0))
