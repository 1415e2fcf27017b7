"""Estimates with intervals, proportions, and counts of predictions against truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


Flags = npt.NDArray[np.bool_]


Clusters = npt.NDArray[np.int64]
"""(n,) the patient of each study, as any number; equal for studies of one patient."""


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


def binary_metrics(
    positive: Flags, predicted: Flags, clusters: Clusters | None = None, confidence: float = 0.95
) -> dict[str, Estimate]:
    """Sensitivity, specificity, PPV, NPV and accuracy of predictions (n,) against truth (n,).

    Args:
        positive: (n,) truth.
        predicted: (n,) predictions.
        clusters: (n,) patient of each study; None where every study is a patient of its own.
        confidence: of the intervals, which are those of `clustered_proportion`.
    """
    right = positive == predicted
    parts = {"sensitivity": positive, "specificity": ~positive, "ppv": predicted, "npv": ~predicted}
    found = {
        name: clustered_proportion(right[part], None if clusters is None else clusters[part], confidence)
        for name, part in parts.items()
    }
    return {**found, "accuracy": clustered_proportion(right, clusters, confidence)}


def proportion(k: float, n: float, confidence: float = 0.95) -> Estimate:
    """k of n with the Wilson interval with continuity correction; all NaN for an empty group.

    Source: Newcombe 1998, method 4; 95 of 96 printed intervals of Mao et al. 2022, Tables 2 and 4, are of this kind.
    """
    if n == 0:
        return UNKNOWN
    if float(k).is_integer() and float(n).is_integer():
        interval = stats.binomtest(int(k), int(n)).proportion_ci(confidence, "wilsoncc")
        return Estimate(k / n, float(interval.low), float(interval.high))
    p, z = k / n, float(stats.norm.ppf(0.5 + confidence / 2))
    middle, scale = 2 * k + z**2, 2 * (n + z**2)
    low = middle - 1 - z * np.sqrt(max(z**2 - 2 - 1 / n + 4 * p * (n * (1 - p) + 1), 0))
    high = middle + 1 + z * np.sqrt(max(z**2 + 2 - 1 / n + 4 * p * (n * (1 - p) - 1), 0))
    return Estimate(
        p, 0.0 if p <= 0 else float(np.clip(low / scale, 0, p)), 1.0 if p >= 1 else float(np.clip(high / scale, p, 1))
    )


def clustered_proportion(right: Flags, clusters: Clusters | None = None, confidence: float = 0.95) -> Estimate:
    """Fraction of true flags (n,), with an interval that allows for several studies of a patient.

    The interval is Wilson's with continuity correction for n divided by the design effect (see `design_effect`). With
    one study a patient it is that of `proportion`. With a single patient there is none.

    Args:
        right: (n,) flags.
        clusters: (n,) patient of each study; None where every study is a patient of its own.
        confidence: of the interval.

    Source: Rao and Scott 1992, Biometrics 48:577.
    """
    n = len(right)
    if n == 0:
        return UNKNOWN
    effect = design_effect(right, clusters)
    if np.isnan(effect):
        return Estimate(float(right.mean()), float("nan"), float("nan"))
    if effect == 1:
        return proportion(int(right.sum()), n, confidence)
    found = proportion(float(right.sum() / effect), n / effect, confidence)
    return Estimate(float(right.mean()), found.low, found.high)


def design_effect(right: Flags, clusters: Clusters | None) -> float:
    """By how much several studies of a patient widen the variance of a fraction of flags (n,); 1 at least.

    It is the ratio of the variance between patients (with C/(C-1) for C patients) to that of independent studies. Where
    all flags agree the data cannot tell, and the largest is taken: the mean number of studies of a patient, so that n
    divided by it is the number of patients. NaN with several studies of a single patient.

    Source: Rao and Scott 1992; no less than 1 after Korn and Graubard 1998, Survey Methodology 24:193.
    """
    n = len(right)
    place, patients = cluster_index(clusters, n)
    if patients == n:
        return 1.0
    if patients < 2:
        return float("nan")
    p = right.mean()
    if p in (0, 1):
        return n / patients
    between = (np.bincount(place, right - p) ** 2).sum() * patients / (patients - 1) / n**2
    return float(max(1.0, between * (n - 1) / (p * (1 - p))))


def cluster_index(clusters: Clusters | None, n: int) -> tuple[Clusters, int]:
    """Number (n,) of the patient of each study, from 0 on, and how many patients there are.

    Raises:
        ValueError: not as many patients' numbers as studies.
    """
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise ValueError(f"{len(clusters)} patients' numbers for {n} studies; each study needs one")
    found, place = np.unique(clusters, return_inverse=True)
    return place.astype(np.int64), len(found)


def paper_auc(auc: float, n: int) -> Estimate:
    """An AUC with the interval that the paper seems to print: Wilson with continuity correction on AUC times n."""
    return proportion(auc * n, n)
