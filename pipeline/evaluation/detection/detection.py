"""The detection stage against manual ROIs, by view, level, site and finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohort.findings import GENANT_LOSS
from cohort.rejection_codes import LEVEL_WARNINGS, LevelCode, RejectionCode
from cohort.spine import TARGET_LEVELS, VertebralLevel, View
from cohort.study import Findings
from pipeline.evaluation.detection.boxes import (
    AveragePrecision,
    EvaluatedImage,
    average_precision,
    box_errors,
    levels_right,
)
from pipeline.evaluation.estimable import NOT_ESTIMABLE, is_nan
from pipeline.evaluation.studies.joined import EvaluatedStudy

FINDINGS: dict[str, Callable[[Findings], bool]] = {
    "implant": lambda findings: bool(findings.implant),
    "compression fracture": lambda findings: (findings.fracture_grade or 0) > 0,
    "compression fracture of grade 2 or 3": lambda findings: (findings.fracture_grade or 0) > 1,
    "scoliosis above 20 degrees": lambda findings: (findings.cobb_deg or 0) > 20,
    "poor exposure": lambda findings: findings.exposure_adequate is False,
    "six lumbar vertebrae": lambda findings: findings.lumbar_count == 6,
    "four lumbar vertebrae": lambda findings: findings.lumbar_count == 4,
}
"""Groups of studies that a detector may find harder."""

EVALUATED = "evaluated studies"
"""Name of all evaluated studies among the groups of quality control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionMetrics:
    """Boxes of L1-L4 in both views of some studies; NaN without a manual ROI of L1-L4.

    Attributes:
        studies: with manual ROIs.
        rejected: of them.
        levels_right: fraction of studies with every level at an intersection over union of 0.5 or more.
        mean_iou: over manual ROIs; a level that was not found counts 0.
        not_estimable: a word for each that cannot be given.
    """

    studies: int
    rejected: int
    levels_right: float
    mean_iou: float
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewDetection:
    """Boxes of L1-L4 in one view.

    Attributes:
        precision: average precision.
        mean_iou: over manual ROIs.
        mean_iou_by_level: NaN without a manual ROI of the level.
        edge_mm_median: of the distances between edges, in mm at the detector; None without a pixel spacing.
        edge_mm_p95: their 95th percentile.
        centre_mm_median: of the distances between centres.
        not_estimable: a word for each level that has no manual ROI.
    """

    precision: AveragePrecision
    mean_iou: float
    mean_iou_by_level: Mapping[VertebralLevel, float]
    edge_mm_median: float | None
    edge_mm_p95: float | None
    centre_mm_median: float | None
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FractureMetrics:
    """Suspected fractures against the losses of height that cohort.csv states; grade by Genant's limits.

    Attributes:
        vertebrae: that were measured and whose loss is stated.
        grade_2_or_3: of them.
        sensitivity: fraction of vertebrae of grade 2 or 3 that are suspected.
        false_positive_rate: fraction of vertebrae without any loss that are suspected.
        studies_grade_2_or_3: studies with such a vertebra.
        study_sensitivity: fraction of them with a suspected fracture.
        study_false_positive_rate: fraction of studies without any loss that have a suspected fracture.
        height_loss_error_sd: SD of measured minus stated loss.
        not_estimable: a word for each that cannot be given.
    """

    vertebrae: int
    grade_2_or_3: int
    sensitivity: float
    false_positive_rate: float
    studies_grade_2_or_3: int
    study_sensitivity: float
    study_false_positive_rate: float
    height_loss_error_sd: float
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityControl:
    """Studies of a group that were rejected, had levels left out or were warned of, by the reason."""

    studies: int
    rejected: Mapping[RejectionCode, int]
    levels_left_out: Mapping[LevelCode, int]
    warned: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The detection stage.

    Attributes:
        both_views: of the evaluated studies.
        views: of the evaluated studies, by view.
        by_site: of the evaluated studies.
        by_finding: of all studies with manual ROIs, those that the criteria exclude among them.
        fractures: of all studies with manual ROIs; None where no loss of height is stated and measured.
        quality_control: of the evaluated studies, and by finding.
    """

    both_views: DetectionMetrics
    views: Mapping[View, ViewDetection]
    by_site: Mapping[str, DetectionMetrics]
    by_finding: Mapping[str, DetectionMetrics]
    fractures: FractureMetrics | None
    quality_control: Mapping[str, QualityControl]


def detection(studies: Sequence[EvaluatedStudy], evaluated: Sequence[EvaluatedStudy]) -> Detection | None:
    """Metrics of the detection stage; None where no study has manual ROIs.

    Args:
        studies: all of the chosen sites.
        evaluated: those of them that are evaluated.
    """
    with_rois = [study for study in studies if study.rois]
    if not with_rois:
        return None
    chosen = [study for study in evaluated if study.rois]
    sites = sorted({study.site for study in chosen if study.site})
    by_finding = {
        name: group
        for name, has in FINDINGS.items()
        if (group := [study for study in with_rois if has(study.study.findings)])
    }
    return Detection(
        both_views=_both_views(chosen),
        views={view: metrics for view in View if (metrics := _one_view(chosen, view)) is not None},
        by_site={site: _both_views([study for study in chosen if study.site == site]) for site in sites},
        by_finding={name: _both_views(group) for name, group in by_finding.items()},
        fractures=_fractures(with_rois),
        quality_control={name: _quality_control(group) for name, group in {EVALUATED: chosen, **by_finding}.items()},
    )


def _images(studies: Iterable[EvaluatedStudy], views: Sequence[View]) -> list[EvaluatedImage]:
    images = []
    for study in studies:
        for view in (view for view in views if view in study.rois):
            result = study.prediction.views.get(view)
            detected = () if result is None else result.detection.boxes
            images.append(
                EvaluatedImage(
                    study_uid=study.prediction.study_uid,
                    view=view,
                    truth=study.rois[view],
                    detected=tuple(box for box in detected if box.level in TARGET_LEVELS),
                    spacing_mm=None if result is None else result.pixel_spacing_mm,
                )
            )
    return images


def _both_views(studies: Sequence[EvaluatedStudy]) -> DetectionMetrics:
    errors = box_errors(_images(studies, tuple(View)))
    metrics = {"levels_right": _mean(list(levels_right(errors).values())), "mean_iou": _mean([e.iou for e in errors])}
    return DetectionMetrics(
        studies=len(studies),
        rejected=sum(study.is_rejected for study in studies),
        not_estimable=_words(metrics, "no manual ROI of L1-L4"),
        **metrics,
    )


def _one_view(studies: Sequence[EvaluatedStudy], view: View) -> ViewDetection | None:
    images = _images(studies, (view,))
    errors = box_errors(images)
    if not errors:
        return None
    by_level = {level: _mean([e.iou for e in errors if e.level is level]) for level in TARGET_LEVELS}
    edges, centres = np.array([e.edges_mm for e in errors]), np.array([e.centre_mm for e in errors])
    known = bool(np.isfinite(edges).any())
    return ViewDetection(
        precision=average_precision(images),
        mean_iou=_mean([e.iou for e in errors]),
        mean_iou_by_level=by_level,
        edge_mm_median=float(np.nanmedian(edges)) if known else None,
        edge_mm_p95=float(np.nanpercentile(edges, 95)) if known else None,
        centre_mm_median=float(np.nanmedian(centres)) if known else None,
        not_estimable=_words({str(level): value for level, value in by_level.items()}, "no manual ROI of this level"),
    )


def _fractures(studies: Iterable[EvaluatedStudy]) -> FractureMetrics | None:
    truth: list[float] = []
    losses: list[float] = []
    suspected: list[bool] = []
    worst: list[tuple[float, bool]] = []
    for study in studies:
        stated = study.study.findings.height_loss
        lateral = study.prediction.views.get(View.LATERAL)
        if stated is None or lateral is None or not lateral.vertebrae:
            continue
        truth += [stated.get(level, 0.0) for level in lateral.vertebrae]
        losses += [vertebra.height_loss for vertebra in lateral.vertebrae.values()]
        suspected += [vertebra.suspected for vertebra in lateral.vertebrae.values()]
        most = max(stated.get(level, 0.0) for level in TARGET_LEVELS)
        worst.append((most, bool(study.prediction.suspected_fractures)))
    if not truth:
        return None
    true, predicted = np.array(truth), np.array(suspected)
    most_lost, any_predicted = np.array([loss for loss, _ in worst]), np.array([any_ for _, any_ in worst])
    grade_2 = GENANT_LOSS[1]
    metrics = {
        "sensitivity": _mean(predicted[true >= grade_2]),
        "false_positive_rate": _mean(predicted[true == 0]),
        "study_sensitivity": _mean(any_predicted[most_lost >= grade_2]),
        "study_false_positive_rate": _mean(any_predicted[most_lost == 0]),
        "height_loss_error_sd": float(np.std(np.array(losses) - true)),
    }
    return FractureMetrics(
        vertebrae=len(true),
        grade_2_or_3=int((true >= grade_2).sum()),
        studies_grade_2_or_3=int((most_lost >= grade_2).sum()),
        not_estimable=_words(metrics, "no vertebra or study of this kind"),
        **metrics,
    )


def _quality_control(studies: Sequence[EvaluatedStudy]) -> QualityControl:
    rejections = Counter(s.prediction.rejection.code for s in studies if s.prediction.rejection is not None)
    left_out: Counter[LevelCode] = Counter()
    for study in studies:
        reasons = [why for view in study.prediction.views.values() for why in view.left_out.values()]
        left_out.update({why.code for why in reasons})
    warned = {
        warning: sum(any(warning in text for text in study.prediction.warnings) for study in studies)
        for warning in LEVEL_WARNINGS
    }
    return QualityControl(
        studies=len(studies),
        rejected={code: rejections[code] for code in sorted(rejections)},
        levels_left_out={code: left_out[code] for code in sorted(left_out)},
        warned=warned,
    )


def _mean(values: Sequence[float] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _words(metrics: Mapping[str, float], word: str) -> dict[str, str]:
    return {name: NOT_ESTIMABLE + word for name, value in metrics.items() if is_nan(value)}
