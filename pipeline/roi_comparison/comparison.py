"""The result of a comparison of manual and automatic ROIs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from pipeline.evaluation.estimable import NOT_ESTIMABLE
from pipeline.evaluation.statistics.agreement import BlandAltman, bland_altman
from pipeline.evaluation.statistics.multireader import FEWEST_RANDOM_READERS
from pipeline.roi_comparison import agreement, classification, document, failures, tables
from pipeline.roi_comparison.agreement import EdgeDifference, Overlap, Overlaps, Reliability
from pipeline.roi_comparison.classification import ClassComparison, Compared, Reclassification
from pipeline.roi_comparison.config import DEFAULT_COMPARISON, ComparisonConfig
from pipeline.roi_comparison.failures import Performance
from pipeline.roi_comparison.read import Cause, LeftOut
from pipeline.roi_comparison.studies import ComparedStudies

DESIGNS = {
    True: "readers and cases random (Obuchowski-Rockette, Hillis): it holds for readers like these",
    False: "cases random, readers fixed: it holds for these readers alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Overlaps, distances in mm, and classification on automatic against manual ROIs, reader by reader.

    What the studies cannot give is NaN.

    Attributes:
        studies: that were compared, with those on which the detector failed.
        config: settings.
        left_out: every other study, and those on which the detector failed, with the reason.
        unreadable_rois: lines of the manual ROIs that cannot be read, or contradict each other, and were left out.
        table_notes: what the cohort's tables lack.
        overlap_between_readers: of every two manual readers; empty with one.
        overlap_with_detector: of the manual readers with the detector.
        overlap_by_pair: of every two manual readers over both views.
        overlap_by_reader: of each manual reader with the detector over both views.
        differences_mm: detector minus the mean of the manual readers.
        reliability: intraclass correlation of the boxes in mm by view, level and measure.
        classes: each class against the rest.
        complete_cases: osteoporosis on the studies with automatic ROIs.
        worst_case: the same with every failure of the detector counted against it; None without failures.
        kappa_by_reader: Cohen's kappa of the predicted classes on each reader's and the detector's ROIs.
        reclassification: readings that change class.
        p_osteoporosis: agreement of the probabilities of osteoporosis, detector against the mean of the readers.
    """

    studies: ComparedStudies
    config: ComparisonConfig
    left_out: Mapping[str, LeftOut]
    unreadable_rois: tuple[str, ...]
    table_notes: tuple[str, ...]
    overlap_between_readers: Overlaps
    overlap_with_detector: Overlaps
    overlap_by_pair: Mapping[tuple[str, str], Overlap]
    overlap_by_reader: Mapping[str, Overlap]
    differences_mm: tuple[EdgeDifference, ...]
    reliability: tuple[Reliability, ...]
    classes: tuple[ClassComparison, ...]
    complete_cases: Performance
    worst_case: Performance | None
    kappa_by_reader: Mapping[str, float]
    reclassification: Reclassification
    p_osteoporosis: BlandAltman

    @property
    def count(self) -> int:
        """Number of studies that were compared."""
        return len(self.studies.study_uids)

    @property
    def failed(self) -> int:
        """Number of studies with manual ROIs on which the detector failed."""
        return len(self.studies.failures.study_uids)

    @property
    def patients(self) -> int:
        """Number of patients of the studies that were compared."""
        return len(set(self.studies.patient_ids))

    @property
    def random_readers(self) -> bool:
        """Whether the readers stand for a population of readers."""
        return len(self.studies.names) >= FEWEST_RANDOM_READERS

    @property
    def design(self) -> str:
        """What the tests of the AUC, sensitivity and specificity hold for, in words."""
        if len(self.studies.names) == 1:
            return "one reader, paired DeLong test: it holds for this reader alone"
        return DESIGNS[self.random_readers]

    @property
    def osteoporosis(self) -> ClassComparison:
        """Osteoporosis against the rest."""
        return next(c for c in self.classes if c.bmd_class is BmdClass.OSTEOPOROSIS)

    @property
    def detection_seconds(self) -> float:
        """Median time of detection in both views of a study."""
        return float(np.median(self.studies.detection_seconds))

    @property
    def seconds_saved(self) -> float | None:
        """Time of a reader that a study saves where the detector gives ROIs; None where the settings state none."""
        manual = self.config.manual_seconds
        return None if manual is None else manual - self.detection_seconds

    @property
    def minutes_saved(self) -> float | None:
        """Time of a reader that is saved over all studies with manual ROIs, those with failures saving none."""
        saved = self.seconds_saved
        return None if saved is None else (saved * self.count - self.detection_seconds * self.failed) / 60

    @property
    def flow(self) -> dict[tuple[Cause, str], int]:
        """Studies that were not compared, by cause and reason, in the order of the causes and by number."""
        counted = Counter((why.cause, _kind(why)) for why in self.left_out.values())
        return dict(sorted(counted.items(), key=lambda item: (list(Cause).index(item[0][0]), -item[1], item[0][1])))

    @property
    def verdict(self) -> str:
        """On non-inferiority for osteoporosis: a sentence, and one more where the detector failed on some studies."""
        compared = self.osteoporosis.auc
        if compared is None:
            return "Osteoporosis: one class is absent; no AUC can be computed."
        if compared.noninferior is None and 0 < compared.readers.value < 1:
            cases = f"{self.osteoporosis.cases} of {self.count} with osteoporosis"
            return f"Too few studies to state non-inferiority: {cases}."
        if compared.noninferior is None:
            reason = compared.not_estimable["p_noninferiority"].removeprefix(NOT_ESTIMABLE)
            return f"Non-inferiority for osteoporosis cannot be tested: {reason}."
        first = (
            f"Automatic ROIs are {_word(compared)} to manual ones for osteoporosis at a margin of "
            f"{self.config.margin:g}: {self._numbers(compared)}; {self.design}."
        )
        worst = None if self.worst_case is None else self.worst_case.auc
        if worst is None:
            return first
        failed = "1 study" if self.failed == 1 else f"{self.failed} studies"
        return (
            f"{first} With the {failed} on which the detector failed counted against it, they are {_word(worst)}: "
            f"{self._numbers(worst)}."
        )

    def _numbers(self, compared: Compared) -> str:
        gap, readers = compared.difference, len(self.studies.names)
        of = "the reader" if readers == 1 else f"the mean of {readers} readers"
        return (
            f"AUC {compared.automatic.value:.3f} against {compared.readers.value:.3f}, {of}, difference "
            f"{gap.value:+.3f} (95 % {gap.low:+.3f} to {gap.high:+.3f})"
        )

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of the report by name, in the order of the page."""
        worst = {} if self.worst_case is None else {"worst_case": (self.complete_cases, self.worst_case)}
        return {
            "flow": tables.flow_table(self.flow, self.count),
            "classes": tables.class_table(self.classes, self.config.margin),
            "decisions": tables.decision_table(self.classes),
            "readers": tables.reader_table(self.osteoporosis, self.overlap_by_reader, self.kappa_by_reader),
            **{name: tables.worst_case_table(*both, self.config.margin) for name, both in worst.items()},
            "reclassification": tables.reclassification_table(self.reclassification),
            "overlap": tables.overlap_table(self.overlap_between_readers, self.overlap_with_detector),
            **({"pairs": tables.pair_table(self.overlap_by_pair)} if self.overlap_by_pair else {}),
            **tables.reliability_tables(self.reliability),
            "differences": tables.difference_table(self.differences_mm),
        }

    def as_json(self) -> dict[str, object]:
        """Every metric; where the studies cannot give one, a word for it stands under `not_estimable`."""
        return {
            "studies": self.count,
            "patients": self.patients,
            "readers": list(self.studies.names),
            "design": self.design,
            "verdict": self.verdict,
            "left_out": {uid: why.reason for uid, why in self.left_out.items()},
            "flow": document.flow_json(self.flow, self.count),
            "unreadable_rois": {"count": len(self.unreadable_rois), "names": list(self.unreadable_rois)},
            "table_notes": list(self.table_notes),
            "detection_seconds_median": self.detection_seconds,
            "seconds_saved": self.seconds_saved,
            "minutes_saved": self.minutes_saved,
            "overlap": document.overlap_json(
                self.overlap_between_readers, self.overlap_with_detector, self.overlap_by_pair, self.overlap_by_reader
            ),
            "icc_mm": document.reliability_json(self.reliability),
            "differences_mm": document.differences_json(self.differences_mm),
            "classes": {c.bmd_class.value: document.class_json(c) for c in self.classes},
            "detector_failures": document.failures_json(self.studies.failures, self.complete_cases, self.worst_case),
            "kappa_between_rois": document.kappa_json(self.kappa_by_reader),
            "reclassification": document.reclassification_json(self.reclassification),
            "p_osteoporosis": document.bland_altman_json(self.p_osteoporosis, self.count),
            "config": self.config.model_dump(mode="json"),
        }


def _word(compared: Compared) -> str:
    if compared.noninferior is None:
        return "not tested"
    return "not inferior" if compared.noninferior else "not shown to be non-inferior"


def _kind(why: LeftOut) -> str:
    """The reason without what is of one study alone, for counting."""
    return why.reason.partition(":")[0] if why.cause is Cause.DETECTOR and "(" not in why.reason else why.reason


def compare_readings(
    studies: ComparedStudies,
    config: ComparisonConfig = DEFAULT_COMPARISON,
    left_out: Mapping[str, LeftOut] | None = None,
    unreadable_rois: Sequence[str] = (),
    table_notes: Sequence[str] = (),
) -> Comparison:
    """Every metric of studies that were classified on manual and automatic ROIs.

    Args:
        studies: at least one.
        config: settings.
        left_out: studies that could not be compared, with the reason.
        unreadable_rois: lines of the manual ROIs that were left out.
        table_notes: what the cohort's tables lack.
    """
    manual, automatic = studies.mean_of_readers.probabilities, studies.automatic.probabilities
    return Comparison(
        studies=studies,
        config=config,
        left_out=left_out or {},
        unreadable_rois=tuple(unreadable_rois),
        table_notes=tuple(table_notes),
        overlap_between_readers=agreement.between_readers(studies),
        overlap_with_detector=agreement.with_detector(studies),
        overlap_by_pair=agreement.by_pair(studies),
        overlap_by_reader=agreement.by_reader(studies),
        differences_mm=agreement.edge_differences(studies),
        reliability=agreement.reliability(studies),
        classes=tuple(classification.compare_class(studies, c, config) for c in BMD_CLASSES),
        complete_cases=failures.complete_cases(studies, config),
        worst_case=failures.worst_case(studies, config) if studies.failures.study_uids else None,
        kappa_by_reader=classification.kappas(studies),
        reclassification=classification.reclassification(studies),
        p_osteoporosis=bland_altman(manual[:, OSTEOPOROSIS_INDEX], automatic[:, OSTEOPOROSIS_INDEX]),
    )
