"""Agreement of two measurements or two methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.evaluation.statistics.intervals import UNKNOWN, Clusters, Estimate, Flags, Floats, cluster_index


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


def bland_altman(reference: Floats, measured: Floats, clusters: Clusters | None = None) -> BlandAltman:
    """Bias and 95 % limits of agreement of measured minus reference (Bland and Altman 1986).

    What so few values cannot give is NaN: all without a value, limits with one or of one patient, r where one side
    never varies.

    Args:
        reference: (n,) values.
        measured: (n,) values of the same cases.
        clusters: (n,) patient of each case: the variance is then the sum of that between patients and that within them;
            None where every case is a patient of its own.

    Source: Bland and Altman 2007, J Biopharm Stat 17:571, section 3 (several measurements of a changing value).
    """
    gap = measured - reference
    bias = float(gap.mean()) if len(gap) else float("nan")
    spread = float(np.sqrt(_variance(gap, clusters)))
    return BlandAltman(bias, bias - 1.96 * spread, bias + 1.96 * spread, _correlation(reference, measured))


def _variance(gaps: Floats, clusters: Clusters | None) -> float:
    """Variance of one gap of one patient, by one-way analysis of variance; NaN with a single patient."""
    n = len(gaps)
    place, patients = cluster_index(clusters, n)
    if patients < 2:
        return float("nan")
    if patients == n:
        return float(gaps.var(ddof=1))
    sizes = np.bincount(place)
    means = np.bincount(place, gaps) / sizes
    within = ((gaps - means[place]) ** 2).sum() / (n - patients)
    between = (sizes * (means - gaps.mean()) ** 2).sum() / (patients - 1)
    size = (n - (sizes**2).sum() / n) / (patients - 1)
    return float(within + max(0.0, (between - within) / size))


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's r; NaN where one side never varies."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def icc(ratings: Floats, confidence: float = 0.95) -> Estimate:
    """ICC(2,1): agreement of single ratings (n, k) of n cases by k raters, both taken at random, with its interval.

    Ratings that agree in full give 1 without an interval's width; NaN below two cases or raters, where a rating is NaN,
    or where nothing varies.

    Source: Shrout and Fleiss 1979, Psychol Bull 86:420; interval of McGraw and Wong 1996, Psychol Methods 1:30
        (there ICC(A,1)).
    """
    n, k = ratings.shape
    if n < 2 or k < 2 or not np.isfinite(ratings).all() or np.ptp(ratings) == 0:
        return UNKNOWN
    cases, raters = ratings.mean(1) - ratings.mean(), ratings.mean(0) - ratings.mean()
    between = k * (cases**2).sum() / (n - 1)
    of_raters = n * (raters**2).sum() / (k - 1)
    error = ((ratings - ratings.mean() - cases[:, None] - raters) ** 2).sum() / ((n - 1) * (k - 1))
    value = float((between - error) / (between + (k - 1) * error + k * (of_raters - error) / n))
    if value > 1 - 1e-12:
        return Estimate(1.0, 1.0, 1.0)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    noise = (a * of_raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * of_raters + b * error) ** 2 / noise
    rest = k * of_raters + (k * n - k - n) * error
    upper_tail = 0.5 + confidence / 2
    below, above = stats.f.ppf(upper_tail, n - 1, freedom), stats.f.ppf(upper_tail, freedom, n - 1)
    low = n * (between - below * error) / (below * rest + n * between)
    high = n * (above * between - error) / (rest + n * above * between)
    return Estimate(value, float(low), float(high))
