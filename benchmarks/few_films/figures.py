"""How right results are on the test patients, against the results of the weights as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.calibration import calibration_error
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate
from pipeline.evaluation.statistics.resampling import bootstrap
from pipeline.evaluation.statistics.roc import auc, auc_value

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

DRAWS = 1000
"""Resamples of patients behind an interval."""

OSTEOPOROSIS, MACRO, BIAS, MAE, LOG_LOSS, ECE = "osteoporosis_auc", "macro_auc", "t_bias", "t_mae", "log_loss", "ece"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Studies by DXA.

    Attributes:
        labels: int64 (n,), index into BMD_CLASSES.
        t_scores: (n,).
        patients: int64 (n,), equal for studies of one patient.
    """

    labels: Indices
    t_scores: Floats
    patients: Indices


@dataclass(frozen=True, slots=True)
class Results:
    """What weights say of studies, calibrated: class probabilities (n, 3) and T-scores (n,)."""

    probabilities: Floats
    t_scores: Floats

    def of(self, rows: Indices) -> Results:
        """The results of some studies."""
        return Results(self.probabilities[rows], self.t_scores[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fit, judged on the test patients.

    Attributes:
        way: of fine-tuning.
        patients: of the hospital that it was given.
        repeat: number of the draw of these patients.
        training: studies trained on.
        validation: studies that chose and calibrated.
        calibrated: whether these were enough for a calibration.
        seconds: of the fit.
        figures: by name, with 95 % intervals.
        differences: from the weights as they are, on the same test patients; those of `t_bias` are of its magnitude.
    """

    way: str
    patients: int
    repeat: int
    training: int
    validation: int
    calibrated: bool
    seconds: float
    figures: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells rows apart."""
        return self.way, self.patients, self.repeat

    def as_json(self) -> dict[str, object]:
        """For a file; numbers that cannot be given are null."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {**plain, "figures": _as_lists(self.figures), "differences": _as_lists(self.differences)}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Row:
        """From what `as_json` gave."""
        estimates = {name: _from_lists(document[name]) for name in ("figures", "differences")}
        return cls(**{name: document[name] for name in _PLAIN}, **estimates)  # type: ignore[arg-type]


_PLAIN = ("way", "patients", "repeat", "training", "validation", "calibrated", "seconds")


def figures_of(truth: Truth, results: Results, draws: int = DRAWS) -> dict[str, Estimate]:
    """Every figure with its 95 % interval: of osteoporosis after DeLong, of the others by bootstrap of patients."""

    def resampled(measure: Measure) -> Estimate:
        return bootstrap(
            lambda index: measure(truth, results, index), len(truth.labels), draws, 0, clusters=truth.patients
        )

    positive = truth.labels == OSTEOPOROSIS_INDEX
    found = {name: resampled(measure) for name, measure in MEASURES.items() if name != OSTEOPOROSIS}
    known = 0 < positive.sum() < len(positive)
    scores = results.probabilities[:, OSTEOPOROSIS_INDEX]
    return {OSTEOPOROSIS: auc(positive, scores, clusters=truth.patients) if known else UNKNOWN, **found}


def differences_of(truth: Truth, results: Results, start: Results, draws: int = DRAWS) -> dict[str, Estimate]:
    """Every figure minus that of the start on the same studies, with the interval of a bootstrap of patients; those of
    `t_bias` are differences of magnitudes."""

    def difference(name: str, index: Indices) -> float:
        ours, theirs = (MEASURES[name](truth, one, index) for one in (results, start))
        return abs(ours) - abs(theirs) if name == BIAS else ours - theirs

    def resampled(name: str) -> Estimate:
        return bootstrap(lambda index: difference(name, index), len(truth.labels), draws, 0, clusters=truth.patients)

    return {name: resampled(name) for name in MEASURES}


Measure = Callable[[Truth, Results, Indices], float]


def _osteoporosis(truth: Truth, results: Results, index: Indices) -> float:
    return _auc_of(OSTEOPOROSIS_INDEX, truth, results, index)


def _macro(truth: Truth, results: Results, index: Indices) -> float:
    return float(np.mean([_auc_of(place, truth, results, index) for place in range(len(BMD_CLASSES))]))


def _auc_of(place: int, truth: Truth, results: Results, index: Indices) -> float:
    return auc_value(truth.labels[index] == place, results.probabilities[index, place])


def _bias(truth: Truth, results: Results, index: Indices) -> float:
    return float((results.t_scores[index] - truth.t_scores[index]).mean())


def _mae(truth: Truth, results: Results, index: Indices) -> float:
    return float(np.abs(results.t_scores[index] - truth.t_scores[index]).mean())


def _log_loss(truth: Truth, results: Results, index: Indices) -> float:
    return float(-np.log(results.probabilities[index, truth.labels[index]].clip(1e-9)).mean())


def _ece(truth: Truth, results: Results, index: Indices) -> float:
    return calibration_error(results.probabilities[index], truth.labels[index])


MEASURES: Mapping[str, Measure] = {
    OSTEOPOROSIS: _osteoporosis,
    MACRO: _macro,
    BIAS: _bias,
    MAE: _mae,
    LOG_LOSS: _log_loss,
    ECE: _ece,
}
"""Each figure of some studies, by its name."""


def _as_lists(estimates: Mapping[str, Estimate]) -> dict[str, list[float | None]]:
    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {name: [known(one.value), known(one.low), known(one.high)] for name, one in estimates.items()}


def _from_lists(document: object) -> dict[str, Estimate]:
    assert isinstance(document, dict)
    return {
        name: Estimate(*(math.nan if value is None else float(value) for value in values))
        for name, values in document.items()
    }
