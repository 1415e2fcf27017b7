"""What a recalibration is worth on patients that its fit did not see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from classify.calibration import (
    Calibration,
    Decision,
    brier,
    calibration_error,
    perfect_calibration_error,
    prediction_set,
    rule_in_or_out,
)
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from osteolens.progress import Progress, silent
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.statistics.intervals import Estimate, Flags, Floats, clustered_proportion
from pipeline.evaluation.statistics.resampling import bootstrap
from pipeline.recalibration.config import RecalibrationConfig
from pipeline.recalibration.refit import Indices, mean_by_patient, refit, unrounded


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFigures:
    """How well calibrated results are.

    Attributes:
        calibration_error: expected calibration error of the most probable class.
        by_chance: 95th percentile of that of perfectly calibrated probabilities of as many studies.
        log_loss: mean of minus the logarithm of the true class's probability.
        brier: mean squared distance of probabilities and truth, over classes.
        coverage: fraction of prediction sets that hold the true class.
        set_size: mean number of classes in a set.
        ruled_in: studies with osteoporosis ruled in.
        ppv: fraction of these that have it.
        ruled_out: studies with osteoporosis ruled out.
        npv: fraction of these that do not have it.
        t_bias: mean of the estimated T-score minus that of DXA.
        t_error: mean absolute difference of the two.
    """

    calibration_error: float
    by_chance: float
    log_loss: float
    brier: float
    coverage: Estimate
    set_size: float
    ruled_in: int
    ppv: Estimate
    ruled_out: int
    npv: Estimate
    t_bias: Estimate
    t_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAndAfter:
    """The same studies with the former calibration, and each with one that was fitted on other patients.

    Attributes:
        folds: fits.
        before: as the results are.
        after: cross-validated.
        log_loss_gain: log-loss before minus after, with its bootstrap interval by patient.
        brier_gain: Brier score before minus after, likewise.
        t_error_gain: mean absolute T-score difference before minus after, likewise.
    """

    folds: int
    before: CalibrationFigures
    after: CalibrationFigures
    log_loss_gain: Estimate
    brier_gain: Estimate
    t_error_gain: Estimate


def cross_validated(
    cases: EvaluatedCases, former: Calibration, config: RecalibrationConfig, progress: Progress = silent
) -> BeforeAndAfter:
    """Figures of the stored results, and of results that are calibrated by fits on other patients.

    Args:
        cases: stored results with DXA.
        former: the calibration that they were made with.
        config: folds, seed and draws.
        progress: told after every fold.

    Raises:
        ValueError: as `fit_calibration`.
    """
    after, folds = _refitted(cases, former, config, progress)
    before = replace(cases, probabilities=unrounded(cases.probabilities))

    def gain(losses: Floats, new: Floats) -> Estimate:
        difference, draws = losses - new, config.bootstrap_draws
        return bootstrap(
            lambda index: float(np.nanmean(difference[index])), len(difference), draws, config.seed,
            clusters=cases.patients,
        )  # fmt: skip

    return BeforeAndAfter(
        folds=folds,
        before=figures(before),
        after=figures(after),
        log_loss_gain=gain(_log_losses(before), _log_losses(after)),
        brier_gain=gain(_briers(before), _briers(after)),
        t_error_gain=gain(_t_errors(before), _t_errors(after)),
    )


def figures(cases: EvaluatedCases) -> CalibrationFigures:
    """Calibration of some results, by their own prediction sets and decisions."""
    truth = cases.labels
    sets = cases.prediction_sets
    hits = np.array([BMD_CLASSES[place] in own for place, own in zip(truth, sets, strict=True)], bool)
    ruled_in = np.array([d is Decision.RULED_IN for d in cases.decisions], bool)
    ruled_out = np.array([d is Decision.RULED_OUT for d in cases.decisions], bool)
    known = np.isfinite(cases.t_estimates)
    gap = (cases.t_estimates - cases.t_scores)[known]
    return CalibrationFigures(
        calibration_error=calibration_error(cases.probabilities, truth),
        by_chance=perfect_calibration_error(cases.probabilities)[1],
        log_loss=float(_log_losses(cases).mean()),
        brier=brier(cases.probabilities, truth),
        coverage=clustered_proportion(hits, cases.patients),
        set_size=float(np.mean([len(own) for own in cases.prediction_sets])),
        ruled_in=int(ruled_in.sum()),
        ppv=_fraction(cases.positive, ruled_in, cases),
        ruled_out=int(ruled_out.sum()),
        npv=_fraction(~cases.positive, ruled_out, cases),
        t_bias=mean_by_patient(gap, cases.patients[known]),
        t_error=float(np.abs(gap).mean()) if len(gap) else float("nan"),
    )


def _refitted(
    cases: EvaluatedCases, former: Calibration, config: RecalibrationConfig, progress: Progress
) -> tuple[EvaluatedCases, int]:
    """The cases, each by a calibration that was fitted on other patients, and the number of fits."""
    count = min(config.folds, int(np.bincount(cases.labels, minlength=len(BMD_CLASSES)).min()))
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=config.seed)
    probabilities, t_scores = np.empty_like(cases.probabilities), np.empty_like(cases.t_estimates)
    sets: list[frozenset[BmdClass]] = [frozenset()] * len(cases.labels)
    decisions: list[Decision | None] = [None] * len(cases.labels)
    parts = folds.split(cases.probabilities, cases.labels, cases.patients)
    for number, (others, left_out) in enumerate(parts, start=1):
        fitted = refit(part_of(cases, others), former)
        probabilities[left_out] = fitted.probabilities(cases.probabilities[left_out])
        t_scores[left_out] = fitted.t_scores(cases.t_estimates[left_out])
        for k in left_out:
            sets[k] = frozenset(prediction_set(probabilities[k], fitted.relative))
            decisions[k] = rule_in_or_out(float(probabilities[k, OSTEOPOROSIS_INDEX]), fitted.relative)
        progress(number, count)
    after = replace(cases, probabilities=probabilities, t_estimates=t_scores, prediction_sets=sets, decisions=decisions)
    return after, count


def part_of(cases: EvaluatedCases, index: Indices) -> EvaluatedCases:
    """Some of the cases."""
    return EvaluatedCases(
        labels=cases.labels[index],
        probabilities=cases.probabilities[index],
        t_scores=cases.t_scores[index],
        t_estimates=cases.t_estimates[index],
        prediction_sets=[cases.prediction_sets[k] for k in index],
        decisions=[cases.decisions[k] for k in index],
        patients=cases.patients[index],
    )


def _fraction(right: Flags, chosen: Flags, cases: EvaluatedCases) -> Estimate:
    return clustered_proportion(right[chosen], cases.patients[chosen])


def _log_losses(cases: EvaluatedCases) -> Floats:
    return np.asarray(-np.log(np.clip(cases.probabilities[np.arange(len(cases.labels)), cases.labels], 1e-9, 1)))


def _briers(cases: EvaluatedCases) -> Floats:
    truth = np.eye(cases.probabilities.shape[1])[cases.labels]
    return np.asarray(((cases.probabilities - truth) ** 2).sum(1))


def _t_errors(cases: EvaluatedCases) -> Floats:
    return np.abs(cases.t_estimates - cases.t_scores)
