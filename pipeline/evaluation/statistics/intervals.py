"""Estimates with intervals, proportions, and counts of predictions against truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; NaN where it cannot be given."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))
"""An estimate that cannot be given."""


@dataclass(frozen=True, slots=True)
class BinaryCounts:
    """True and false positives and negatives."""

    tp: int
    fn: int
    fp: int
    tn: int

    def metrics(self, confidence: float = 0.95) -> dict[str, Estimate]:
        """Sensitivity, specificity, PPV, NPV and accuracy with Wilson intervals with continuity correction."""
        total = self.tp + self.fn + self.fp + self.tn
        return {
            "sensitivity": proportion(self.tp, self.tp + self.fn, confidence),
            "specificity": proportion(self.tn, self.tn + self.fp, confidence),
            "ppv": proportion(self.tp, self.tp + self.fp, confidence),
            "npv": proportion(self.tn, self.tn + self.fn, confidence),
            "accuracy": proportion(self.tp + self.tn, total, confidence),
        }


def counts(positive: Flags, predicted: Flags) -> BinaryCounts:
    """Counts of predictions (n,) against truth (n,)."""
    return BinaryCounts(
        int((positive & predicted).sum()),
        int((positive & ~predicted).sum()),
        int((~positive & predicted).sum()),
        int((~positive & ~predicted).sum()),
    )


def proportion(k: float, n: int, confidence: float = 0.95) -> Estimate:
    """k of n with the Wilson interval with continuity correction; all NaN for an empty group.

    Source: Newcombe 1998, method 4; 95 of 96 printed intervals of Mao et al. 2022, Tables 2 and 4, are of this kind.
    """
    if n == 0:
        return UNKNOWN
    if float(k).is_integer():
        interval = stats.binomtest(int(k), n).proportion_ci(confidence, "wilsoncc")
        return Estimate(k / n, float(interval.low), float(interval.high))
    p, z = k / n, float(stats.norm.ppf(0.5 + confidence / 2))
    middle, scale = 2 * k + z**2, 2 * (n + z**2)
    low = middle - 1 - z * np.sqrt(z**2 - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))
    high = middle + 1 + z * np.sqrt(z**2 + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))
    return Estimate(p, float(max(0.0, low / scale)), float(min(1.0, high / scale)))


def paper_auc(auc: float, n: int) -> Estimate:
    """An AUC with the interval that the paper seems to print: Wilson with continuity correction on AUC times n."""
    return proportion(auc * n, n)
