"""Classification on automatic against manual ROIs: paired AUC, non-inferiority, reclassification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from pipeline.evaluation.estimable import ONE_CLASS, gap_word, metric_words
from pipeline.evaluation.statistics.agreement import mcnemar
from pipeline.evaluation.statistics.intervals import Estimate, counts
from pipeline.evaluation.statistics.resampling import bootstrap
from pipeline.evaluation.statistics.roc import auc_value, delong_test
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.studies import ComparedStudies, Floats, Labels

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Sensitivity, specificity, PPV, NPV and accuracy of one class on one kind of ROI.

    Attributes:
        values: by name; NaN where these studies cannot give it.
        not_estimable: a word for each such metric.
    """

    values: Mapping[str, Estimate]
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAucs:
    """AUC of one class on both kinds of ROI, on the same studies.

    Attributes:
        manual: of the mean of the manual readers' probabilities.
        automatic: of the probabilities on the detector's ROIs.
        difference: automatic minus manual with DeLong's interval.
        bootstrap: the same with a percentile interval over resampled studies.
        p_difference: two-sided, that both are equal (DeLong).
        p_noninferiority: one-sided, that automatic ROIs are worse by the margin or more.
        noninferior: whether the interval of the difference lies above minus the margin; None with too few cases.
        not_estimable: a word for each of these that the studies cannot give.
    """

    manual: float
    automatic: float
    difference: Estimate
    bootstrap: Estimate
    p_difference: float
    p_noninferiority: float
    noninferior: bool | None
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassComparison:
    """One class against the rest on both kinds of ROI.

    Attributes:
        bmd_class: the class.
        cases: studies of it by DXA.
        auc: None where the class, or every other, is absent.
        p_mcnemar: that both kinds of ROI are right equally often at the most probable class.
        manual: metrics at the most probable class on manual ROIs.
        automatic: on the detector's.
    """

    bmd_class: BmdClass
    cases: int
    auc: PairedAucs | None
    p_mcnemar: float
    manual: Metrics
    automatic: Metrics


@dataclass(frozen=True, slots=True)
class Reclassification:
    """Studies by predicted class: rows on manual ROIs, columns on the detector's, int64 (3, 3) as BMD_CLASSES."""

    counts: npt.NDArray[np.int64]

    @property
    def changed(self) -> int:
        """Studies whose class differs."""
        return int(self.counts.sum() - np.trace(self.counts))


def compare_class(studies: ComparedStudies, bmd_class: BmdClass, config: ComparisonConfig) -> ClassComparison:
    """AUC and metrics at the most probable class of one class on manual and automatic ROIs."""
    column = BMD_CLASSES.index(bmd_class)
    positive = studies.labels == column
    manual, automatic = (predicted(sides) == column for sides in (studies.manual, studies.automatic))
    both = bool(positive.any() and not positive.all())
    return ClassComparison(
        bmd_class=bmd_class,
        cases=int(positive.sum()),
        auc=_paired(positive, studies.manual[:, column], studies.automatic[:, column], config) if both else None,
        p_mcnemar=mcnemar(manual == positive, automatic == positive),
        manual=_metrics(positive, manual, bmd_class),
        automatic=_metrics(positive, automatic, bmd_class),
    )


def _paired(positive: Flags, manual: Floats, automatic: Floats, config: ComparisonConfig) -> PairedAucs:
    def gap(index: Labels) -> float:
        return auc_value(positive[index], automatic[index]) - auc_value(positive[index], manual[index])

    test = delong_test(positive, manual, automatic, config.margin)
    enough = min(positive.sum(), (~positive).sum()) >= config.fewest_cases
    word = gap_word(positive)
    lacking = ("difference", "p_difference", "p_noninferiority")
    return PairedAucs(
        manual=auc_value(positive, manual),
        automatic=auc_value(positive, automatic),
        difference=test.difference,
        bootstrap=bootstrap(gap, len(positive), config.bootstrap_draws, config.seed),
        p_difference=test.p,
        p_noninferiority=test.p_noninferior,
        noninferior=test.difference.low > -config.margin if enough else None,
        not_estimable=dict.fromkeys(lacking, word) if word else {},
    )


def _metrics(positive: Flags, positive_by_model: Flags, bmd_class: BmdClass) -> Metrics:
    return Metrics(
        values=counts(positive, positive_by_model).metrics(),
        not_estimable=metric_words(positive, positive_by_model, bmd_class.value),
    )


def predicted(probabilities: Floats) -> Labels:
    """The most probable class (n,) of probabilities (n, 3)."""
    return np.asarray(probabilities.argmax(1), np.int64)


def auc_by_reader(studies: ComparedStudies) -> dict[str, float]:
    """AUC of osteoporosis by who drew the ROIs, the detector among them; NaN without osteoporosis or without others."""
    positive = studies.labels == OSTEOPOROSIS_INDEX
    return {name: auc_value(positive, scores[:, OSTEOPOROSIS_INDEX]) for name, scores in studies.probabilities.items()}


def auc_word(studies: ComparedStudies) -> str | None:
    """Why `auc_by_reader` cannot be given, or None."""
    word = gap_word(studies.labels == OSTEOPOROSIS_INDEX)
    return word if word == ONE_CLASS else None


def reclassification(studies: ComparedStudies) -> Reclassification:
    """How many studies change class from manual to automatic ROIs."""
    classes = range(len(BMD_CLASSES))
    counted = confusion_matrix(predicted(studies.manual), predicted(studies.automatic), labels=classes)
    return Reclassification(np.asarray(counted, np.int64))


def kappa(studies: ComparedStudies) -> float:
    """Cohen's kappa of the classes on both kinds of ROI; NaN where every study has the same one."""
    first, second = predicted(studies.manual), predicted(studies.automatic)
    if len(np.unique(np.concatenate((first, second)))) == 1:
        return float("nan")
    return float(cohen_kappa_score(first, second, labels=range(len(BMD_CLASSES))))
