"""Several readers and one algorithm on the same cases, after Obuchowski and Rockette with Hillis' degrees of freedom.

The figure of merit of each reader, and of the algorithm, is estimated on the same cases; `covariance` is that of these
estimates over cases (DeLong's for AUCs, `proportions` for sensitivity and specificity).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

from pipeline.evaluation.statistics.intervals import Clusters, Estimate, Floats, cluster_index

FEWEST_RANDOM_READERS = 3
"""Readers from which they may stand for a population of readers; a variance between two has one degree of freedom."""


NO_SPREAD = 1e-18
"""Variance between readers below which they agree but for rounding."""


@dataclass(frozen=True, slots=True)
class ReaderMean:
    """Mean of a figure of merit over readers.

    Attributes:
        value: the mean.
        standard_error: over cases, and over readers where they are random.
        degrees_of_freedom: of the standard error; infinite where it is normal.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float

    def interval(self, confidence: float = 0.95) -> Estimate:
        """The mean with its interval, as differences have it."""
        half = self._quantile(confidence) * self.standard_error
        return Estimate(self.value, self.value - half, self.value + half)

    def logit_interval(self, confidence: float = 0.95) -> Estimate:
        """The mean of an area or a proportion with its interval on the logit scale; NaN limits at 0 and 1."""
        if not 0 < self.value < 1:
            return Estimate(self.value, float("nan"), float("nan"))
        half = self._quantile(confidence) * self.standard_error / (self.value * (1 - self.value))
        return Estimate(self.value, float(expit(logit(self.value) - half)), float(expit(logit(self.value) + half)))

    def above(self, bound: float) -> float:
        """One-sided p that the true mean is at most some bound."""
        if self.standard_error == 0:
            return 0.0 if self.value > bound else 1.0
        return float(stats.t.sf((self.value - bound) / self.standard_error, self.degrees_of_freedom))

    def unequal(self, value: float = 0.0) -> float:
        """Two-sided p that the true mean is some value."""
        if self.standard_error == 0:
            return 1.0 if self.value == value else 0.0
        return float(2 * stats.t.sf(abs(self.value - value) / self.standard_error, self.degrees_of_freedom))

    def _quantile(self, confidence: float) -> float:
        return float(stats.t.ppf(0.5 + confidence / 2, self.degrees_of_freedom))


def mean_of_readers(values: Floats, covariance: Floats, random_readers: bool) -> ReaderMean:
    """Mean over readers with the standard error that allows for the same cases read by all.

    With random readers and cases the squared standard error is MS(R)/r + max(Cov2, 0), and the degrees of freedom are
    (MS(R) + r max(Cov2, 0))^2 / (MS(R)^2 / (r - 1)); MS(R) is the variance between the r readers and Cov2 the mean
    covariance of two. With fixed readers it is the variance of the mean over cases, and the distribution is normal.

    Args:
        values: (r,) figure of merit of each reader.
        covariance: (r, r) over cases.
        random_readers: whether the readers stand for a population of readers, which takes two at least.

    Source: Hillis 2007, Statistics in Medicine 26:596, section 5.3 (ddf_H_single); Obuchowski and Rockette 1995,
        Communications in Statistics 24:285.
    """
    readers, value = len(values), float(values.mean())
    if not random_readers:
        return ReaderMean(value, float(np.sqrt(max(covariance.mean(), 0.0))), float("inf"))
    between = float(values.var(ddof=1))
    shared = max(float(covariance[~np.eye(readers, dtype=bool)].mean()), 0.0)
    freedom = (between + readers * shared) ** 2 / (between**2 / (readers - 1)) if between > NO_SPREAD else float("inf")
    return ReaderMean(value, float(np.sqrt(between / readers + shared)), freedom)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstReaders:
    """One algorithm against the mean of readers of the same cases.

    Attributes:
        readers: mean of the readers.
        difference: algorithm minus that mean.
        random_readers: whether the readers stand for a population; else the results are of these readers alone.
    """

    readers: ReaderMean
    difference: ReaderMean
    random_readers: bool


def against_readers(values: Floats, covariance: Floats) -> AgainstReaders:
    """Compare an algorithm that has no readers with readers of the same cases.

    The difference of the algorithm from each reader is analysed as a figure of merit of a single modality. With
    several readers they are random; below three they are fixed, and with one the test is the paired one.

    Args:
        values: (r + 1,) figure of merit of each reader, the algorithm's last.
        covariance: (r + 1, r + 1) over cases.

    Source: Hillis 2007, section 5.3, applied to differences from a standalone algorithm as in Chakraborty 2017,
        Observer Performance Methods for Diagnostic Imaging, chapter 22, and Hupse 2013, European Radiology 23:93.
    """
    readers = len(values) - 1
    random = readers >= FEWEST_RANDOM_READERS
    contrast = np.concatenate((-np.eye(readers), np.ones((readers, 1))), 1)
    return AgainstReaders(
        readers=mean_of_readers(values[:-1], covariance[:-1, :-1], random),
        difference=mean_of_readers(contrast @ values, contrast @ covariance @ contrast.T, random),
        random_readers=random,
    )


def proportions(right: npt.NDArray[np.bool_], clusters: Clusters | None = None) -> tuple[Floats, Floats]:
    """Fractions (k,) of true flags of k readers of the same cases, and their covariance (k, k) over cases.

    The covariance is NaN with a single case, or the cases of a single patient.

    Args:
        right: (k, n) flags; n is one at least.
        clusters: (n,) patient of each case; None where every case is a patient of its own.

    Source: sums over patients as in Obuchowski 1998, Statistics in Medicine 17:1495.
    """
    place, patients = cluster_index(clusters, right.shape[1])
    values = right.mean(1)
    if patients < 2:
        return values, np.full((len(right), len(right)), np.nan)
    gaps = np.array([np.bincount(place, row, patients) for row in right - values[:, None]]) / right.shape[1]
    return values, gaps @ gaps.T * patients / (patients - 1)
