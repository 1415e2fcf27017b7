"""Osteoporosis at chosen thresholds, with what each choice promises for other studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.calibration import Decision
from cohort.bmd import OSTEOPOROSIS_INDEX
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.estimable import NOT_ESTIMABLE, is_lone, metric_words
from pipeline.evaluation.statistics.intervals import (
    UNKNOWN,
    Clusters,
    Estimate,
    Flags,
    binary_metrics,
    counts,
    design_effect,
)
from pipeline.evaluation.statistics.thresholds import (
    predictive_values,
    threshold_for_predictive_value,
    threshold_for_sensitivity,
)

CONFIDENCE = 0.95
"""With which the thresholds that are chosen by a lower bound reach their value on other studies."""

METRICS = ("sensitivity", "specificity", "ppv", "npv", "accuracy")

Floats = npt.NDArray[np.float64]
Chooser = Callable[[Flags, Floats], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveValues:
    """PPV and NPV at a prevalence, by sensitivity and specificity, with a word for what these studies cannot give."""

    prevalence: float
    ppv: Estimate
    npv: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Metrics of one way to predict osteoporosis; intervals are by patient.

    Attributes:
        name: of the way.
        threshold: probability of osteoporosis from which it is predicted; None where it is not by one threshold, or
            where no threshold keeps the promise.
        promise: what the choice of the threshold promises for other studies; empty where it promises nothing.
        studies: that were predicted.
        sensitivity: of osteoporosis by DXA.
        specificity: of the other classes.
        ppv: of predicted osteoporosis.
        npv: of the other predictions.
        accuracy: of both.
        at_prevalence: PPV and NPV where osteoporosis is as common as the setting `prevalence` says; None without it.
        not_estimable: a word for each metric that these studies cannot give.
    """

    name: str
    threshold: float | None = None
    promise: str = ""
    studies: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate
    at_prevalence: PredictiveValues | None = None
    not_estimable: Mapping[str, str]


def operating_points(cases: EvaluatedCases, config: EvaluationConfig) -> tuple[OperatingPoint, ...]:
    """Osteoporosis at the most probable class, by the weights' decisions, and at thresholds chosen on these studies.

    A threshold that is chosen by a lower bound takes the first study of each patient, so that every case counts once.
    """
    positive, prevalence = cases.positive, config.prevalence
    likely = cases.predicted == OSTEOPOROSIS_INDEX
    points = [operating_point("most probable class", None, positive, likely, cases.patients, prevalence)]
    points += _by_decision(cases, prevalence)
    if positive.any():
        points.append(_at_sensitivity(cases, config.sensitivity, prevalence))
    points += (_promised(cases, *goal, prevalence) for goal in _goals(config))
    return tuple(points)


def operating_point(
    name: str,
    threshold: float | None,
    positive: Flags,
    predicted: Flags,
    clusters: Clusters | None = None,
    prevalence: float | None = None,
    promise: str = "",
) -> OperatingPoint:
    """Metrics of predictions (n,) of osteoporosis against truth (n,).

    Args:
        name: of the way to predict it.
        threshold: probability of osteoporosis from which it is predicted, or None.
        positive: (n,) truth.
        predicted: (n,) predictions.
        clusters: (n,) patient of each study; None where every study is a patient of its own.
        prevalence: at which predictive values are also given, or None.
        promise: what the choice of the threshold promises for other studies.
    """
    words = metric_words(positive, predicted, patients=clusters)
    return OperatingPoint(
        name=name,
        threshold=threshold,
        promise=promise,
        studies=len(positive),
        at_prevalence=None if prevalence is None else _at_prevalence(positive, predicted, clusters, prevalence, words),
        not_estimable=words,
        **binary_metrics(positive, predicted, clusters),
    )


def _at_prevalence(
    positive: Flags, predicted: Flags, clusters: Clusters | None, prevalence: float, words: Mapping[str, str]
) -> PredictiveValues:
    """By the counts, those of each class divided by its design effect where patients have several studies."""
    counted = counts(positive, predicted)
    lone = is_lone(positive, clusters) or is_lone(~positive, clusters)
    in_cases, in_others = (
        1.0 if lone or not side.any() else design_effect(predicted[side], None if clusters is None else clusters[side])
        for side in (positive, ~positive)
    )
    ppv, npv = predictive_values(
        counted.tp / in_cases, counted.fn / in_cases, counted.fp / in_others, counted.tn / in_others, prevalence
    )
    if lone:
        ppv, npv = (Estimate(found.value, np.nan, np.nan) for found in (ppv, npv))
    known = {"ppv": ppv, "npv": npv}
    return PredictiveValues(prevalence=prevalence, not_estimable=_prevalence_words(known, words), **known)


def _prevalence_words(values: Mapping[str, Estimate], words: Mapping[str, str]) -> dict[str, str]:
    """Words for predictive values at the prevalence, from those for what they come from."""
    found = {}
    for name, estimate in values.items():
        sources = ("sensitivity", "specificity", name, "sensitivity_interval", "specificity_interval")
        word = next((words[source] for source in sources if source in words), "")
        if word and np.isnan(estimate.value):
            found[name] = word
        elif word and np.isnan(estimate.low):
            found[f"{name}_interval"] = word
    return found


def _by_decision(cases: EvaluatedCases, prevalence: float | None) -> Iterator[OperatingPoint]:
    """The weights' rule-in and rule-out, as the results hold them."""
    known = np.array([decision is not None for decision in cases.decisions], bool)
    if not known.any():
        return
    promise = "chosen with the weights, on their validation studies"
    for decision, called, name in (
        (Decision.RULED_IN, True, "ruled in by the weights"),
        (Decision.RULED_OUT, False, "not ruled out by the weights"),
    ):
        predicted = np.array([(found is decision) == called for found in cases.decisions], bool)
        yield operating_point(
            name, None, cases.positive[known], predicted[known], cases.patients[known], prevalence, promise
        )


def _at_sensitivity(cases: EvaluatedCases, sensitivity: float, prevalence: float | None) -> OperatingPoint:
    threshold = threshold_for_sensitivity(cases.positive, cases.p_osteoporosis, sensitivity)
    return operating_point(
        f"sensitivity of {_percent(sensitivity)} on these studies",
        threshold,
        cases.positive,
        cases.p_osteoporosis >= threshold,
        cases.patients,
        prevalence,
        "optimistic: chosen and measured on the same studies; on others the sensitivity may well be lower",
    )


def _goals(config: EvaluationConfig) -> Iterator[tuple[str, float, Chooser]]:
    """Metric, value and how a threshold is chosen that reaches it on other studies."""
    sensitivity, value = config.sensitivity, config.predictive_value
    yield (
        "sensitivity",
        sensitivity,
        lambda positive, scores: (
            threshold_for_sensitivity(positive, scores, sensitivity, CONFIDENCE) if positive.any() else None
        ),
    )
    for name, above in (("PPV", True), ("NPV", False)):
        yield name, value, _predictive_value_chooser(value, above)


def _predictive_value_chooser(value: float, above: bool) -> Chooser:
    return lambda positive, scores: threshold_for_predictive_value(positive, scores, value, CONFIDENCE, above)


def _promised(
    cases: EvaluatedCases, metric: str, value: float, choose: Chooser, prevalence: float | None
) -> OperatingPoint:
    """A point whose metric reaches a value on other studies, with confidence; or the word that none does."""
    first = np.unique(cases.patients, return_index=True)[1]
    positive, scores = cases.positive[first], cases.p_osteoporosis[first]
    threshold = choose(positive, scores)
    name = f"{metric} of at least {_percent(value)} on other studies"
    if threshold is None:
        word = (
            f"{metric} of {_percent(value)} is promised by no threshold with {_percent(CONFIDENCE)} confidence "
            f"by {len(first)} patients, {int(positive.sum())} with osteoporosis"
        )
        return _unreached(name, word, len(cases.labels), METRICS)
    promise = (
        f"{metric} of {_percent(value)} or more with {_percent(CONFIDENCE)} confidence on studies like these"
        + (", of the same prevalence" if metric != "sensitivity" else "")
        + (", chosen by the first study of each patient" if len(first) < len(cases.labels) else "")
    )
    predicted = cases.p_osteoporosis >= threshold
    return operating_point(name, threshold, cases.positive, predicted, cases.patients, prevalence, promise)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g} %"


def _unreached(name: str, word: str, studies: int, metrics: Sequence[str]) -> OperatingPoint:
    return OperatingPoint(
        name=name,
        threshold=None,
        promise=word,
        studies=studies,
        at_prevalence=None,
        not_estimable=dict.fromkeys(metrics, NOT_ESTIMABLE + word),
        **dict.fromkeys(metrics, UNKNOWN),
    )
