"""Boxes against manual ROIs: average precision, overlap, level labelling, errors of edges and centres."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cohort.spine import TARGET_LEVELS, VertebraBox, VertebralLevel, View, iou

RIGHT_IOU = 0.5
"""Intersection over union with the manual ROI of the same level from which a level counts as rightly labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedImage:
    """Manual and detected boxes of L1-L4 in one image.

    Attributes:
        study_uid: of the study.
        view: AP or lateral.
        truth: manual ROIs of L1-L4.
        detected: boxes of L1-L4, empty where the view was not found.
        spacing_mm: (row, column) at the detector, None when unknown.
    """

    study_uid: str
    view: View
    truth: tuple[VertebraBox, ...]
    detected: tuple[VertebraBox, ...]
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxErrors:
    """One row a manual ROI of L1-L4.

    Attributes:
        level: of the ROI.
        view: its view.
        study_uid: its study.
        iou: intersection over union with the detected box of the same level, 0 without one.
        edges_mm: absolute errors at left, top, right and bottom, NaN without a box or spacing.
        centre_mm: distance of the centres, likewise.
    """

    level: VertebralLevel
    view: View
    study_uid: str
    iou: float
    edges_mm: tuple[float, float, float, float]
    centre_mm: float


def box_errors(images: Sequence[EvaluatedImage]) -> list[BoxErrors]:
    """Errors of the detected box of the same level, for every manual ROI of L1-L4."""
    rows = []
    for image in images:
        detected = {box.level: box for box in image.detected}
        for roi in image.truth:
            box = detected.get(roi.level)
            edges, centre = _distances(roi, box, image.spacing_mm)
            rows.append(
                BoxErrors(
                    level=roi.level,
                    view=image.view,
                    study_uid=image.study_uid,
                    iou=0.0 if box is None else iou(box.corners, roi.corners),
                    edges_mm=edges,
                    centre_mm=centre,
                )
            )
    return rows


def _distances(
    roi: VertebraBox, box: VertebraBox | None, spacing_mm: tuple[float, float] | None
) -> tuple[tuple[float, float, float, float], float]:
    """Distances in mm of the four edges, and of the centres; NaN without a box or spacing."""
    nan = float("nan")
    if box is None or spacing_mm is None:
        return (nan, nan, nan, nan), nan
    shift = (np.array(box.corners) - np.array(roi.corners)) * np.array(spacing_mm[::-1] * 2)
    left, top, right, bottom = (float(abs(v)) for v in shift)
    return (left, top, right, bottom), float(np.hypot(shift[0] + shift[2], shift[1] + shift[3]) / 2)


def levels_right(rows: Sequence[BoxErrors]) -> dict[str, bool]:
    """By study, whether the boxes of all its manual ROIs of L1-L4, in every view, are detected with the right level."""
    right: dict[str, bool] = {}
    for row in rows:
        right[row.study_uid] = right.get(row.study_uid, True) and row.iou >= RIGHT_IOU
    return right


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePrecision:
    """Average precision of boxes of L1-L4, as COCO defines it; NaN without a manual ROI.

    Attributes:
        map50: mean over levels at an overlap of 0.5.
        map50_95: mean over levels and overlaps from 0.5 to 0.95.
        ap50_95: by level.
    """

    map50: float
    map50_95: float
    ap50_95: Mapping[VertebralLevel, float]


def average_precision(images: Sequence[EvaluatedImage]) -> AveragePrecision:
    """Average precision over some images.

    Source: pycocotools' COCOeval; every level is a category of its own, so a wrong level is a wrong detection.
    """
    truth = [_annotation(k, box) for k, image in enumerate(images) for box in image.truth]
    detected = [
        {**_annotation(k, box), "score": box.confidence} for k, image in enumerate(images) for box in image.detected
    ]
    if not truth or not detected:
        none = 0.0 if truth else float("nan")
        return AveragePrecision(map50=none, map50_95=none, ap50_95=dict.fromkeys(TARGET_LEVELS, none))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": k} for k in range(len(images))],
            "annotations": [{**row, "id": k + 1} for k, row in enumerate(truth)],
            "categories": [{"id": k + 1, "name": str(level)} for k, level in enumerate(TARGET_LEVELS)],
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(detected), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
    precision: npt.NDArray[np.float64] = np.asarray(evaluator.eval["precision"])[:, :, :, 0, -1]
    known = np.where(precision > -1, precision, np.nan)
    return AveragePrecision(
        map50=_mean(known[0]),
        map50_95=_mean(known),
        ap50_95={level: _mean(known[:, :, k]) for k, level in enumerate(TARGET_LEVELS)},
    )


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _annotation(image: int, box: VertebraBox) -> dict[str, object]:
    return {
        "image_id": image,
        "category_id": TARGET_LEVELS.index(box.level) + 1,
        "bbox": [box.x0, box.y0, box.width, box.height],
        "area": box.width * box.height,
        "iscrowd": 0,
    }
