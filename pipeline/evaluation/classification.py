"""Predicted classes, shares and T-scores against DXA: every figure of the classification stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from classify.calibration import Decision, brier, calibration_error, chance_calibration_error
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, area_word, class_words
from pipeline.evaluation.statistics import Estimate, auc, bland_altman, counts, proportion

Figures = dict[str, float | int]
FEWEST_T_SCORES = 3
"""Estimated T-scores below which no agreement is given."""

T_SCORE_FIGURES = ("t_score_mae", "t_score_r", "t_score_bias", "t_score_limit_low", "t_score_limit_high")


@dataclass(frozen=True, slots=True)
class EvaluatedCases:
    """Studies with a class and DXA.

    Attributes:
        labels: int64 (n,), index into BMD_CLASSES by DXA.
        shares: (n, 3), predicted.
        t_scores: (n,) by DXA.
        t_estimates: (n,) predicted; NaN where none.
        sets: prediction set of each, empty where none.
        decisions: of each, None where none.
    """

    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    t_scores: npt.NDArray[np.float64]
    t_estimates: npt.NDArray[np.float64]
    sets: Sequence[frozenset[str]]
    decisions: Sequence[str | None]


def classification_metrics(judged: EvaluatedCases) -> Figures:
    """Areas with DeLong's interval, accuracy, kappas, calibration, osteoporosis at the most probable class, T-scores.

    What a cohort cannot tell (an area without the class or without others, agreement of T-scores without estimates) is
    left out or NaN; `not_estimable` says why.
    """
    labels, shares = judged.labels, judged.shares
    called = shares.argmax(1)
    figures: Figures = {"studies_with_dxa": len(labels), "accuracy": float(np.mean(called == labels))}
    present = [k for k in range(len(BMD_CLASSES)) if 0 < (labels == k).sum() < len(labels)]
    areas = {BMD_CLASSES[k].value: auc(labels == k, shares[:, k]) for k in present}
    if len(areas) == len(BMD_CLASSES):
        figures["macro_auc"] = float(np.mean([area.value for area in areas.values()]))
    for name, area in areas.items():
        figures.update(_interval(f"auc_{name}", area))
    if len(np.unique(labels)) > 1:
        figures["kappa"] = float(cohen_kappa_score(labels, called, labels=range(len(BMD_CLASSES))))
        figures["kappa_quadratic"] = float(
            cohen_kappa_score(labels, called, labels=range(len(BMD_CLASSES)), weights="quadratic")
        )
    figures["ece"] = calibration_error(shares, labels)
    figures["ece_by_chance"], figures["ece_by_chance_high"] = chance_calibration_error(shares)
    figures["brier"] = brier(shares, labels)
    for name, value in counts(labels == OSTEOPOROSIS_INDEX, called == OSTEOPOROSIS_INDEX).metrics().items():
        if name != "accuracy":
            figures.update(_interval(f"osteoporosis_{name}", value))
    return {**figures, **_t_scores(judged), **_sets(judged), **_decisions(judged)}


def not_estimable(judged: EvaluatedCases) -> dict[str, str]:
    """A word for every figure of `classification_metrics` that these studies cannot give, by name."""
    labels, called = judged.labels, judged.shares.argmax(1)
    found: dict[str, str] = {}
    if (word := area_word(labels)) is not None:
        found["macro_auc"] = word
    for k, c in enumerate(BMD_CLASSES):
        words = class_words(labels, called == k, k)
        sides = (f"auc_{c.value}_low", f"auc_{c.value}_high")
        if "auc" in words:
            found.update(dict.fromkeys((f"auc_{c.value}", *sides), words["auc"]))
        if "auc_interval" in words:
            found.update(dict.fromkeys(sides, words["auc_interval"]))
        for name in ("sensitivity", "specificity", "ppv", "npv") if k == OSTEOPOROSIS_INDEX else ():
            if name in words:
                keys = [f"osteoporosis_{name}{side}" for side in ("", "_low", "_high")]
                found.update(dict.fromkeys(keys, words[name]))
    if len(np.unique(labels)) < 2:
        found.update(dict.fromkeys(("kappa", "kappa_quadratic"), ONE_CLASS))
    known = np.isfinite(judged.t_estimates)
    if 0 < known.sum() < FEWEST_T_SCORES:
        word = f"{NOT_ESTIMABLE}{known.sum()} estimated T-scores, {FEWEST_T_SCORES} are needed"
        found.update(dict.fromkeys(T_SCORE_FIGURES, word))
    elif known.any() and min(np.ptp(judged.t_scores[known]), np.ptp(judged.t_estimates[known])) == 0:
        found["t_score_r"] = f"{NOT_ESTIMABLE}the T-scores do not vary"
    return found


def _interval(name: str, found: Estimate) -> Figures:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _t_scores(judged: EvaluatedCases) -> Figures:
    known = np.isfinite(judged.t_estimates)
    if known.sum() < FEWEST_T_SCORES:
        return {}
    truth, found = judged.t_scores[known], judged.t_estimates[known]
    agreement = bland_altman(truth, found)
    return {
        "t_score_mae": float(np.abs(found - truth).mean()),
        "t_score_r": agreement.r,
        "t_score_bias": agreement.bias,
        "t_score_limit_low": agreement.low,
        "t_score_limit_high": agreement.high,
    }


def _sets(judged: EvaluatedCases) -> Figures:
    held = [BMD_CLASSES[k].value in own for k, own in zip(judged.labels, judged.sets, strict=True) if own]
    if not held:
        return {}
    sizes = [len(own) for own in judged.sets if own]
    return {**_interval("set_coverage", proportion(sum(held), len(held))), "set_size_mean": float(np.mean(sizes))}


def _decisions(judged: EvaluatedCases) -> Figures:
    """How often the zone of no decision is left, and the predictive values outside it."""
    if not any(judged.decisions):
        return {}
    figures: Figures = {}
    positive = judged.labels == OSTEOPOROSIS_INDEX
    for decision, name, right in ((Decision.LIKELY, "ppv", positive), (Decision.UNLIKELY, "npv", ~positive)):
        taken = np.array([own == decision.value for own in judged.decisions])
        figures[f"decided_{decision.name.lower()}"] = int(taken.sum())
        if taken.any():
            figures.update(_interval(f"decided_{name}", proportion(int(right[taken].sum()), int(taken.sum()))))
    figures["undecided"] = sum(own == Decision.UNDECIDED.value for own in judged.decisions)
    return figures
