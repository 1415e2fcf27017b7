"""Calibration: temperature, prediction sets with a stated coverage, and thresholds that rule osteoporosis in or out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from cohort.spine import View
from osteolens.config import StrictConfig

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class Calibration(StrictConfig):
    """Values fitted on validation studies; stored beside the weights."""

    temperature: float = Field(1.0, gt=0, le=20, description="logits are divided by it")
    coverage: float = Field(0.9, gt=0, lt=1, description="fraction of true classes that prediction sets hold")
    set_score: float = Field(
        1.0, ge=0, le=1, description="a class joins the set when one minus its probability is at most this"
    )
    rule_in: float = Field(
        1.01,
        ge=0,
        le=1.01,
        description="probability of osteoporosis from which it is ruled in: the PPV is reached there",
    )
    rule_out: float = Field(
        -0.01,
        ge=-0.01,
        le=1,
        description="probability of osteoporosis below which it is ruled out: the NPV is reached there",
    )
    predictive_value: float = Field(0.95, gt=0.5, lt=1, description="PPV and NPV of the two thresholds")
    confidence: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="of the lower bounds of PPV and NPV that the two thresholds reach; null: only the PPV and NPV of "
        "the validation studies themselves reach the value",
    )
    t_score_slope: float = Field(1.0, gt=0, le=5, description="the network's T-score estimate is multiplied by it")
    t_score_offset: float = Field(0.0, ge=-10, le=10, description="then added to the T-score estimate")
    distance_limits: dict[View, Annotated[float, Field(gt=0)]] = Field(
        {},
        description="distance of the features from those of the training that 97.5 % of validation patients keep, by "
        "view; empty: not known",
    )
    patients: int | None = Field(
        None, ge=0, description="validation patients behind these numbers; null: not counted by patient"
    )
    studies: int = Field(
        0,
        ge=0,
        description="validation studies behind these numbers; with `patients` null, displays of one may count apart",
    )


NO_CALIBRATION = Calibration()
"""Probabilities as they are, sets of every class, and nothing ruled in or out."""

MIN_PATIENTS = 20
"""Fewest validation patients that a calibration is fitted on."""

FAMILIAR = 0.975
"""Fraction of patients whose films keep the limit of a view; of two views one goes beyond in 5 % at most."""

LEAST_SLOPE = 0.2
"""A T-score slope below it would make all T-scores alike; none is applied then."""

CONFIDENCE = 0.95
"""One-sided confidence of the lower bounds by which the two thresholds are chosen."""


class Decision(StrEnum):
    """Whether the probability of osteoporosis rules it in or out at the chosen predictive values (Hsieh 2021)."""

    RULED_IN = "osteoporosis ruled in"
    RULED_OUT = "osteoporosis ruled out"
    INDETERMINATE = "indeterminate"


def apply_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (n, classes) with their logits divided by a temperature.

    Source: Guo 2017.
    """
    logits = np.log(np.clip(probabilities, 1e-9, 1)) / temperature
    unnormalised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(unnormalised / unnormalised.sum(1, keepdims=True))


def log_loss(probabilities: Floats, labels: Labels, temperature: float = 1.0, weights: Floats | None = None) -> float:
    """Mean of minus the logarithm of the true class's probability.

    Args:
        probabilities: (n, 3).
        labels: (n,) index into BMD_CLASSES.
        temperature: that is applied first.
        weights: (n,) of the studies; None where all count alike.
    """
    scaled = apply_temperature(probabilities, temperature)
    return float(np.average(-np.log(np.clip(scaled[np.arange(len(labels)), labels], 1e-9, 1)), weights=weights))


def best_temperature(probabilities: Floats, labels: Labels, weights: Floats | None = None) -> float:
    """The temperature of least log loss, between exp(-2) and exp(2); arguments as for `log_loss`."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: log_loss(probabilities, labels, float(np.exp(log)), weights), bounds=(-2.0, 2.0), method="bounded"
    )
    return float(np.exp(found.x))


def fit_calibration(
    probabilities: Floats,
    labels: Labels,
    patients: Labels | None = None,
    coverage: float = 0.9,
    predictive_value: float = 0.95,
    temperature: float | None = None,
) -> Calibration:
    """Temperature of least log-loss, the score of conformal sets, and the two thresholds of osteoporosis.

    Every patient counts once: his studies and their displays share a weight of one. The sets hold the stated fraction
    of truths of new patients, one study of each on one display, whatever the studies and displays of a patient have in
    common. A threshold is chosen by the lower confidence bound of its PPV or NPV among patients.

    Args:
        probabilities: (n, 3) of studies that training never saw, or (n, displays, 3) of several displays of each.
        labels: (n,) index into BMD_CLASSES.
        patients: (n,) number of the patient of each study; None where every study is a patient of its own.
        coverage: fraction of true classes that prediction sets are to hold.
        predictive_value: PPV from the upper threshold on, and NPV below the lower one, that are to be reached.
        temperature: given, or None to fit it.

    Raises:
        ValueError: fewer than 20 patients, or not as many patients' numbers as studies.

    Source: Guo 2017 (temperature); Sadinle 2019 (sets of least ambiguity); Lee, Barber and Willett 2023, arXiv
    2306.06342, theorem 1 (coverage with several observations of a patient); Hsieh 2021 (two thresholds).
    """
    shown = probabilities.reshape(len(labels), -1, len(BMD_CLASSES))
    displays = shown.shape[1]
    owners = np.arange(len(labels)) if patients is None else patients
    if len(owners) != len(labels):
        raise ValueError(f"{len(owners)} patients' numbers for {len(labels)} studies; each study needs one")
    _, place, studies_of = np.unique(owners, return_inverse=True, return_counts=True)
    if len(studies_of) < MIN_PATIENTS:
        raise ValueError(f"{len(studies_of)} validation patients; a calibration needs {MIN_PATIENTS} or more")
    flat, truth = shown.reshape(-1, len(BMD_CLASSES)), np.repeat(labels, displays)
    weights = np.repeat(1 / (studies_of[place] * displays), displays)
    rows = np.arange(len(truth))
    if temperature is None:
        temperature = best_temperature(flat, truth, weights)
    calibrated = apply_temperature(flat, temperature)
    osteoporosis, is_osteoporosis = calibrated[:, OSTEOPOROSIS_INDEX], truth == OSTEOPOROSIS_INDEX
    rule_in = _threshold(osteoporosis, is_osteoporosis, weights, predictive_value)
    rule_out = _threshold(-osteoporosis, ~is_osteoporosis, weights, predictive_value)
    upper = 1.01 if rule_in is None else rule_in
    set_score = _conformal_quantile(1 - calibrated[rows, truth], weights, coverage)
    return Calibration(
        temperature=temperature,
        coverage=coverage,
        set_score=1.0 if set_score is None else set_score,
        rule_in=upper,
        rule_out=-0.01 if rule_out is None else min(_just_above(-rule_out, osteoporosis), upper),
        predictive_value=predictive_value,
        confidence=CONFIDENCE,
        patients=len(studies_of),
        studies=len(labels),
    )


def t_score_line(estimates: Floats, truth: Floats, patients: Labels) -> tuple[float, float]:
    """Slope and offset that bring T-score estimates to DXA, as far as patients show them: both where the 95 % interval
    of the slope excludes 1, an offset alone where that of the mean difference excludes 0, else 1 and 0.

    Args:
        estimates: (n,) of studies that the estimates were not fitted on.
        truth: (n,) T-scores of DXA.
        patients: (n,) number of the patient of each; his studies count as their mean.

    Source: Steyerberg 2019, Clinical Prediction Models, chapter 20 (update as little as the evidence asks for).
    """
    from scipy import stats

    _, place, count = np.unique(patients, return_inverse=True, return_counts=True)
    if len(count) < MIN_PATIENTS:
        return 1.0, 0.0
    x, y = (np.bincount(place, values) / count for values in (estimates, truth))
    margin = float(stats.t.ppf(0.975, len(count) - 2))
    if np.ptp(x) > 0:
        line = stats.linregress(x, y)
        if line.slope >= LEAST_SLOPE and abs(line.slope - 1) > margin * line.stderr:
            return float(line.slope), float(line.intercept)
    shift = float((y - x).mean())
    return 1.0, shift if abs(shift) > margin * float(stats.sem(y - x)) else 0.0


def distance_limit(distances: Floats, patients: Labels) -> float | None:
    """The distance that `FAMILIAR` of new patients keep; None with too few patients to promise that (39 are needed).

    Args:
        distances: (n,) of the films of one view, as displayed.
        patients: (n,) number of the patient of each.
    """
    _, place, films_of = np.unique(patients, return_inverse=True, return_counts=True)
    return _conformal_quantile(distances, 1 / films_of[place], FAMILIAR)


def _conformal_quantile(scores: Floats, weights: Floats, coverage: float) -> float | None:
    """Quantile of scores (n,) whose weights sum to the number of patients, with one more patient beyond them all; None
    where so few patients cannot promise the coverage."""
    order = np.argsort(scores)
    below = np.cumsum(weights[order]) / (weights.sum() + 1)
    place = int(np.searchsorted(below, coverage - 1e-9))
    return float(scores[order][place]) if place < len(scores) else None


def _threshold(scores: Floats, right: npt.NDArray[np.bool_], weights: Floats, value: float) -> float | None:
    """Lowest score from which the lower confidence bound of the fraction that is right reaches a value, or None.

    The bound is Clopper and Pearson's for weighted counts, of which a patient gives one at most. It is wide enough for
    patients of whom only a part lies above the threshold, since their part varies less than a whole patient.
    """
    from scipy import stats

    levels, place = np.unique(scores, return_inverse=True)
    reached = np.cumsum(np.bincount(place, weights)[::-1])[::-1]
    hits = np.cumsum(np.bincount(place, weights * right)[::-1])[::-1]
    misses = np.maximum(reached - hits, 0)
    low = np.where(hits > 1e-9, stats.beta.ppf(1 - CONFIDENCE, np.maximum(hits, 1e-9), misses + 1), 0)
    good = np.flatnonzero(low >= value)
    return float(levels[good[0]]) if len(good) else None


def _just_above(threshold: float, probabilities: Floats) -> float:
    """The next higher of these probabilities, so that what is below it is at the threshold or below; at most 1."""
    higher = probabilities[probabilities > threshold]
    return float(higher.min()) if len(higher) else 1.0


def calibration_error(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error of the most probable class, (n, classes) against (n,).

    Source: Guo 2017; bins of equal width of the confidence.
    """
    return _gap(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def perfect_calibration_error(probabilities: Floats, bins: int = 15, draws: int = 1000) -> tuple[float, float]:
    """Mean and 95th percentile of the calibration error of perfectly calibrated probabilities (n, classes): that of
    chance alone, which is never zero, and larger the fewer the cases are.

    Source: Broecker 2007, consistency resampling.
    """
    confidence, rng = probabilities.max(1), np.random.default_rng(0)
    if not len(confidence):
        return 0.0, 0.0
    errors = [_gap(confidence, rng.random(len(confidence)) < confidence, bins) for _ in range(draws)]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def _gap(confidence: Floats, right: npt.NDArray[np.bool_], bins: int) -> float:
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(place, right, bins) - np.bincount(place, confidence, bins))
    return float(gaps.sum() / max(len(confidence), 1))


def brier(probabilities: Floats, labels: Labels) -> float:
    """Mean over cases of the squared distance between probabilities and truth, summed over classes (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(1).mean())


def prediction_set(probabilities: Floats, calibration: Calibration) -> tuple[BmdClass, ...]:
    """Classes, by calibrated probabilities (3,), that hold the true one with the stated coverage; never empty."""
    inside = [c for c, p in zip(BMD_CLASSES, probabilities, strict=True) if 1 - p <= calibration.set_score]
    return tuple(inside) or (BMD_CLASSES[int(np.argmax(probabilities))],)


def rule_in_or_out(osteoporosis: float, calibration: Calibration) -> Decision:
    """Whether the calibrated probability rules osteoporosis in or out."""
    if osteoporosis >= calibration.rule_in:
        return Decision.RULED_IN
    return Decision.RULED_OUT if osteoporosis < calibration.rule_out else Decision.INDETERMINATE
