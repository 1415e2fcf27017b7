"""Detection against manual ROIs, as people read it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pipeline.evaluation.detection.detection import Detection, DetectionMetrics, FractureMetrics
from pipeline.evaluation.estimable import told


def detection_tables(detection: Detection | None) -> dict[str, pd.DataFrame]:
    """Boxes of L1-L4 by view and level, by site and finding, suspected fractures, and quality control."""
    names = ("detection", "detection_by_site", "detection_by_finding", "fractures", "quality_control")
    if detection is None:
        return {name: pd.DataFrame() for name in names}
    return {
        "detection": _view_table(detection),
        "detection_by_site": _group_table({"all": detection.both_views, **detection.by_site}, "site"),
        "detection_by_finding": _group_table(detection.by_finding, "finding, excluded studies too"),
        "fractures": _fracture_table(detection.fractures),
        "quality_control": _quality_table(detection),
    }


def _view_table(detection: Detection) -> pd.DataFrame:
    rows: list[dict[str, str]] = []
    for view, metrics in detection.views.items():
        millimetres = {
            "edge, mm, median": metrics.edge_mm_median,
            "edge, mm, 95th percentile": metrics.edge_mm_p95,
            "centre, mm, median": metrics.centre_mm_median,
        }
        rows.append(
            {
                "view": view.value,
                "level": "L1-L4",
                "mAP50": told(metrics.precision.map50),
                "mAP50-95": told(metrics.precision.map50_95),
                "mean IoU": told(metrics.mean_iou),
                **{name: told(value, digits=2) for name, value in millimetres.items()},
            }
        )
        for level, iou in metrics.mean_iou_by_level.items():
            cells = {
                "mAP50-95": told(metrics.precision.ap50_95[level]),
                "mean IoU": told(iou, metrics.not_estimable.get(level)),
            }
            rows.append({"view": view.value, "level": level.value, **cells})
    return pd.DataFrame(rows).fillna("")


def _group_table(groups: Mapping[str, DetectionMetrics], name: str) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
        {
            name: group,
            "studies": metrics.studies,
            "rejected": metrics.rejected,
            "L1-L4 all right, % of studies": told(
                100 * metrics.levels_right, metrics.not_estimable.get("levels_right"), 1
            ),
            "mean IoU": told(metrics.mean_iou, metrics.not_estimable.get("mean_iou")),
        }
        for group, metrics in groups.items()
    ]
    return pd.DataFrame(rows)


def _fracture_table(metrics: FractureMetrics | None) -> pd.DataFrame:
    if metrics is None:
        return pd.DataFrame()
    words = metrics.not_estimable
    cells = {
        "vertebrae": str(metrics.vertebrae),
        "vertebrae of grade 2 or 3": str(metrics.grade_2_or_3),
        "suspected of them, fraction": told(metrics.sensitivity, words.get("sensitivity")),
        "suspected of vertebrae without loss, fraction": told(
            metrics.false_positive_rate, words.get("false_positive_rate")
        ),
        "studies with grade 2 or 3": str(metrics.studies_grade_2_or_3),
        "suspected of these studies, fraction": told(metrics.study_sensitivity, words.get("study_sensitivity")),
        "suspected of studies without loss, fraction": told(
            metrics.study_false_positive_rate, words.get("study_false_positive_rate")
        ),
        "error of the loss of height, SD": told(metrics.height_loss_error_sd),
    }
    return pd.DataFrame({"metric": list(cells), "value": list(cells.values())})


def _quality_table(detection: Detection) -> pd.DataFrame:
    rows = [
        {"group": group, "of studies": quality.studies, "what": what, "reason": str(reason), "studies": count}
        for group, quality in detection.quality_control.items()
        for what, counted in (
            ("rejected", quality.rejected),
            ("level left out", quality.levels_left_out),
            ("warned", quality.warned),
        )
        for reason, count in counted.items()
        if count
    ]
    return pd.DataFrame(rows)
