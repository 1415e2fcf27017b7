"""Classification on automatic against manual ROIs: the detector against the mean of the readers, and each reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, gap_word, metric_words
from pipeline.evaluation.statistics.agreement import mcnemar
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate, binary_metrics
from pipeline.evaluation.statistics.multireader import AgainstReaders, against_readers, proportions
from pipeline.evaluation.statistics.resampling import SortedScores, percentile_interval, resampled_weights
from pipeline.evaluation.statistics.roc import auc, delong
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.studies import ComparedStudies, Flags, Floats, Labels

NAN = float("nan")

NO_P = ("p_difference", "p_noninferiority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """AUC, sensitivity, specificity, PPV, NPV and accuracy of one class on the ROIs of one reader or the detector.

    Attributes:
        values: by name, the AUC with its interval on the logit scale; NaN where these studies cannot give it.
        not_estimable: a word for each such metric.
    """

    values: Mapping[str, Estimate]
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A figure of merit on the detector's ROIs against the mean of the readers'.

    Attributes:
        readers: mean of the readers with its interval.
        automatic: on the detector's ROIs.
        difference: automatic minus the mean of the readers.
        degrees_of_freedom: of the difference; infinite where it is normal.
        p_difference: two-sided, that both are equal; NaN with too few cases.
        p_noninferiority: one-sided, that automatic ROIs are worse by the margin or more; NaN with too few cases.
        noninferior: whether the interval of the difference lies above minus the margin; None with too few cases.
        not_estimable: a word for each of these that the studies cannot give.
    """

    readers: Estimate
    automatic: Estimate
    difference: Estimate
    degrees_of_freedom: float
    p_difference: float
    p_noninferiority: float
    noninferior: bool | None
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassComparison:
    """One class against the rest, automatic against manual ROIs.

    Attributes:
        bmd_class: the class.
        cases: studies of it by DXA.
        auc: None where the class, or every other, is absent.
        bootstrap: difference of the AUCs with a percentile interval over patients, readers fixed; None as `auc`.
        sensitivity: at the most probable class; None where the class is absent.
        specificity: None where every other class is absent.
        p_mcnemar: that both ROIs are right equally often; NaN with several readers or several studies of a patient.
        readers: metrics of each reader.
        mean_of_readers: of the mean of their probabilities, one more reader.
        automatic: of the detector.
        not_estimable: why there is no p_mcnemar.
    """

    bmd_class: BmdClass
    cases: int
    auc: Compared | None
    bootstrap: Estimate | None
    sensitivity: Compared | None
    specificity: Compared | None
    p_mcnemar: float
    readers: Mapping[str, Metrics]
    mean_of_readers: Metrics
    automatic: Metrics
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reclassification:
    """Readings by predicted class: rows on a reader's ROIs, columns on the detector's, int64 (3, 3) as BMD_CLASSES."""

    counts: npt.NDArray[np.int64]

    @property
    def changed(self) -> int:
        """Readings whose class differs."""
        return int(self.counts.sum() - np.trace(self.counts))


def compare_class(studies: ComparedStudies, bmd_class: BmdClass, config: ComparisonConfig) -> ClassComparison:
    """One class on manual and automatic ROIs."""
    positive = studies.labels == BMD_CLASSES.index(bmd_class)
    areas = compare_auc(studies, bmd_class, config)
    word = _mcnemar_word(studies)
    called = _called(studies, bmd_class)
    sensitivity, specificity = compare_right(studies, bmd_class, config)
    return ClassComparison(
        bmd_class=bmd_class,
        cases=int(positive.sum()),
        auc=areas,
        bootstrap=None if areas is None else _bootstrap(studies, bmd_class, config, areas),
        sensitivity=sensitivity,
        specificity=specificity,
        p_mcnemar=NAN if word else mcnemar(called[0] == positive, called[1] == positive),
        readers={name: _metrics(studies, reader.probabilities, bmd_class) for name, reader in studies.readers.items()},
        mean_of_readers=_metrics(studies, studies.mean_of_readers.probabilities, bmd_class),
        automatic=_metrics(studies, studies.automatic.probabilities, bmd_class),
        not_estimable={"p_mcnemar": word} if word else {},
    )


def compare_auc(studies: ComparedStudies, bmd_class: BmdClass, config: ComparisonConfig) -> Compared | None:
    """AUC of a class against the rest; None where the class, or every other, is absent."""
    positive = studies.labels == BMD_CLASSES.index(bmd_class)
    if not positive.any() or positive.all():
        return None
    scores, patients = _scores(studies, bmd_class), studies.patients
    compared = against_readers(*delong(positive, scores, patients))
    return _compared(
        compared,
        auc(positive, scores[-1], clusters=patients),
        _few(studies, positive, config),
        gap_word(positive),
        config,
    )


def compare_right(
    studies: ComparedStudies, bmd_class: BmdClass, config: ComparisonConfig
) -> tuple[Compared | None, Compared | None]:
    """Sensitivity and specificity of the most probable class; None where no study counts."""
    positive, called = studies.labels == BMD_CLASSES.index(bmd_class), _called(studies, bmd_class)
    return (
        _compare_right(studies, called, positive, config),
        _compare_right(studies, ~called, ~positive, config),
    )


def _compare_right(studies: ComparedStudies, right: Flags, among: Flags, config: ComparisonConfig) -> Compared | None:
    """A fraction of right calls (readers + 1, n) among some studies (n,)."""
    if not among.any():
        return None
    patients = studies.patients[among]
    compared = against_readers(*proportions(right[:, among], patients))
    found = binary_metrics(np.ones(int(among.sum()), bool), right[-1, among], patients)["sensitivity"]
    few = _too_few(int(among.sum()), patients, config)
    return _compared(compared, found, few, "1 study" if among.sum() == 1 else None, config)


def _compared(
    found: AgainstReaders, automatic: Estimate, few: str | None, gap: str | None, config: ComparisonConfig
) -> Compared:
    word = gap if gap is None or gap.startswith(NOT_ESTIMABLE) else NOT_ESTIMABLE + gap
    if word is None and found.difference.standard_error == 0 and found.readers.value in (0, 1):
        word = f"{NOT_ESTIMABLE}all values are {found.readers.value:g}, without variance"
    no_p = word or few
    interval = found.difference.interval() if word is None else Estimate(found.difference.value, NAN, NAN)
    lacking = {**({"difference": word} if word else {}), **(dict.fromkeys(NO_P, no_p) if no_p else {})}
    return Compared(
        readers=found.readers.logit_interval(),
        automatic=automatic,
        difference=interval,
        degrees_of_freedom=found.difference.degrees_of_freedom,
        p_difference=NAN if no_p else found.difference.unequal(),
        p_noninferiority=NAN if no_p else found.difference.above(-config.margin),
        noninferior=None if no_p else interval.low > -config.margin,
        not_estimable=lacking,
    )


def _few(studies: ComparedStudies, positive: Flags, config: ComparisonConfig) -> str | None:
    words = (
        _too_few(int(part.sum()), studies.patients[part], config, name)
        for part, name in ((positive, "cases"), (~positive, "others"))
    )
    return next((word for word in words if word), None)


def _too_few(studies: int, patients: Labels, config: ComparisonConfig, name: str = "cases") -> str | None:
    people = len(np.unique(patients))
    if people >= config.fewest_cases:
        return None
    counted = f"{people} {name}" if people == studies else f"{name} of {people} patients"
    return f"{NOT_ESTIMABLE}{counted}, fewer than {config.fewest_cases}"


def _mcnemar_word(studies: ComparedStudies) -> str | None:
    if len(studies.readers) > 1:
        return f"{NOT_ESTIMABLE}several readers; see the differences of sensitivity and specificity"
    if len(set(studies.patient_ids)) < len(studies.patient_ids):
        return f"{NOT_ESTIMABLE}several studies of a patient"
    return None


def _scores(studies: ComparedStudies, bmd_class: BmdClass) -> Floats:
    """Probabilities of one class (readers + 1, n), the detector's last."""
    column = BMD_CLASSES.index(bmd_class)
    return np.array([r.probabilities[:, column] for r in (*studies.readers.values(), studies.automatic)])


def _called(studies: ComparedStudies, bmd_class: BmdClass) -> Flags:
    """Whether a class is the most probable one (readers + 1, n), the detector's last."""
    column = BMD_CLASSES.index(bmd_class)
    return np.array([r.predicted == column for r in (*studies.readers.values(), studies.automatic)])


def _bootstrap(studies: ComparedStudies, bmd_class: BmdClass, config: ComparisonConfig, areas: Compared) -> Estimate:
    if "difference" in areas.not_estimable:
        return Estimate(areas.difference.value, NAN, NAN)
    positive, patients = studies.labels == BMD_CLASSES.index(bmd_class), studies.patients
    readers = [SortedScores.of(positive, row) for row in _scores(studies, bmd_class)]

    def gap(weights: Floats) -> float:
        values = [reader.auc(weights) for reader in readers]
        return float(values[-1] - np.mean(values[:-1]))

    drawn = [
        gap(weights) for weights in resampled_weights(len(positive), config.bootstrap_draws, config.seed, patients)
    ]
    return percentile_interval(gap(np.ones(len(positive))), np.array(drawn))


def _metrics(studies: ComparedStudies, probabilities: Floats, bmd_class: BmdClass) -> Metrics:
    column = BMD_CLASSES.index(bmd_class)
    positive, called = studies.labels == column, probabilities.argmax(1) == column
    word = gap_word(positive)
    area = UNKNOWN if word == ONE_CLASS else auc(positive, probabilities[:, column], clusters=studies.patients)
    return Metrics(
        values={"auc": area, **binary_metrics(positive, called, studies.patients)},
        not_estimable={**({"auc": word} if word else {}), **metric_words(positive, called, bmd_class.value)},
    )


def reclassification(studies: ComparedStudies) -> Reclassification:
    """How many readings change class from a reader's to the detector's ROIs."""
    classes = range(len(BMD_CLASSES))
    counted = [
        confusion_matrix(reader.predicted, studies.automatic.predicted, labels=classes)
        for reader in studies.readers.values()
    ]
    return Reclassification(np.sum(counted, 0, dtype=np.int64))


def kappas(studies: ComparedStudies) -> dict[str, float]:
    """Cohen's kappa of each reader's classes and the detector's; NaN where all of them are the same class."""
    return {name: _kappa(reader.predicted, studies.automatic.predicted) for name, reader in studies.readers.items()}


def _kappa(first: Labels, second: Labels) -> float:
    if len(np.unique(np.concatenate((first, second)))) == 1:
        return float("nan")
    return float(cohen_kappa_score(first, second, labels=range(len(BMD_CLASSES))))
