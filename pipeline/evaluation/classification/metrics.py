"""Predicted classes, probabilities and T-scores against DXA: every metric of the classification stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from classify.calibration import Decision, brier, calibration_error, perfect_calibration_error
from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, class_words, macro_auc_word
from pipeline.evaluation.statistics.agreement import bland_altman
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate, counts, paper_auc, proportion
from pipeline.evaluation.statistics.resampling import bootstrap
from pipeline.evaluation.statistics.roc import auc, auc_value

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEWEST_T_SCORES = 3
"""Estimated T-scores below which no agreement is given."""

PREDICTIVE = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """One class against the rest, at the most probable class.

    Attributes:
        studies: with a class and DXA.
        cases: of this class by DXA.
        auc: area under the ROC curve, with DeLong's interval.
        auc_paper_interval: the same with the interval that Mao et al. 2022 seem to print.
        sensitivity: of cases.
        specificity: of the others.
        ppv: of those predicted of this class.
        npv: of those predicted of another.
        not_estimable: a word for each metric, or its interval, that these studies cannot give.
    """

    studies: int
    cases: int
    auc: Estimate
    auc_paper_interval: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TScoreAgreement:
    """Estimated T-scores against DXA.

    Attributes:
        mae: mean absolute error.
        r: Pearson's.
        bias: mean of estimate minus DXA, with the 95 % limits of agreement as its interval.
    """

    mae: float
    r: float
    bias: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSets:
    """Fraction of prediction sets that hold the truth, and their mean size."""

    coverage: Estimate
    mean_size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Studies ruled in, ruled out and indeterminate, and the predictive values of the first two, None without any."""

    rule_in: int
    rule_in_ppv: Estimate | None
    rule_out: int
    rule_out_npv: Estimate | None
    indeterminate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationMetrics:
    """Every metric of the classification stage over some studies; NaN where they cannot give it.

    Attributes:
        studies: with a class and DXA.
        accuracy: at the most probable class.
        macro_auc: mean AUC of the three classes, with its bootstrap interval.
        kappa: Cohen's, of three classes.
        kappa_quadratic: with quadratic weights.
        ece: expected calibration error.
        ece_expected: the ECE expected under perfect calibration, its mean.
        ece_expected_high: its 95th percentile.
        brier: score.
        t_score: None where no T-score was estimated.
        prediction_sets: None where there are none.
        decisions: None where there are none.
        classes: each against the rest.
        confusion: studies, rows by DXA and columns by prediction, both as BMD_CLASSES.
        not_estimable: a word for each metric that these studies cannot give.
    """

    studies: int
    accuracy: Estimate
    macro_auc: Estimate
    kappa: float
    kappa_quadratic: float
    ece: float
    ece_expected: float
    ece_expected_high: float
    brier: float
    t_score: TScoreAgreement | None
    prediction_sets: PredictionSets | None
    decisions: Decisions | None
    classes: Mapping[BmdClass, ClassMetrics]
    confusion: tuple[tuple[int, ...], ...]
    not_estimable: Mapping[str, str]


def classification_metrics(cases: EvaluatedCases, draws: int = 2000, seed: int = 0) -> ClassificationMetrics:
    """AUCs, accuracy, kappas, calibration, metrics at the most probable class, T-scores, sets and decisions.

    Args:
        cases: at least one study.
        draws: of the bootstrap that gives the macro AUC its interval.
        seed: of the bootstrap.
    """
    labels, probabilities, predicted = cases.labels, cases.probabilities, cases.predicted
    order = range(len(BMD_CLASSES))
    expected, expected_high = perfect_calibration_error(probabilities)
    return ClassificationMetrics(
        studies=len(labels),
        accuracy=proportion(int((predicted == labels).sum()), len(labels)),
        macro_auc=_macro_auc(labels, probabilities, draws, seed),
        kappa=_kappa(labels, predicted, None),
        kappa_quadratic=_kappa(labels, predicted, "quadratic"),
        ece=calibration_error(probabilities, labels),
        ece_expected=expected,
        ece_expected_high=expected_high,
        brier=brier(probabilities, labels),
        t_score=_t_score_agreement(cases),
        prediction_sets=_prediction_sets(cases),
        decisions=_decisions(cases),
        classes={c: class_metrics(cases, c) for c in BMD_CLASSES},
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(labels, predicted, labels=order)),
        not_estimable=_words(cases),
    )


def class_metrics(cases: EvaluatedCases, bmd_class: BmdClass = BmdClass.OSTEOPOROSIS) -> ClassMetrics:
    """One class against the rest, as the paper's tables."""
    k = BMD_CLASSES.index(bmd_class)
    truth, predicted = cases.labels == k, cases.predicted == k
    both = 0 < truth.sum() < len(truth)
    area_under_curve = auc(truth, cases.probabilities[:, k]) if both else UNKNOWN
    metrics = counts(truth, predicted).metrics()
    return ClassMetrics(
        studies=len(truth),
        cases=int(truth.sum()),
        auc=area_under_curve,
        auc_paper_interval=paper_auc(area_under_curve.value, len(truth)) if both else UNKNOWN,
        not_estimable=class_words(cases.labels, predicted, k),
        **{name: metrics[name] for name in PREDICTIVE},
    )


def _kappa(labels: Labels, predicted: Labels, weights: Literal["quadratic"] | None) -> float:
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(cohen_kappa_score(labels, predicted, labels=range(len(BMD_CLASSES)), weights=weights))


def _macro_auc(labels: Labels, probabilities: Floats, draws: int, seed: int) -> Estimate:
    if macro_auc_word(labels) is not None:
        return UNKNOWN

    def macro(cases: Labels) -> float:
        return float(np.mean([auc_value(labels[cases] == k, probabilities[cases, k]) for k in range(len(BMD_CLASSES))]))

    return bootstrap(macro, len(labels), draws, seed)


def _words(cases: EvaluatedCases) -> dict[str, str]:
    """A word for every metric of all classes together that these studies cannot give, by name."""
    words: dict[str, str] = {}
    if (word := macro_auc_word(cases.labels)) is not None:
        words["macro_auc"] = word
    if len(np.unique(cases.labels)) < 2:
        words.update(dict.fromkeys(("kappa", "kappa_quadratic"), ONE_CLASS))
    known = np.isfinite(cases.t_estimates)
    if 0 < known.sum() < FEWEST_T_SCORES:
        words["t_score"] = f"{NOT_ESTIMABLE}{known.sum()} estimated T-scores, {FEWEST_T_SCORES} are needed"
    elif known.any() and min(np.ptp(cases.t_scores[known]), np.ptp(cases.t_estimates[known])) == 0:
        words["r"] = f"{NOT_ESTIMABLE}the T-scores do not vary"
    return words


def _t_score_agreement(cases: EvaluatedCases) -> TScoreAgreement | None:
    known = np.isfinite(cases.t_estimates)
    if known.sum() < FEWEST_T_SCORES:
        return None
    truth, estimates = cases.t_scores[known], cases.t_estimates[known]
    agreement = bland_altman(truth, estimates)
    return TScoreAgreement(
        mae=float(np.abs(estimates - truth).mean()),
        r=agreement.r,
        bias=Estimate(agreement.bias, agreement.low, agreement.high),
    )


def _prediction_sets(cases: EvaluatedCases) -> PredictionSets | None:
    pairs = [(BMD_CLASSES[k], held) for k, held in zip(cases.labels, cases.prediction_sets, strict=True) if held]
    if not pairs:
        return None
    return PredictionSets(
        coverage=proportion(sum(truth in held for truth, held in pairs), len(pairs)),
        mean_size=float(np.mean([len(held) for _, held in pairs])),
    )


def _decisions(cases: EvaluatedCases) -> Decisions | None:
    """How often a study is decided, and the predictive values where it is."""
    if not any(cases.decisions):
        return None
    ruled_in, ruled_out = (
        np.array([decision is kind for decision in cases.decisions]) for kind in (Decision.RULED_IN, Decision.RULED_OUT)
    )
    return Decisions(
        rule_in=int(ruled_in.sum()),
        rule_in_ppv=_fraction(cases.positive[ruled_in]),
        rule_out=int(ruled_out.sum()),
        rule_out_npv=_fraction(~cases.positive[ruled_out]),
        indeterminate=sum(decision is Decision.INDETERMINATE for decision in cases.decisions),
    )


def _fraction(right: npt.NDArray[np.bool_]) -> Estimate | None:
    return proportion(int(right.sum()), len(right)) if len(right) else None
