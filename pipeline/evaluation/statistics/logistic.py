"""Logistic regression by maximum likelihood, with its covariance also by patient, and a word where there is no fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pipeline.evaluation.statistics.intervals import Clusters, Flags, Floats, cluster_index

MOST_STEPS, SMALLEST_STEP = 25, 1e-8
"""Newton steps, and the change of standardised coefficients below which the fit is done. Where classes are separated,
each step adds about one to the logits, so that 25 steps never end in a false maximum."""

ONE_CLASS = "all cases are of one class"
CONSTANT = "the predictions do not vary"
SEPARATED = "the predictions separate the classes, so the likelihood has no maximum"
ONE_PATIENT = "all cases are of one patient"


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """A fitted logistic regression.

    Attributes:
        coefficients: (k,), NaN without a fit.
        covariance: (k, k), NaN without a fit or by a single patient.
        reason: why there is no fit, or no covariance; empty where there are both.
    """

    coefficients: Floats
    covariance: Floats
    reason: str = ""


def fit_logistic(
    positive: Flags, design: Floats, offset: Floats | None = None, clusters: Clusters | None = None
) -> LogisticFit:
    """Maximum-likelihood logistic regression with the covariance of the information matrix, or by patient.

    Args:
        positive: (n,) outcome.
        design: (n, k) predictors, the first column of which is one.
        offset: (n,) added to the logit with a coefficient of one.
        clusters: (n,) patient of each case: the covariance is then the sandwich of the patients' scores with C/(C-1)
            for C patients; None where every case is a patient of its own.

    Source: Liang and Zeger 1986, Biometrika 73:13 (sandwich); Albert and Anderson 1984, Biometrika 71:1 (separation).
    """
    n, k = design.shape
    if positive.all() or not positive.any():
        return _no_fit(k, ONE_CLASS)
    scale = np.concatenate(([1.0], design[:, 1:].std(0)))
    shift = np.concatenate(([0.0], design[:, 1:].mean(0)))
    if np.any(scale <= 1e-12 * np.maximum(1, np.abs(shift))):
        return _no_fit(k, CONSTANT)
    standard = (design - shift) / scale
    fixed = np.zeros(n) if offset is None else offset
    found = _maximum(positive.astype(float), standard, fixed)
    if found is None:
        return _no_fit(k, SEPARATED)
    back = np.diag(1 / scale)
    back[0, 1:] = -shift[1:] / scale[1:]
    covariance = back @ _covariance(positive, standard, fixed, found, clusters) @ back.T
    return LogisticFit(back @ found, covariance, ONE_PATIENT if np.isnan(covariance).any() else "")


def _no_fit(k: int, reason: str) -> LogisticFit:
    return LogisticFit(np.full(k, np.nan), np.full((k, k), np.nan), reason)


def _maximum(outcome: Floats, design: Floats, offset: Floats) -> Floats | None:
    """Coefficients (k,) by Newton steps that are halved until the likelihood rises; None without a maximum."""
    found = np.zeros(design.shape[1])
    reached = _loss(outcome, offset)
    for _ in range(MOST_STEPS):
        fitted = expit(design @ found + offset)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - fitted))
        if np.abs(step).max() < SMALLEST_STEP:
            return np.asarray(found + step)
        while (loss := _loss(outcome, design @ (found + step) + offset)) > reached + 1e-9 * abs(reached):
            step = step / 2
            if np.abs(step).max() < SMALLEST_STEP:
                return None
        found, reached = found + step, loss
    return None


def _loss(outcome: Floats, logits: Floats) -> float:
    """Negative log-likelihood."""
    signed = np.where(outcome > 0, logits, -logits)
    return float((np.log1p(np.exp(-np.abs(signed))) + np.maximum(-signed, 0)).sum())


def _covariance(
    positive: Flags, design: Floats, offset: Floats, coefficients: Floats, clusters: Clusters | None
) -> Floats:
    """Inverse information (k, k), or the sandwich by patient."""
    fitted = expit(design @ coefficients + offset)
    inverse = np.linalg.inv((design * (fitted * (1 - fitted))[:, None]).T @ design)
    if cluster_index(clusters, len(positive))[1] == len(positive):
        return np.asarray(inverse)
    return np.asarray(inverse @ patient_scores(design * (positive - fitted)[:, None], clusters) @ inverse)


def patient_scores(scores: Floats, clusters: Clusters | None) -> Floats:
    """Sum over patients of the outer product (k, k) of their summed scores (n, k), with C/(C-1); NaN with one."""
    place, patients = cluster_index(clusters, len(scores))
    if patients < 2:
        return np.full((scores.shape[1],) * 2, np.nan)
    sums = np.array([np.bincount(place, column, patients) for column in scores.T])
    return np.asarray(sums @ sums.T * patients / (patients - 1))
