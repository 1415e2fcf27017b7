"""Areas under the ROC curve: DeLong, ranks, and paired tests; several studies of a patient after Obuchowski."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from pipeline.evaluation.statistics.intervals import Clusters, Estimate, Flags, Floats, cluster_index


def delong(positive: Flags, scores: Floats, clusters: Clusters | None = None) -> tuple[Floats, Floats]:
    """AUCs (k,) of k scores (k, n) on the same n cases, and their covariance (k, k).

    The covariance is NaN where the cases of a class are those of a single patient.

    Args:
        positive: (n,) truth.
        scores: (k, n), the higher the more likely positive.
        clusters: (n,) patient of each case; None where every case is a patient of its own.

    Raises:
        ValueError: a class is absent.

    Source: DeLong 1988, by midranks after Sun and Xu 2014; several cases of a patient after Obuchowski 1997,
        Biometrics 53:567.
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
    place, patients = cluster_index(clusters, m + n)
    if patients == m + n:
        return aucs, _covariance(v10) / m + _covariance(v01) / n
    return aucs, _clustered_covariance(aucs, (v10, v01), (place[positive], place[~positive]), patients)


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


def _clustered_covariance(
    aucs: Floats, components: tuple[Floats, Floats], places: tuple[Clusters, Clusters], patients: int
) -> Floats:
    """Covariance (k, k) of AUCs by the sums of their components over each patient (Obuchowski 1997)."""
    total, sums = np.zeros((len(aucs), len(aucs))), []
    for component, place in zip(components, places, strict=True):
        size, present = component.shape[1], len(np.unique(place))
        if present < 2:
            return np.full_like(total, np.nan)
        gaps = np.array([np.bincount(place, row, patients) for row in component - aucs[:, None]]) / size
        total += gaps @ gaps.T * present / (present - 1)
        sums.append(gaps)
    cross = sums[0] @ sums[1].T * patients / (patients - 1)
    return np.asarray(total + cross + cross.T)


def auc(positive: Flags, scores: Floats, confidence: float = 0.95, clusters: Clusters | None = None) -> Estimate:
    """AUC of scores (n,) with DeLong's variance and an interval on the logit scale.

    An AUC of 1 (or 0) has no variance; its lower (upper) bound is then the exact one that holds for any distribution of
    the scores: of the largest number k of pairs, each of one positive and one negative case and all of different
    patients, every one is rightly ordered with probability AUC^k, so the bound is (alpha/2)^(1/k), as Clopper's and
    Pearson's for k of k. Where all scores are equal, the AUC is 0.5 without any spread. The interval is NaN where the
    cases of a class are those of a single patient.

    Args:
        positive: (n,) truth.
        scores: (n,), the higher the more likely positive.
        confidence: of the interval.
        clusters: (n,) patient of each case; None where every case is a patient of its own.

    Raises:
        ValueError: a class is absent.

    Source: Pepe 2003, The Statistical Evaluation of Medical Tests (logit scale); Obuchowski 1997
        (several cases of a patient); Clopper and Pearson 1934.
    """
    aucs, covariance = delong(positive, scores[None], clusters)
    return auc_interval(
        float(aucs[0]), float(covariance[0, 0]), _separate_pairs(positive, clusters), confidence=confidence
    )


def auc_interval(value: float, variance: float, pairs: int, confidence: float = 0.95) -> Estimate:
    """An AUC with its interval on the logit scale.

    Args:
        value: AUC.
        variance: of the AUC; NaN gives an interval of NaN.
        pairs: of one positive and one negative case of different patients, which bound an AUC of 0 or 1.
        confidence: of the interval.
    """
    if np.isnan(variance):
        return Estimate(value, float("nan"), float("nan"))
    if value in (0, 1):
        bound = ((1 - confidence) / 2) ** (1 / pairs)
        return Estimate(value, bound, 1.0) if value else Estimate(value, 0.0, 1 - bound)
    half = float(stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(max(variance, 0.0)) / (value * (1 - value)))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def _separate_pairs(positive: Flags, clusters: Clusters | None) -> int:
    """Most pairs of a positive and a negative case in which every case is of another patient."""
    place, patients = cluster_index(clusters, len(positive))
    return max(1, min(len(np.unique(place[positive])), len(np.unique(place[~positive])), patients // 2))


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
    positive: Flags,
    first: Floats,
    second: Floats,
    margin: float = 0.02,
    confidence: float = 0.95,
    clusters: Clusters | None = None,
) -> PairedAuc:
    """Paired DeLong test, and non-inferiority of the second score at a margin.

    Args:
        positive: (n,) truth.
        first: (n,) scores of the first method.
        second: (n,) scores of the second method on the same cases.
        margin: AUC by which the second may be worse.
        confidence: of the interval.
        clusters: (n,) patient of each case; None where every case is a patient of its own.
    """
    aucs, covariance = delong(positive, np.stack((first, second)), clusters)
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
