"""The result of a comparison of manual and automatic ROIs, as a type, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, with_words
from pipeline.evaluation.statistics.agreement import BlandAltman, bland_altman
from pipeline.roi_comparison import agreement, classification, tables
from pipeline.roi_comparison.agreement import EdgeDifference, MeanIou
from pipeline.roi_comparison.classification import ClassComparison, Metrics, PairedAucs, Reclassification
from pipeline.roi_comparison.config import DEFAULT_COMPARISON, ComparisonConfig
from pipeline.roi_comparison.studies import ComparedStudies


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Overlaps, distances in mm, and classification on automatic against manual ROIs.

    With several readers, the manual side of classification is the mean of the readers' probabilities; each reader also
    stands alone. What the studies cannot give is NaN.

    Attributes:
        studies: that were compared.
        config: settings.
        left_out: studies that could not be compared, with the reason.
        unreadable_rois: lines of the manual ROIs that cannot be read and were left out.
        table_notes: what the cohort's tables lack.
        overlap_between_readers: mean intersection over union of the manual readers; empty with one.
        overlap_with_detector: of the manual readers with the detector.
        overlap_by_pair: of every two.
        differences_mm: detector minus the mean of the manual readers.
        classes: each class against the rest.
        auc_by_reader: AUC of osteoporosis by who drew the ROIs.
        auc_word: why it cannot be given, or None.
        kappa: Cohen's kappa of the predicted classes on manual and automatic ROIs.
        reclassification: studies that change class.
        p_osteoporosis: agreement of the predicted probabilities of osteoporosis.
    """

    studies: ComparedStudies
    config: ComparisonConfig
    left_out: Mapping[str, str]
    unreadable_rois: tuple[str, ...]
    table_notes: tuple[str, ...]
    overlap_between_readers: MeanIou
    overlap_with_detector: MeanIou
    overlap_by_pair: Mapping[tuple[str, str], float]
    differences_mm: tuple[EdgeDifference, ...]
    classes: tuple[ClassComparison, ...]
    auc_by_reader: Mapping[str, float]
    auc_word: str | None
    kappa: float
    reclassification: Reclassification
    p_osteoporosis: BlandAltman

    @property
    def count(self) -> int:
        """Number of studies that were compared."""
        return len(self.studies.study_uids)

    @property
    def detection_seconds(self) -> float:
        """Median time of detection in both views of a study."""
        return float(np.median(self.studies.detection_seconds))

    @property
    def seconds_saved(self) -> float | None:
        """Time that the detector saves a study, where a reader's is stated in the settings."""
        manual = self.config.manual_seconds
        return None if manual is None else manual - self.detection_seconds

    @property
    def verdict(self) -> str:
        """One sentence on non-inferiority for osteoporosis."""
        osteoporosis = next(c for c in self.classes if c.bmd_class is BmdClass.OSTEOPOROSIS)
        paired = osteoporosis.auc
        if paired is None:
            return "Osteoporosis: one class is absent; no AUC can be computed."
        if paired.noninferior is None:
            return f"Too few studies to state non-inferiority: {osteoporosis.cases} of {self.count} with osteoporosis."
        word = "not inferior" if paired.noninferior else "not shown to be non-inferior"
        gap = paired.difference
        return (
            f"Automatic ROIs are {word} to manual ones for osteoporosis at a margin of {self.config.margin:g}: AUC "
            f"{paired.automatic:.3f} against {paired.manual:.3f}, difference {gap.value:+.3f} "
            f"(95 % {gap.low:+.3f} to {gap.high:+.3f})."
        )

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of the report by name."""
        return {
            "classes": tables.class_table(self.classes, self.config.margin),
            "overlap": tables.overlap_table(self.overlap_between_readers, self.overlap_with_detector),
            "pairs": tables.pair_table(self.overlap_by_pair),
            "differences": tables.difference_table(self.differences_mm),
            "readers": tables.reader_table(self.auc_by_reader, self.auc_word),
            "reclassification": tables.reclassification_table(self.reclassification),
        }

    def as_json(self) -> dict[str, object]:
        """Every metric; where the studies cannot give one, a word for it stands under `not_estimable`."""
        return {
            "studies": self.count,
            "readers": list(self.studies.readers),
            "left_out": dict(self.left_out),
            "unreadable_rois": {"count": len(self.unreadable_rois), "names": list(self.unreadable_rois)},
            "table_notes": list(self.table_notes),
            "detection_seconds_median": self.detection_seconds,
            "seconds_saved": self.seconds_saved,
            "overlap_between_readers": self.overlap_between_readers,
            "overlap_with_detector": self.overlap_with_detector,
            "overlap_by_pair": {" / ".join(pair): value for pair, value in self.overlap_by_pair.items()},
            "differences_mm": {difference.name: asdict(difference.mm) for difference in self.differences_mm},
            "classes": {c.bmd_class.value: _class_json(c) for c in self.classes},
            "auc_by_reader": dict(self.auc_by_reader),
            "kappa_between_rois": self.kappa,
            "reclassification": _reclassification_json(self.reclassification),
            "p_osteoporosis": with_words(
                asdict(self.p_osteoporosis), "1 study" if self.count == 1 else "the probabilities do not vary"
            ),
            "not_estimable": self._words(),
            "config": self.config.model_dump(mode="json"),
        }

    def _words(self) -> dict[str, str]:
        words = {"auc_by_reader": self.auc_word} if self.auc_word else {}
        same_class = f"{NOT_ESTIMABLE}every study is given the same class"
        return {**words, **({"kappa_between_rois": same_class} if np.isnan(self.kappa) else {})}


def compare_readings(
    studies: ComparedStudies,
    config: ComparisonConfig = DEFAULT_COMPARISON,
    left_out: Mapping[str, str] | None = None,
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
    return Comparison(
        studies=studies,
        config=config,
        left_out=left_out or {},
        unreadable_rois=tuple(unreadable_rois),
        table_notes=tuple(table_notes),
        overlap_between_readers=agreement.between_readers(studies),
        overlap_with_detector=agreement.with_detector(studies),
        overlap_by_pair=agreement.by_pair(studies),
        differences_mm=agreement.edge_differences(studies),
        classes=tuple(classification.compare_class(studies, c, config) for c in BMD_CLASSES),
        auc_by_reader=classification.auc_by_reader(studies),
        auc_word=classification.auc_word(studies),
        kappa=classification.kappa(studies),
        reclassification=classification.reclassification(studies),
        p_osteoporosis=bland_altman(studies.manual[:, OSTEOPOROSIS_INDEX], studies.automatic[:, OSTEOPOROSIS_INDEX]),
    )


def _class_json(comparison: ClassComparison) -> dict[str, object]:
    return {
        "cases": comparison.cases,
        **_paired_json(comparison.auc),
        "p_mcnemar": comparison.p_mcnemar,
        "manual": _metrics_json(comparison.manual),
        "automatic": _metrics_json(comparison.automatic),
    }


def _paired_json(paired: PairedAucs | None) -> dict[str, object]:
    if paired is None:
        return {"auc": None, "not_estimable": {"auc": ONE_CLASS}}
    return {
        "auc": {
            "manual": paired.manual,
            "automatic": paired.automatic,
            "difference": asdict(paired.difference),
            "difference_bootstrap": asdict(paired.bootstrap),
            "p_difference": paired.p_difference,
            "p_noninferiority": paired.p_noninferiority,
            "noninferior": paired.noninferior,
            "not_estimable": dict(paired.not_estimable),
        }
    }


def _metrics_json(metrics: Metrics) -> dict[str, object]:
    values = {name: asdict(estimate) for name, estimate in metrics.values.items()}
    return {**values, **({"not_estimable": dict(metrics.not_estimable)} if metrics.not_estimable else {})}


def _reclassification_json(reclassification: Reclassification) -> dict[str, int]:
    names = [c.value for c in BMD_CLASSES]
    return {
        f"{names[row]} to {names[column]}": int(reclassification.counts[row, column])
        for row in range(len(names))
        for column in range(len(names))
        if row != column
    }
