"""Bootstrap intervals over studies, or over patients where some have several studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.statistics.intervals import Clusters, Estimate, Flags, Floats, cluster_index

Indices = npt.NDArray[np.int64]


def bootstrap(
    measure: Callable[[Indices], float],
    cases: int,
    draws: int,
    seed: int,
    confidence: float = 0.95,
    clusters: Clusters | None = None,
) -> Estimate:
    """A measure with its percentile interval over resampled cases; resamples that give NaN are left out.

    Args:
        measure: value of the cases with some indices.
        cases: how many there are.
        draws: resamples.
        seed: of the resampling.
        confidence: of the interval.
        clusters: (cases,) patient of each case: whole patients are drawn; None where every case is a patient.

    Source: Efron and Tibshirani 1993; whole patients after Field and Welsh 2007, JRSS B 69:369.
    """
    values = [measure(index) for index in _resamples(cases, draws, seed, clusters)]
    return percentile_interval(measure(np.arange(cases)), np.array(values), confidence)


def percentile_interval(value: float, drawn: Floats, confidence: float = 0.95) -> Estimate:
    """A value with the percentile interval of its resamples (draws,); those that are NaN are left out."""
    drawn, tail = drawn[np.isfinite(drawn)], (1 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail)) if len(drawn) else (float("nan"), float("nan"))
    return Estimate(value, float(low), float(high))


def _drawn(patients: int, draws: int, seed: int) -> Iterator[Indices]:
    """As many patients as there are, drawn with replacement, for each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.integers(patients, size=patients)


def _resamples(cases: int, draws: int, seed: int, clusters: Clusters | None) -> Iterator[Indices]:
    """Indices of the cases of each resample."""
    place, patients = cluster_index(clusters, cases)
    if patients == cases:
        yield from _drawn(patients, draws, seed)
        return
    order, sizes = np.argsort(place, kind="stable"), np.bincount(place)
    starts = np.cumsum(sizes) - sizes
    for drawn in _drawn(patients, draws, seed):
        lengths = sizes[drawn]
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(starts[drawn], lengths) + steps]


def resampled_weights(cases: int, draws: int, seed: int, clusters: Clusters | None = None) -> Iterator[Floats]:
    """How often each case (cases,) is drawn, for each resample; the resamples are those of `bootstrap`."""
    place, patients = cluster_index(clusters, cases)
    if patients == cases:
        place = np.arange(cases)
    for drawn in _drawn(patients, draws, seed):
        yield np.bincount(drawn, minlength=patients).astype(np.float64)[place]


@dataclass(frozen=True, slots=True)
class SortedScores:
    """Scores sorted once, whose AUC for any weights of the cases takes cumulative sums alone.

    Attributes:
        order: cases by score.
        positive: truth in that order.
        starts: first place of each distinct score.
    """

    order: Indices
    positive: Floats
    starts: Indices

    @classmethod
    def of(cls, positive: Flags, scores: Floats) -> SortedScores:
        """Of truth (n,) and scores (n,)."""
        order = np.argsort(scores, kind="stable")
        ordered = scores[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        return cls(order, positive[order].astype(np.float64), starts)

    def auc(self, weights: Floats) -> float:
        """AUC where each case counts with a weight (n,); ties count half; NaN where a class has no weight."""
        ordered = weights[self.order]
        events = ordered * self.positive
        others = ordered - events
        if len(self.starts) < len(ordered):
            events, others = np.add.reduceat(events, self.starts), np.add.reduceat(others, self.starts)
        pairs = events.sum() * others.sum()
        return float(events @ (np.cumsum(others) - others / 2) / pairs) if pairs else float("nan")


def macro_auc(
    labels: Indices, probabilities: Floats, draws: int, seed: int, clusters: Clusters | None = None
) -> Estimate:
    """Mean over classes of the AUC of each class against the rest, with its percentile bootstrap interval.

    A resample that lacks a class is left out; the value is NaN where the cases lack one. Scores are sorted once, and a
    resample is how often it holds each case; the figures are those of sorting every resample.

    Args:
        labels: (n,) number of the true class.
        probabilities: (n, classes).
        draws: resamples.
        seed: of the resampling.
        clusters: (n,) patient of each case: whole patients are drawn; None where every case is a patient.

    Source: Hand and Till 2001 discuss multi-class areas; this one is the mean of each class against the rest.
    """
    sorted_scores = [SortedScores.of(labels == k, probabilities[:, k]) for k in range(probabilities.shape[1])]

    def mean(weights: Floats) -> float:
        return float(np.mean([scores.auc(weights) for scores in sorted_scores]))

    cases = len(labels)
    drawn = np.array([mean(weights) for weights in resampled_weights(cases, draws, seed, clusters)])
    return percentile_interval(mean(np.ones(cases)), drawn)
