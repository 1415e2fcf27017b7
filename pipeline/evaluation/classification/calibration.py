"""Calibration of the predicted probability of each class, and of the estimated T-score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_PATIENT, is_lone
from pipeline.evaluation.statistics.agreement import bland_altman
from pipeline.evaluation.statistics.calibration import (
    CalibrationCurve,
    ValueCalibration,
    binary_calibration,
    smoothed_curve,
    value_calibration,
)
from pipeline.evaluation.statistics.intervals import Clusters, Estimate, Flags, Floats

CURVE_POINTS, EVERY = 61, 3
"""Points of the smoothed curve of a figure, and which of them stand in JSON."""

BINS = 15
"""Of equal width, of the expected calibration error."""


FEWEST_T_SCORES = 3
"""Estimated T-scores below which no agreement is given."""

FLAT = f"{NOT_ESTIMABLE}the T-scores do not vary"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Observed frequency at a predicted probability, with its pointwise 95 % interval."""

    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCalibration:
    """Calibration of the probability of one class; NaN where these studies cannot give it.

    Attributes:
        studies: with a class and DXA.
        cases: of this class by DXA.
        intercept: calibration-in-the-large, ideal 0; above 0 the probabilities are too low.
        slope: calibration slope, ideal 1; below 1 the probabilities are too extreme.
        observed_expected: cases over the sum of probabilities, ideal 1.
        ici: integrated calibration index, the mean distance of the probabilities from the smoothed curve.
        e50: median of these distances.
        e90: their 90th percentile.
        ece: expected calibration error of this probability, 15 bins of equal width.
        brier: mean squared distance of the probability from the truth, from 0 to 1.
        points: of the smoothed curve; empty where there is none.
        curve: the same with more points, for figures.
        not_estimable: a word for each metric that these studies cannot give, also for the curve.
    """

    studies: int
    cases: int
    intercept: Estimate
    slope: Estimate
    observed_expected: Estimate
    ici: float
    e50: float
    e90: float
    ece: float
    brier: float
    points: tuple[CurvePoint, ...]
    curve: CalibrationCurve = field(repr=False, compare=False)
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TScoreAgreement:
    """Estimated T-scores against DXA.

    Attributes:
        mae: mean absolute error.
        r: Pearson's.
        bias: mean of estimate minus DXA, with the 95 % limits of agreement as its interval.
        calibration: DXA regressed on the estimate, ideal intercept 0 and slope 1.
        not_estimable: a word for each of these, or its interval, that these studies cannot give.
    """

    mae: float
    r: float
    bias: Estimate
    calibration: ValueCalibration
    not_estimable: Mapping[str, str]


def calibrations(cases: EvaluatedCases) -> dict[BmdClass, ClassCalibration]:
    """Calibration of each class, the rest being the others; intervals by patient."""
    return {
        bmd_class: class_calibration(cases.labels == k, cases.probabilities[:, k], cases.patients)
        for k, bmd_class in enumerate(BMD_CLASSES)
    }


def class_calibration(positive: Flags, probabilities: Floats, patients: Clusters | None = None) -> ClassCalibration:
    """Calibration of probabilities (n,) against truth (n,).

    Args:
        positive: (n,) truth, at least one study.
        probabilities: (n,) predicted.
        patients: (n,) patient of each study; None where every study is a patient of its own.
    """
    found = binary_calibration(positive, probabilities, patients)
    curve = smoothed_curve(positive, probabilities, CURVE_POINTS, patients)
    words = {**found.not_estimable, **({"curve": curve.reason} if curve.reason else {})}
    return ClassCalibration(
        studies=len(positive),
        cases=int(positive.sum()),
        intercept=found.intercept,
        slope=found.slope,
        observed_expected=found.observed_expected,
        ici=found.ici,
        e50=found.e50,
        e90=found.e90,
        ece=expected_calibration_error(positive, probabilities),
        brier=float(((probabilities - positive) ** 2).mean()),
        points=_points(curve),
        curve=curve,
        not_estimable={name: NOT_ESTIMABLE + word for name, word in words.items()},
    )


def t_score_agreement(cases: EvaluatedCases) -> TScoreAgreement | None:
    """Agreement of the estimated T-scores with DXA; None below three of them."""
    known = np.isfinite(cases.t_estimates)
    if known.sum() < FEWEST_T_SCORES:
        return None
    truth, estimates, patients = cases.t_scores[known], cases.t_estimates[known], cases.patients[known]
    agreement = bland_altman(truth, estimates, patients)
    return TScoreAgreement(
        mae=float(np.abs(estimates - truth).mean()),
        r=agreement.r,
        bias=Estimate(agreement.bias, agreement.low, agreement.high),
        calibration=value_calibration(truth, estimates, patients),
        not_estimable=_agreement_words(truth, estimates, patients),
    )


def t_score_words(cases: EvaluatedCases) -> dict[str, str]:
    """A word where the estimated T-scores are too few for an agreement, or for r where they do not vary."""
    known = np.isfinite(cases.t_estimates)
    if 0 < known.sum() < FEWEST_T_SCORES:
        return {"t_score": f"{NOT_ESTIMABLE}{known.sum()} estimated T-scores, {FEWEST_T_SCORES} are needed"}
    found = t_score_agreement(cases)
    return {} if found is None else {name: word for name, word in found.not_estimable.items() if name == "r"}


def _agreement_words(truth: Floats, estimates: Floats, patients: Clusters) -> dict[str, str]:
    words = {}
    if min(np.ptp(truth), np.ptp(estimates)) == 0:
        words["r"] = FLAT
    if np.ptp(estimates) == 0:
        words["calibration"] = FLAT
    if is_lone(np.ones(len(truth), bool), patients):
        words["bias_interval"] = words["calibration_interval"] = NOT_ESTIMABLE + ONE_PATIENT
    return words


def expected_calibration_error(positive: Flags, probabilities: Floats) -> float:
    """Mean over bins of the distance of mean probability and frequency, weighted by their studies.

    Source: Naeini et al. 2015, AAAI; by class after Kull et al. 2019, NeurIPS.
    """
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, positive.astype(float), BINS) - np.bincount(place, probabilities, BINS)
    return float(np.abs(gaps).sum() / len(positive))


def _points(curve: CalibrationCurve) -> tuple[CurvePoint, ...]:
    if not np.isfinite(curve.observed).all():
        return ()
    columns = (curve.predicted[::EVERY], curve.observed[::EVERY], curve.low[::EVERY], curve.high[::EVERY])
    return tuple(CurvePoint(*map(float, row)) for row in zip(*columns, strict=True))
