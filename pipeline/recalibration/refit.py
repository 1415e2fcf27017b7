"""One fit of a new calibration on results that hold calibrated probabilities of the weights before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from classify.calibration import (
    CONFIDENCE,
    FAMILIAR,
    LEAST_SLOPE,
    Calibration,
    Decision,
    apply_temperature,
    distance_limit,
    fit_calibration,
)
from cohort.spine import View
from osteolens.errors import ConfigError
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.statistics.calibration import value_calibration
from pipeline.evaluation.statistics.intervals import (
    UNKNOWN,
    Clusters,
    Estimate,
    Floats,
    cluster_index,
    clustered_proportion,
)

LEAST_STORED = 2.5e-5
"""A stored probability of 0.0000 is taken for half of what would be stored as 0.0001."""

FEWEST_T_SCORES = 20
"""Patients with a T-score below which no T-score correction is fitted."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """A new calibration relative to the stored results, which the weights before have calibrated already.

    Attributes:
        relative: as if the stored probabilities and T-scores were a network's own.
        reasons: why each part is new, or why it is not, by its name.
    """

    relative: Calibration
    reasons: Mapping[str, str]

    def probabilities(self, stored: Floats) -> Floats:
        """(n, 3) newly calibrated, of stored ones."""
        return apply_temperature(unrounded(stored), self.relative.temperature)

    def t_scores(self, stored: Floats) -> Floats:
        """(n,) newly calibrated, of stored ones."""
        return self.relative.t_score_slope * stored + self.relative.t_score_offset

    def absolute(self, former: Calibration) -> Calibration:
        """The same calibration for the outputs of the network itself.

        Args:
            former: that the stored results were made with.

        Raises:
            ConfigError: it lies outside of what a calibration may be.
        """
        scaled = {
            "temperature": former.temperature * self.relative.temperature,
            "t_score_slope": former.t_score_slope * self.relative.t_score_slope,
            "t_score_offset": self.relative.t_score_slope * former.t_score_offset + self.relative.t_score_offset,
        }
        own = self.relative.distance_limits
        limits = {view: limit * own.get(view, 1.0) for view, limit in former.distance_limits.items()}
        try:
            return Calibration.model_validate({**self.relative.model_dump(), **scaled, "distance_limits": limits})
        except ValueError as error:
            raise ConfigError(
                f"the studies ask for {', '.join(f'{name} {value:.3g}' for name, value in scaled.items())}, which is "
                "no calibration; check that the T-scores of the tables are those of these patients"
            ) from error


def refit(cases: EvaluatedCases, former: Calibration) -> Refit:
    """Fit each part of the calibration anew as far as the studies support it.

    The temperature changes where the likelihood ratio test rejects the former one. Prediction sets are always fitted
    anew, since their coverage needs no more than patients. A threshold is fitted anew where the studies show its
    predictive value; else the former one stays, unless the temperature changed or the studies contradict it. The
    T-score gets a slope and an offset where the 95 % interval of the slope of DXA on the estimate excludes 1, an offset
    alone where that of the mean difference excludes 0, and else nothing. Coverage and predictive value stay those that
    the former calibration promises.

    Args:
        cases: stored results with DXA.
        former: the calibration that they were made with.

    Raises:
        ValueError: as `fit_calibration`.

    Source: Steyerberg 2019, Clinical Prediction Models, chapter 20 (update as little as the evidence asks for).
    """
    shown, own = unrounded(cases.probabilities), (former.coverage, former.predictive_value)
    fitted = fit_calibration(shown, cases.labels, cases.patients, *own)
    gain = _likelihood_ratio(shown, cases, fitted.temperature)
    changes = gain > stats.chi2.ppf(CONFIDENCE, 1)
    if not changes:
        fitted = fit_calibration(shown, cases.labels, cases.patients, *own, temperature=1.0)
    reasons = {"temperature": f"{'new' if changes else 'left as it is'}: likelihood ratio {gain:.1f}, 3.8 is needed"}
    values: dict[str, float] = {}
    confidence = fitted.confidence
    for rule in (Decision.RULED_IN, Decision.RULED_OUT):
        name = "rule_in" if rule is Decision.RULED_IN else "rule_out"
        none = (fitted.rule_in > 1) if rule is Decision.RULED_IN else (fitted.rule_out <= 0)
        kept, reasons[name.replace("_", " ")] = _threshold(cases, former, rule, none, changes)
        if kept:
            values[name], confidence = getattr(former, name), former.confidence
    values["rule_out"] = min(values.get("rule_out", fitted.rule_out), values.get("rule_in", fitted.rule_in))
    slope, offset, reasons["T-score"] = t_score_correction(cases)
    limits, told = _distance_limits(cases)
    reasons |= told
    new = {**values, "t_score_slope": slope, "t_score_offset": offset, "distance_limits": limits}
    return Refit(
        relative=Calibration.model_validate({**fitted.model_dump(), **new, "confidence": confidence}),
        reasons=reasons,
    )


def _distance_limits(cases: EvaluatedCases) -> tuple[dict[View, float], dict[str, str]]:
    """Limits of the distance from known films, as multiples of the former ones, and why each is new or is not."""
    limits: dict[View, float] = {}
    reasons: dict[str, str] = {}
    if cases.feature_distances is None:
        return limits, reasons
    for view, distances in zip(View, cases.feature_distances.T, strict=True):
        known, name = np.isfinite(distances), f"limit of unlike {view} films"
        if not known.any():
            continue
        limit = distance_limit(distances[known], cases.patients[known])
        if limit is None:
            reasons[name] = f"left as it is: too few patients to show what {100 * FAMILIAR:g} % of them keep"
        else:
            limits[view] = limit
            reasons[name] = f"new: {100 * FAMILIAR:g} % of these patients keep {limit:.2f} times the former one"
    return limits, reasons


def _likelihood_ratio(probabilities: Floats, cases: EvaluatedCases, temperature: float) -> float:
    """Twice the gain of the log-likelihood by a temperature; each patient counts once."""
    rows = np.arange(len(cases.labels))
    before, after = probabilities[rows, cases.labels], apply_temperature(probabilities, temperature)[rows, cases.labels]
    place, _ = cluster_index(cases.patients, len(rows))
    return float(2 * ((np.log(after) - np.log(before)) / np.bincount(place)[place]).sum())


def _threshold(
    cases: EvaluatedCases, former: Calibration, rule: Decision, none: bool, changes: bool
) -> tuple[bool, str]:
    """Whether the former threshold stays, and why it does or does not.

    Args:
        cases: stored results with DXA.
        former: the calibration that they were made with.
        rule: whether osteoporosis is ruled in or out.
        none: whether no new threshold could be fitted.
        changes: whether the temperature changes.
    """
    value = f"{'PPV' if rule is Decision.RULED_IN else 'NPV'} of {100 * former.predictive_value:g} %"
    if not none:
        return False, f"new: these studies show a {value}"
    chosen = np.array([decision is rule for decision in cases.decisions], bool)
    right = (cases.positive if rule is Decision.RULED_IN else ~cases.positive)[chosen]
    seen = clustered_proportion(right, cases.patients[chosen])
    of = f"{int(right.sum())} of {len(right)} right with the former one"
    if seen.high < former.predictive_value:
        return False, f"none: {of}, which contradicts a {value}"
    if changes:
        return False, f"none: the temperature changed, and these patients are too few to show a {value}"
    return True, f"left as it is: too few patients to show a {value}; {of}"


def t_score_correction(cases: EvaluatedCases) -> tuple[float, float, str]:
    """Slope and offset of the T-score that the studies support, and what they say, in words."""
    known = np.isfinite(cases.t_estimates)
    truth, estimates, patients = cases.t_scores[known], cases.t_estimates[known], cases.patients[known]
    if len(np.unique(patients)) < FEWEST_T_SCORES:
        return 1.0, 0.0, f"left as it is: fewer than {FEWEST_T_SCORES} patients with an estimate"
    line = value_calibration(truth, estimates, patients)
    shift = mean_by_patient(truth - estimates, patients)
    if _excludes(line.slope, 1.0) and line.slope.value >= LEAST_SLOPE:
        return line.slope.value, line.intercept.value, f"new: slope of DXA on the estimate {_told(line.slope)}"
    if _excludes(shift, 0.0):
        return 1.0, shift.value, f"new offset: mean of DXA minus the estimate {_told(shift)}; no slope is shown"
    return 1.0, 0.0, f"left as it is: mean of DXA minus the estimate {_told(shift)}"


def mean_by_patient(values: Floats, patients: Clusters, confidence: float = 0.95) -> Estimate:
    """Mean of values (n,) with its t interval, which allows for several studies of a patient; NaN with one patient."""
    place, count = cluster_index(patients, len(values))
    if count < 2:
        return UNKNOWN
    middle = float(values.mean())
    sums = np.bincount(place, values - middle)
    error = math.sqrt(float((sums**2).sum()) * count / (count - 1)) / len(values)
    half = float(stats.t.ppf(0.5 + confidence / 2, count - 1)) * error
    return Estimate(middle, middle - half, middle + half)


def unrounded(stored: Floats) -> Floats:
    """Probabilities (n, 3) as results store them, to four decimals, that sum to one and are never zero."""
    kept = np.maximum(stored, LEAST_STORED)
    return np.asarray(kept / kept.sum(1, keepdims=True))


def _excludes(estimate: Estimate, value: float) -> bool:
    return math.isfinite(estimate.low) and not estimate.low <= value <= estimate.high


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
