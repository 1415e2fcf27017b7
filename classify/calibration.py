"""Calibration: temperature, prediction sets with a stated coverage, and thresholds that rule osteoporosis in or out."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import minimize_scalar

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
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
    studies: int = Field(0, ge=0, description="validation studies behind these numbers")


NO_CALIBRATION = Calibration()
"""Probabilities as they are, sets of every class, and nothing ruled in or out."""

MIN_STUDIES = 20
"""Fewest validation studies that a calibration is fitted on."""


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


def fit_calibration(
    probabilities: Floats, labels: Labels, coverage: float = 0.9, predictive_value: float = 0.95
) -> Calibration:
    """Temperature of least log-loss, the score of split-conformal sets, and the two thresholds of osteoporosis.

    Args:
        probabilities: (n, 3) of studies that training never saw.
        labels: (n,) index into BMD_CLASSES.
        coverage: fraction of true classes that prediction sets are to hold.
        predictive_value: PPV from the upper threshold on, and NPV below the lower one, that are to be reached.

    Raises:
        ValueError: fewer than 20 studies.

    Source: Guo 2017 (temperature); Sadinle 2019 (sets of least ambiguity); Hsieh 2021 (two thresholds).
    """
    if len(labels) < MIN_STUDIES:
        raise ValueError(f"{len(labels)} validation studies; a calibration needs {MIN_STUDIES} or more")
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.clip(scaled[rows, labels], 1e-9, 1)).mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))
    calibrated = apply_temperature(probabilities, temperature)
    scores = np.sort(1 - calibrated[rows, labels])
    place = min(len(scores) - 1, int(np.ceil((len(scores) + 1) * coverage)) - 1)
    is_osteoporosis = labels == OSTEOPOROSIS_INDEX
    rule_out, rule_in = _thresholds(calibrated[:, OSTEOPOROSIS_INDEX], is_osteoporosis, predictive_value)
    return Calibration(
        temperature=temperature,
        coverage=coverage,
        set_score=float(scores[place]),
        rule_in=rule_in,
        rule_out=rule_out,
        predictive_value=predictive_value,
        studies=len(labels),
    )


def _thresholds(
    probabilities: Floats, is_osteoporosis: npt.NDArray[np.bool_], predictive_value: float
) -> tuple[float, float]:
    """Highest probability below which the NPV, and lowest from which the PPV, reaches a value on these studies."""
    order = np.argsort(probabilities)
    ordered, truth = probabilities[order], is_osteoporosis[order]
    below = 1 - np.cumsum(truth) / np.arange(1, len(truth) + 1)
    above = np.cumsum(truth[::-1])[::-1] / np.arange(len(truth), 0, -1)
    enough = max(10, len(truth) // 50)
    low = [k for k in range(enough, len(truth)) if below[k - 1] >= predictive_value]
    high = [k for k in range(len(truth) - enough) if above[k] >= predictive_value]
    rule_out = float(ordered[low[-1]]) if low else -0.01
    rule_in = float(ordered[high[0]]) if high else 1.01
    return min(rule_out, rule_in), rule_in


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
