"""Thresholds of a score whose promise holds on new studies, predictive values at a prevalence, and net benefit."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit

from pipeline.evaluation.statistics.intervals import UNKNOWN, Clusters, Estimate, Flags, Floats
from pipeline.evaluation.statistics.resampling import percentile_interval, resampled_weights

Counts = npt.NDArray[np.int64]

LOOK_RATIO = 1.25
"""Each candidate threshold of `threshold_for_predictive_value` takes in a quarter more cases than the one before."""


def net_benefit(positive: Flags, probabilities: Floats, thresholds: Floats) -> Floats:
    """Net benefit (t,) of acting above each threshold (Vickers and Elkin 2006)."""
    predicted = probabilities[None] >= thresholds[:, None]
    tp, fp = (predicted & positive).mean(1), (predicted & ~positive).mean(1)
    return np.asarray(tp - fp * thresholds / (1 - thresholds))


def net_benefit_difference(
    positive: Flags,
    probabilities: Floats,
    thresholds: Floats,
    draws: int,
    seed: int,
    clusters: Clusters | None = None,
    against: Literal["all", "none"] = "all",
    confidence: float = 0.95,
) -> tuple[Estimate, ...]:
    """Net benefit of acting above each threshold minus that of acting in all or in none, with bootstrap intervals.

    Args:
        positive: (n,) truth.
        probabilities: (n,) predicted.
        thresholds: (t,) above 0 and below 1.
        draws: resamples.
        seed: of the resampling.
        clusters: (n,) patient of each case: whole patients are drawn; None where every case is a patient.
        against: acting in all, or in none, which has no net benefit, so that the difference is the net benefit itself.
        confidence: of the intervals.

    Source: Vickers et al. 2008, BMC Med Inform Decis Mak 8:53.
    """
    odds = thresholds / (1 - thresholds)
    worth = np.where(positive, 1.0, -odds[:, None])
    acted = probabilities[None] >= thresholds[:, None]
    gains = (worth * acted if against == "none" else -worth * ~acted).T
    drawn = np.array(
        [weights @ gains / weights.sum() for weights in resampled_weights(len(positive), draws, seed, clusters)]
    )
    return tuple(
        percentile_interval(float(value), column, confidence)
        for value, column in zip(gains.mean(0), drawn.T, strict=True)
    )


@overload
def threshold_for_sensitivity(
    positive: Flags, scores: Floats, sensitivity: float, confidence: None = None
) -> float: ...


@overload
def threshold_for_sensitivity(
    positive: Flags, scores: Floats, sensitivity: float, confidence: float
) -> float | None: ...


def threshold_for_sensitivity(
    positive: Flags, scores: Floats, sensitivity: float, confidence: float | None = None
) -> float | None:
    """Highest threshold at which at least this fraction of the positives is predicted positive.

    Args:
        positive: (n,) truth, one case a patient.
        scores: (n,); a case is predicted positive from the threshold on.
        sensitivity: to be reached on these cases.
        confidence: with it, the sensitivity is that of new cases and reached with this confidence, exactly and for any
            distribution of the scores; None is returned where so few positives cannot promise it.

    Raises:
        ValueError: no positive case.

    Source: Wilks 1941, Ann Math Stat 12:91 (one-sided tolerance limit).
    """
    events = np.sort(scores[positive])
    m = len(events)
    if not m:
        raise ValueError("no positive case; a sensitivity needs one")
    if confidence is None:
        return float(events[int(np.floor((1 - sensitivity) * m + 1e-9))])
    places = np.arange(1, m + 1)
    safe = places[stats.beta.sf(sensitivity, m - places + 1, places) >= confidence]
    return float(events[safe[-1] - 1]) if len(safe) else None


def threshold_for_predictive_value(
    positive: Flags, scores: Floats, value: float, confidence: float = 0.95, above: bool = True
) -> float | None:
    """Lowest threshold from which the PPV, or highest below which the NPV, reaches a value on new cases.

    The promise is about new cases: with this confidence, whatever the search among thresholds, the true predictive
    value is the asked one or more. Candidates take in the k cases of the highest (lowest) scores, k growing by a
    quarter; each is held against an exact binomial bound at one local level, chosen so that all candidates together
    err with probability 1 - confidence at most, where each case is right with exactly the asked value (Pocock's
    boundary, calculated exactly). It is assumed that the predictive value, once below the asked one, stays below it as
    the threshold moves on. Where the cases cannot promise the value, None is returned: 95 % with 95 % confidence takes
    about 70 cases beyond the threshold without an error among 200, about 100 among 10,000.

    Args:
        positive: (n,) truth, one case a patient.
        scores: (n,); positive is predicted from the threshold on, negative below it.
        value: PPV or NPV to be reached.
        confidence: with which it is reached.
        above: PPV from the threshold on; else NPV below it.

    Raises:
        ValueError: a value or a confidence that does not lie above 0 and below 1.

    Source: Clopper and Pearson 1934, Biometrika 26:404; Pocock 1977, Biometrika 64:191; thresholds with a bounded risk
        after Angelopoulos et al. 2021, arXiv 2110.01052.
    """
    if not (0 < value < 1 and 0 < confidence < 1):
        raise ValueError(f"predictive value {value}, confidence {confidence}; both lie above 0 and below 1")
    toward = -scores if above else scores
    order = np.argsort(toward, kind="stable")
    ordered, wrong = toward[order], np.cumsum((positive != above)[order])
    looks, level = _looks(len(scores), value, 1 - confidence)
    taken = np.searchsorted(ordered, ordered[looks - 1], side="right")
    passing = taken[wrong[taken - 1] <= _most_errors(taken, value, level)]
    if not len(passing):
        return None
    last = int(passing[-1])
    if above:
        return float(-ordered[last - 1])
    return float(ordered[last]) if last < len(ordered) else float(np.nextafter(ordered[-1], np.inf))


@lru_cache(maxsize=64)
def _looks(n: int, value: float, alpha: float) -> tuple[Counts, float]:
    """Numbers of cases of the candidates, and the level at which each is held so that all err with alpha at most."""
    low, high = alpha / 1000, alpha
    for _ in range(20):
        level = float(np.sqrt(low * high))
        looks = _candidates(n, value, level)
        low, high = (level, high) if _crossing(looks, value, level) <= alpha else (low, level)
    return _candidates(n, value, low), low


def _candidates(n: int, value: float, level: float) -> Counts:
    """Numbers of cases from the fewest that can pass at all, each a quarter more, up to n."""
    taken = [int(np.ceil(np.log(level) / np.log(value)))]
    while taken[-1] <= n:
        taken.append(int(np.ceil(taken[-1] * LOOK_RATIO)))
    return np.array(taken[:-1], dtype=np.int64)


def _most_errors(taken: Counts, value: float, level: float) -> Counts:
    """Most wrong cases at which the lower bound of the predictive value still reaches the value; -1 where none is."""
    guess = stats.binom.ppf(level, taken, 1 - value)
    return np.asarray(guess - (stats.binom.cdf(guess, taken, 1 - value) > level), dtype=np.int64)


def _crossing(looks: Counts, value: float, level: float) -> float:
    """Probability that some candidate passes where each case is right with probability `value`."""
    if not len(looks):
        return 0.0
    limits = _most_errors(looks, value, level)
    kept = max(int(limits[-1]), 0) + 1
    states, passed, before = np.ones(1), 0.0, 0
    for taken, limit in zip(looks, limits, strict=True):
        step = stats.binom.pmf(np.arange(kept), taken - before, 1 - value)
        states, before = np.convolve(states, step)[:kept], int(taken)
        passed += states[: limit + 1].sum()
        states[: limit + 1] = 0
    return float(passed)


def predictive_values(
    tp: float, fn: float, fp: float, tn: float, prevalence: float, confidence: float = 0.95
) -> tuple[Estimate, Estimate]:
    """PPV and NPV at a prevalence, from sensitivity and specificity, with intervals on the logit scale.

    Where a cell is zero, the interval adds z^2 / 2 to both cells of its row, and its end at 0 or 1 is that bound; the
    value stays as counted. NaN without cases of a class, or where nothing was predicted so.

    Args:
        tp: true positives; effective numbers of studies, which need not be whole, where patients have several.
        fn: false negatives.
        fp: false positives.
        tn: true negatives.
        prevalence: of the setting of use, above 0 and below 1.
        confidence: of the intervals.

    Raises:
        ValueError: a prevalence outside.

    Source: Mercaldo, Lau and Zhou 2007, Stat Med 26:2170.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence {prevalence}; it lies above 0 and below 1")
    if tp + fn == 0 or fp + tn == 0:
        return UNKNOWN, UNKNOWN
    odds = prevalence / (1 - prevalence)
    ppv = _predictive_value((tp, fn), (fp, tn), odds, confidence)
    npv = _predictive_value((tn, fp), (fn, tp), 1 / odds, confidence)
    return ppv, npv


def _predictive_value(own: tuple[float, float], other: tuple[float, float], odds: float, confidence: float) -> Estimate:
    """Predictive value of a prediction that (right, missed) cases and (wrong, rightly spared) others get."""
    (right, missed), (wrong, spared) = own, other
    if right == wrong == 0:
        return UNKNOWN
    hit, false = right / (right + missed), wrong / (wrong + spared)
    value = hit * odds / (hit * odds + false)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    cells = [np.array(row) + (z**2 / 2 if 0 in row else 0) for row in (own, other)]
    fractions = [row[0] / row.sum() for row in cells]
    variance = sum((1 - f) / f / row.sum() for f, row in zip(fractions, cells, strict=True))
    middle, half = np.log(fractions[0] * odds / fractions[1]), z * np.sqrt(variance)
    low, high = float(expit(middle - half)), float(expit(middle + half))
    return Estimate(value, 0.0 if right == 0 else min(low, value), 1.0 if wrong == 0 else max(high, value))
