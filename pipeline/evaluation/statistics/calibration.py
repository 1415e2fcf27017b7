"""Calibration of probabilities and of values: recalibration, observed over expected, and the smoothed curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from pipeline.evaluation.statistics.intervals import (
    UNKNOWN,
    Clusters,
    Estimate,
    Flags,
    Floats,
    cluster_index,
    design_effect,
)
from pipeline.evaluation.statistics.logistic import CONSTANT, ONE_CLASS, LogisticFit, fit_logistic, patient_scores

NEAREST = 1e-6
"""Probabilities are kept this far from 0 and 1, where a logit ends."""

CASES_PER_COEFFICIENT = 10
"""Cases of the rarer class per coefficient of the smoothed curve (Peduzzi et al. 1996, J Clin Epidemiol 49:1373)."""

KNOTS = {3: (0.05, 0.35, 0.65, 0.95), 2: (0.1, 0.5, 0.9), 1: ()}
"""Quantiles of the logits at which the curve has its knots, by its number of slopes (Harrell 2015, table 2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCalibration:
    """Calibration of a probability; NaN where the cases cannot give it.

    Attributes:
        intercept: calibration-in-the-large, ideal 0; above 0 the probabilities are too low.
        slope: calibration slope, ideal 1; below 1 the probabilities are too extreme.
        observed_expected: cases over the sum of probabilities, ideal 1.
        ici: integrated calibration index, the mean distance of the probabilities from the smoothed curve.
        e50: median of these distances.
        e90: their 90th percentile.
        not_estimable: why an attribute, by its name, is NaN or has no interval.
    """

    intercept: Estimate
    slope: Estimate
    observed_expected: Estimate
    ici: float
    e50: float
    e90: float
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationCurve:
    """Observed frequency against predicted probability, smoothed, with its pointwise interval.

    Attributes:
        predicted: (points,) probabilities from their 1st to their 99th percentile.
        observed: (points,) smoothed frequency; NaN where there is no curve.
        low: (points,) lower bound.
        high: (points,) upper bound.
        reason: why there is no curve or no interval; empty where there are both.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ValueCalibration:
    """Linear regression of the truth on the estimate: ideal intercept 0 and slope 1; NaN where it cannot be given."""

    intercept: Estimate
    slope: Estimate


def binary_calibration(
    positive: Flags, probabilities: Floats, clusters: Clusters | None = None, confidence: float = 0.95
) -> BinaryCalibration:
    """Calibration of probabilities (n,) against truth (n,): weak calibration, and the distance from the smoothed curve.

    The intercept is that of a logistic regression with the logit of the probability as an offset; intercept and slope
    have Wald intervals, observed over expected one on the log scale. ICI, E50 and E90 come from `smoothed_curve`'s fit.

    Args:
        positive: (n,) truth.
        probabilities: (n,) predicted.
        clusters: (n,) patient of each case; None where every case is a patient of its own.
        confidence: of the intervals.

    Source: Cox 1958, Biometrika 45:562; Van Calster et al. 2016, J Clin Epidemiol 74:167 (hierarchy); Debray et al.
        2017, BMJ 356:i6460 (interval of O/E); Austin and Steyerberg 2019, Stat Med 38:4051 (ICI, E50, E90).
    """
    logits = _logits(probabilities)
    ones = np.ones((len(logits), 1))
    large = fit_logistic(positive, ones, logits, clusters)
    recalibration = fit_logistic(positive, np.column_stack((ones, logits)), None, clusters)
    words = {"intercept": large.reason, "slope": recalibration.reason}
    words["observed_expected"] = large.reason
    curve, words["ici"] = _fitted_curve(positive, logits, clusters)
    distances = np.abs(expit(curve.basis(logits) @ curve.fit.coefficients) - probabilities) if curve else None
    ici, e50, e90 = (
        (float(distances.mean()), *map(float, np.quantile(distances, (0.5, 0.9))))
        if distances is not None
        else (float("nan"),) * 3
    )
    words.update(dict.fromkeys(("e50", "e90"), words["ici"]))
    return BinaryCalibration(
        intercept=_wald(large, 0, confidence),
        slope=_wald(recalibration, 1, confidence),
        observed_expected=_observed_expected(positive, probabilities, clusters, confidence),
        ici=ici,
        e50=e50,
        e90=e90,
        not_estimable={name: word for name, word in words.items() if word},
    )


def smoothed_curve(
    positive: Flags,
    probabilities: Floats,
    points: int = 50,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> CalibrationCurve:
    """Observed frequency by predicted probability, by logistic regression on a restricted cubic spline of the logit.

    The spline has four knots with 30 cases of the rarer class or more, three with 20, and is a straight line of the
    logits with 10; with fewer there is no curve. Intervals are pointwise, on the logit scale.

    Args:
        positive: (n,) truth.
        probabilities: (n,) predicted.
        points: of the curve.
        clusters: (n,) patient of each case; None where every case is a patient of its own.
        confidence: of the interval.

    Source: Harrell 2015, Regression Modeling Strategies, sections 2.4.5 and 10.9; for the indices Austin, Harrell and
        van Klaveren 2020, Stat Med 39:2714.
    """
    unknown = np.full(points, np.nan)
    if not len(probabilities):
        return CalibrationCurve(predicted=unknown, observed=unknown, low=unknown, high=unknown, reason="no cases")
    first, last = np.quantile(probabilities, (0.01, 0.99))
    predicted = np.linspace(first, last, points)
    curve, reason = _fitted_curve(positive, _logits(probabilities), clusters)
    if curve is None:
        return CalibrationCurve(predicted=predicted, observed=unknown, low=unknown, high=unknown, reason=reason)
    basis = curve.basis(_logits(predicted))
    middle = basis @ curve.fit.coefficients
    variance = np.einsum("ij,jk,ik->i", basis, curve.fit.covariance, basis)
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(np.maximum(variance, 0))
    return CalibrationCurve(
        predicted=predicted,
        observed=expit(middle),
        low=expit(middle - half),
        high=expit(middle + half),
        reason=curve.fit.reason,
    )


def value_calibration(
    truth: Floats, estimates: Floats, clusters: Clusters | None = None, confidence: float = 0.95
) -> ValueCalibration:
    """Calibration of estimated values (n,) against true ones (n,), with t intervals; by patient with the sandwich.

    Source: Steyerberg 2019, Clinical Prediction Models, section 15.3.
    """
    n = len(truth)
    place, patients = cluster_index(clusters, n)
    if n < 3 or np.ptp(estimates) == 0:
        return ValueCalibration(UNKNOWN, UNKNOWN)
    middle = estimates.mean()
    design = np.column_stack((np.ones(n), estimates - middle))
    inverse = np.diag(1 / (design**2).sum(0))
    found = inverse @ design.T @ truth
    residuals = truth - design @ found
    if patients == n:
        covariance, freedom = inverse * (residuals**2).sum() / (n - 2), n - 2
    else:
        covariance, freedom = inverse @ patient_scores(design * residuals[:, None], place) @ inverse, patients - 1
    t = float(stats.t.ppf(0.5 + confidence / 2, freedom)) if freedom > 0 else float("nan")
    back = np.array([[1.0, -middle], [0.0, 1.0]])
    halves = t * np.sqrt(np.diag(back @ covariance @ back.T))
    intercept, slope = (
        Estimate(float(value), float(value - half), float(value + half))
        for value, half in zip(back @ found, halves, strict=True)
    )
    return ValueCalibration(intercept, slope)


def _logits(probabilities: Floats) -> Floats:
    return np.asarray(logit(np.clip(probabilities, NEAREST, 1 - NEAREST)))


def _wald(fit: LogisticFit, place: int, confidence: float) -> Estimate:
    value = float(fit.coefficients[place])
    half = float(stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(fit.covariance[place, place]))
    return Estimate(value, value - half, value + half)


def _observed_expected(
    positive: Flags, probabilities: Floats, clusters: Clusters | None, confidence: float
) -> Estimate:
    """Cases over expected ones, with the interval of its logarithm; NaN with cases of one class."""
    if positive.all() or not positive.any():
        return UNKNOWN
    value = float(positive.sum() / np.maximum(probabilities, NEAREST).sum())
    spread = np.sqrt((1 - positive.mean()) / positive.sum() * design_effect(positive, clusters))
    factor = float(np.exp(stats.norm.ppf(0.5 + confidence / 2) * spread))
    return Estimate(value, value / factor, value * factor)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A fitted spline of logits: its knots and coefficients."""

    knots: Floats
    fit: LogisticFit

    def basis(self, logits: Floats) -> Floats:
        return _spline(logits, self.knots)


def _fitted_curve(positive: Flags, logits: Floats, clusters: Clusters | None) -> tuple[_Curve | None, str]:
    """The spline with as many slopes as the cases allow, or why there is none."""
    rarer = int(min(positive.sum(), (~positive).sum()))
    if rarer == 0:
        return None, ONE_CLASS
    if rarer < CASES_PER_COEFFICIENT:
        return None, f"{rarer} cases of the rarer class, {CASES_PER_COEFFICIENT} are needed"
    if np.ptp(logits) == 0:
        return None, CONSTANT
    fit = None
    for slopes in range(min(rarer // CASES_PER_COEFFICIENT, max(KNOTS)), 0, -1):
        knots = np.quantile(logits, KNOTS[slopes]) if KNOTS[slopes] else np.empty(0)
        if len(np.unique(knots)) < len(knots):
            continue
        fit = fit_logistic(positive, _spline(logits, knots), None, clusters)
        if np.isfinite(fit.coefficients).all():
            return _Curve(knots, fit), fit.reason
    return None, fit.reason if fit else CONSTANT


def _spline(logits: Floats, knots: Floats) -> Floats:
    """Restricted cubic spline basis (n, knots) with a constant and a straight line; these two alone without knots."""
    columns = [np.ones_like(logits), logits]
    for knot in knots[:-2]:
        last, before = knots[-1], knots[-2]
        cubes = [np.maximum(logits - place, 0) ** 3 for place in (knot, before, last)]
        bend = cubes[0] - (cubes[1] * (last - knot) - cubes[2] * (before - knot)) / (last - before)
        columns.append(bend / (last - knots[0]) ** 2)
    return np.column_stack(columns)
