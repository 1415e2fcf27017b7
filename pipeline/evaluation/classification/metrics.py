"""Predicted classes, probabilities and T-scores against DXA: every metric of the classification stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from classify.calibration import Decision, brier, calibration_error, perfect_calibration_error
from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.calibration import (
    ClassCalibration,
    TScoreAgreement,
    calibrations,
    t_score_agreement,
    t_score_words,
)
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.classification.decision_curves import NetBenefit, net_benefits
from pipeline.evaluation.config import DECISION_THRESHOLDS
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, ONE_PATIENT, class_words, is_lone, macro_auc_word
from pipeline.evaluation.statistics.intervals import (
    UNKNOWN,
    Estimate,
    binary_metrics,
    clustered_proportion,
    paper_auc,
)
from pipeline.evaluation.statistics.resampling import macro_auc
from pipeline.evaluation.statistics.roc import auc

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PREDICTIVE = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """One class against the rest, at the most probable class.

    Attributes:
        studies: with a class and DXA.
        cases: of this class by DXA.
        patients: of whom these studies are; intervals are by patient.
        auc: area under the ROC curve, with DeLong's interval on the logit scale.
        auc_paper_interval: the same with the interval that Mao et al. 2022 seem to print.
        sensitivity: of cases.
        specificity: of the others.
        ppv: of those predicted of this class.
        npv: of those predicted of another.
        not_estimable: a word for each metric, or its interval, that these studies cannot give.
    """

    studies: int
    cases: int
    patients: int
    auc: Estimate
    auc_paper_interval: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    not_estimable: Mapping[str, str]

    @property
    def clustered(self) -> bool:
        """Whether patients have several studies."""
        return self.patients < self.studies


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
        patients: of whom these studies are.
        clustered: whether some have several studies; every interval is by patient.
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
        unlike_training: fraction of studies with a view unlike the films of the training; None where no result tells.
        classes: each against the rest.
        calibration: of the probability of each class.
        net_benefit: of osteoporosis at each threshold.
        confusion: studies, rows by DXA and columns by prediction, both as BMD_CLASSES.
        not_estimable: a word for each metric that these studies cannot give.
    """

    studies: int
    patients: int
    clustered: bool
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
    unlike_training: Estimate | None
    classes: Mapping[BmdClass, ClassMetrics]
    calibration: Mapping[BmdClass, ClassCalibration]
    net_benefit: tuple[NetBenefit, ...]
    confusion: tuple[tuple[int, ...], ...]
    not_estimable: Mapping[str, str]


def classification_metrics(
    cases: EvaluatedCases, draws: int = 2000, seed: int = 0, thresholds: Sequence[float] = DECISION_THRESHOLDS
) -> ClassificationMetrics:
    """AUCs, accuracy, kappas, calibration, metrics at the most probable class, T-scores, sets and decisions.

    Args:
        cases: at least one study.
        draws: of the bootstraps that give the macro AUC and net benefits their intervals.
        seed: of the bootstraps.
        thresholds: probabilities of osteoporosis at which net benefits are given.
    """
    labels, probabilities, predicted = cases.labels, cases.probabilities, cases.predicted
    order = range(len(BMD_CLASSES))
    expected, expected_high = perfect_calibration_error(probabilities)
    patients = len(np.unique(cases.patients))
    return ClassificationMetrics(
        studies=len(labels),
        patients=patients,
        clustered=patients < len(labels),
        accuracy=clustered_proportion(predicted == labels, cases.patients),
        macro_auc=_macro_auc(cases, draws, seed),
        kappa=_kappa(labels, predicted, None),
        kappa_quadratic=_kappa(labels, predicted, "quadratic"),
        ece=calibration_error(probabilities, labels),
        ece_expected=expected,
        ece_expected_high=expected_high,
        brier=brier(probabilities, labels),
        t_score=t_score_agreement(cases),
        prediction_sets=_prediction_sets(cases),
        decisions=_decisions(cases),
        unlike_training=_unlike_training(cases),
        classes={c: class_metrics(cases, c) for c in BMD_CLASSES},
        calibration=calibrations(cases),
        net_benefit=net_benefits(cases, thresholds, draws, seed),
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(labels, predicted, labels=order)),
        not_estimable=_words(cases),
    )


def class_metrics(cases: EvaluatedCases, bmd_class: BmdClass = BmdClass.OSTEOPOROSIS) -> ClassMetrics:
    """One class against the rest, as the paper's tables."""
    k = BMD_CLASSES.index(bmd_class)
    truth, predicted = cases.labels == k, cases.predicted == k
    both = 0 < truth.sum() < len(truth)
    area_under_curve = auc(truth, cases.probabilities[:, k], clusters=cases.patients) if both else UNKNOWN
    metrics = binary_metrics(truth, predicted, cases.patients)
    return ClassMetrics(
        studies=len(truth),
        cases=int(truth.sum()),
        patients=len(np.unique(cases.patients)),
        auc=area_under_curve,
        auc_paper_interval=paper_auc(area_under_curve.value, len(truth)) if both else UNKNOWN,
        not_estimable=class_words(cases.labels, predicted, k, cases.patients),
        **{name: metrics[name] for name in PREDICTIVE},
    )


def _kappa(labels: Labels, predicted: Labels, weights: Literal["quadratic"] | None) -> float:
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(cohen_kappa_score(labels, predicted, labels=range(len(BMD_CLASSES)), weights=weights))


def _macro_auc(cases: EvaluatedCases, draws: int, seed: int) -> Estimate:
    if macro_auc_word(cases.labels) is not None:
        return UNKNOWN
    found = macro_auc(cases.labels, cases.probabilities, draws, seed, cases.patients)
    return Estimate(found.value, np.nan, np.nan) if _of_one_patient(cases) else found


def _of_one_patient(cases: EvaluatedCases) -> bool:
    return is_lone(np.ones(len(cases.labels), bool), cases.patients)


def _words(cases: EvaluatedCases) -> dict[str, str]:
    """A word for every metric of all classes together that these studies cannot give, by name."""
    words: dict[str, str] = {}
    if (word := macro_auc_word(cases.labels)) is not None:
        words["macro_auc"] = word
    if len(np.unique(cases.labels)) < 2:
        words.update(dict.fromkeys(("kappa", "kappa_quadratic"), ONE_CLASS))
    words.update(t_score_words(cases))
    if _of_one_patient(cases):
        lone = ("macro_auc", "accuracy", "prediction_sets", "decisions", "unlike_training", "net_benefit")
        words.update({f"{name}_interval": NOT_ESTIMABLE + ONE_PATIENT for name in lone})
    return words


def _prediction_sets(cases: EvaluatedCases) -> PredictionSets | None:
    known = np.array([bool(held) for held in cases.prediction_sets])
    if not known.any():
        return None
    holds = [BMD_CLASSES[k] in held for k, held in zip(cases.labels, cases.prediction_sets, strict=True)]
    return PredictionSets(
        coverage=clustered_proportion(np.array(holds)[known], cases.patients[known]),
        mean_size=float(np.mean([len(held) for held in cases.prediction_sets if held])),
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
        rule_in_ppv=_fraction(cases.positive, cases.patients, ruled_in),
        rule_out=int(ruled_out.sum()),
        rule_out_npv=_fraction(~cases.positive, cases.patients, ruled_out),
        indeterminate=sum(decision is Decision.INDETERMINATE for decision in cases.decisions),
    )


def _unlike_training(cases: EvaluatedCases) -> Estimate | None:
    distances = cases.feature_distances
    if distances is None:
        return None
    known, unlike = (np.asarray(shown.any(1)) for shown in (np.isfinite(distances), distances > 1))
    return _fraction(unlike, cases.patients, known)


def _fraction(right: Flags, patients: Labels, of: Flags) -> Estimate | None:
    return clustered_proportion(right[of], patients[of]) if of.any() else None
