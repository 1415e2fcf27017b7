"""Agreement of two measurements or two methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.evaluation.statistics.intervals import Flags, Floats


def mcnemar(first_right: Flags, second_right: Flags) -> float:
    """Exact two-sided p that both methods are right equally often (McNemar 1947, binomial form)."""
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Agreement of two measurements: bias, limits of agreement, and Pearson's r."""

    bias: float
    low: float
    high: float
    r: float


def bland_altman(reference: Floats, measured: Floats) -> BlandAltman:
    """Bias and 95 % limits of agreement of measured minus reference (Bland and Altman 1986).

    What so few values cannot give is NaN: all without a value, limits with one, r where one side never varies.
    """
    gap = measured - reference
    bias = float(gap.mean()) if len(gap) else float("nan")
    spread = float(gap.std(ddof=1)) if len(gap) > 1 else float("nan")
    return BlandAltman(bias, bias - 1.96 * spread, bias + 1.96 * spread, _correlation(reference, measured))


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's r; NaN where one side never varies."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
