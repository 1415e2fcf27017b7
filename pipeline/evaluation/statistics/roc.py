"""Areas under the ROC curve: DeLong, ranks, and paired tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.evaluation.statistics.intervals import Estimate, Flags, Floats


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
