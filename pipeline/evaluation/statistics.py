"""Statistics of diagnostic studies: intervals, DeLong, agreement, calibration, decision curves, bootstrap."""

from __future__ import annotations

from collections.abc import Callable
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


def delong(positive: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """AUCs (k,) of k scores (k, n) on the same n cases, and their covariance (k, k).

    The covariance is NaN where a class has a single case.

    Raises:
        ValueError: a class is absent.

    Source: DeLong 1988; by midranks after Sun and Xu 2014.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        raise ValueError(f"{m} positive and {n} negative cases; an area needs both")
    events, others = scores[:, positive], scores[:, ~positive]
    ranks = stats.rankdata(np.concatenate((events, others), 1), axis=1)
    within_events, within_others = stats.rankdata(events, axis=1), stats.rankdata(others, axis=1)
    aucs = (ranks[:, :m].sum(1) - m * (m + 1) / 2) / (m * n)
    v10 = (ranks[:, :m] - within_events) / n
    v01 = 1 - (ranks[:, m:] - within_others) / m
    return aucs, _covariance(v10) / m + _covariance(v01) / n


def auc_value(positive: Flags, scores: Floats) -> float:
    """AUC of scores (n,) by ranks, without its variance, for a bootstrap; NaN where a class is absent."""
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        return float("nan")
    return float((stats.rankdata(scores)[positive].sum() - m * (m + 1) / 2) / (m * n))


def _covariance(components: Floats) -> Floats:
    """Sample covariance (k, k) of components (k, cases); NaN with a single case."""
    if components.shape[1] < 2:
        return np.full((len(components), len(components)), np.nan)
    return np.atleast_2d(np.cov(components))


def auc(positive: Flags, scores: Floats, confidence: float = 0.95) -> Estimate:
    """AUC of scores (n,) with DeLong's interval, cut at 0 and 1."""
    aucs, covariance = delong(positive, scores[None])
    half = float(stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(np.maximum(covariance[0, 0], 0.0)))
    value = float(aucs[0])
    return Estimate(value, float(np.clip(value - half, 0, 1)), float(np.clip(value + half, 0, 1)))


@dataclass(frozen=True, slots=True)
class PairedAuc:
    """Two scores on the same cases.

    Attributes:
        difference: AUC of the second minus that of the first, with its interval.
        p: two-sided, that both AUCs are equal.
        p_noninferior: one-sided, that the second is worse than the first by the margin or more.
    """

    difference: Estimate
    p: float
    p_noninferior: float


def delong_test(
    positive: Flags, first: Floats, second: Floats, margin: float = 0.02, confidence: float = 0.95
) -> PairedAuc:
    """Paired DeLong test, and non-inferiority of the second score at a margin.

    Args:
        positive: (n,) truth.
        first: (n,) scores of the first method.
        second: (n,) scores of the second method on the same cases.
        margin: AUC by which the second may be worse.
        confidence: of the interval.
    """
    aucs, covariance = delong(positive, np.stack((first, second)))
    gap = float(aucs[1] - aucs[0])
    spread = float(np.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0)))
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * spread
    if spread == 0:
        return PairedAuc(Estimate(gap, gap, gap), 1.0 if gap == 0 else 0.0, 0.0 if gap > -margin else 1.0)
    return PairedAuc(
        Estimate(gap, gap - half, gap + half),
        float(2 * stats.norm.sf(abs(gap) / spread)),
        float(stats.norm.sf((gap + margin) / spread)),
    )


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


def net_benefit(positive: Flags, probabilities: Floats, thresholds: Floats) -> Floats:
    """Net benefit (t,) of acting above each threshold (Vickers and Elkin 2006)."""
    predicted = probabilities[None] >= thresholds[:, None]
    tp, fp = (predicted & positive).mean(1), (predicted & ~positive).mean(1)
    return np.asarray(tp - fp * thresholds / (1 - thresholds))


def threshold_for_sensitivity(positive: Flags, scores: Floats, sensitivity: float) -> float:
    """Highest threshold at which at least this fraction of the positives is predicted positive.

    Raises:
        ValueError: no positive case.
    """
    events = np.sort(scores[positive])
    if not len(events):
        raise ValueError("no positive case; a sensitivity needs one")
    return float(events[int(np.floor((1 - sensitivity) * len(events) + 1e-9))])


def bootstrap(
    measure: Callable[[npt.NDArray[np.int64]], float], cases: int, draws: int, seed: int, confidence: float = 0.95
) -> Estimate:
    """A measure with its percentile interval over resampled cases; resamples that give NaN are left out.

    Args:
        measure: value of the cases with some indices.
        cases: how many there are.
        draws: resamples.
        seed: of the resampling.
        confidence: of the interval.
    """
    rng = np.random.default_rng(seed)
    values = np.array([measure(rng.integers(cases, size=cases)) for _ in range(draws)])
    values = values[np.isfinite(values)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail)) if len(values) else (float("nan"), float("nan"))
    return Estimate(measure(np.arange(cases)), float(low), float(high))
