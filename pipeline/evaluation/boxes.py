"""How well boxes fit the true ones: average precision, overlap, naming, edge and centre errors."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cohort.spine import TARGET_LEVELS, VertebraBox, VertebralLevel, View, iou

RIGHT_IOU = 0.5
"""Overlap with the true box of the same name from which a level counts as rightly named."""


@dataclass(frozen=True, slots=True)
class EvaluatedImage:
    """True and found boxes of L1-L4 in one image.

    Attributes:
        study_uid: of the study.
        view: AP or lateral.
        truth: true boxes of L1-L4.
        found: found boxes of L1-L4, empty where the view was not found.
        spacing_mm: (row, column) at the detector, None when unknown.
    """

    study_uid: str
    view: View
    truth: tuple[VertebraBox, ...]
    found: tuple[VertebraBox, ...]
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BoxErrors:
    """One row a true box of L1-L4.

    Attributes:
        level: its name.
        view: its view.
        study_uid: its study.
        overlap: intersection over union with the found box of the same name, 0 without one.
        edges_mm: absolute errors at left, top, right and bottom, NaN without a box or spacing.
        centre_mm: distance of the centres, likewise.
    """

    level: VertebralLevel
    view: View
    study_uid: str
    overlap: float
    edges_mm: tuple[float, float, float, float]
    centre_mm: float


def box_errors(images: Sequence[EvaluatedImage]) -> list[BoxErrors]:
    """Errors of every true box of L1-L4 against the found box of the same name."""
    rows = []
    nothing = (float("nan"),) * 4
    for image in images:
        found = {box.level: box for box in image.found}
        for box in image.truth:
            own = found.get(box.level)
            edges, centre = nothing, float("nan")
            if own is not None and image.spacing_mm is not None:
                scale = np.array(image.spacing_mm[::-1] * 2)
                shift = (np.array(own.corners) - np.array(box.corners)) * scale
                left, top, right, bottom = (float(abs(v)) for v in shift)
                edges = (left, top, right, bottom)
                centre = float(np.hypot(shift[0] + shift[2], shift[1] + shift[3]) / 2)
            overlap = 0.0 if own is None else iou(own.corners, box.corners)
            rows.append(BoxErrors(box.level, image.view, image.study_uid, overlap, edges, centre))
    return rows


def studies_right(rows: Sequence[BoxErrors]) -> dict[str, bool]:
    """Whether all true boxes of a study, in every view, are found under their right names."""
    right: dict[str, bool] = {}
    for row in rows:
        right[row.study_uid] = right.get(row.study_uid, True) and row.overlap >= RIGHT_IOU
    return right


def average_precision(images: Sequence[EvaluatedImage]) -> dict[str, float]:
    """mAP50 and mAP50-95 over L1-L4 and the latter by level, as COCO defines them; NaN without a true box.

    Source: pycocotools' COCOeval; every level is a category of its own, so a wrong name is a wrong detection.
    """
    blank = dict.fromkeys(["mAP50", "mAP50-95", *(f"AP50-95_{level}" for level in TARGET_LEVELS)], float("nan"))
    truth = [_annotation(k, box) for k, image in enumerate(images) for box in image.truth]
    found = [{**_annotation(k, box), "score": box.confidence} for k, image in enumerate(images) for box in image.found]
    if not truth:
        return blank
    if not found:
        return dict.fromkeys(blank, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": k} for k in range(len(images))],
            "annotations": [{**row, "id": k + 1} for k, row in enumerate(truth)],
            "categories": [{"id": k + 1, "name": str(level)} for k, level in enumerate(TARGET_LEVELS)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision: npt.NDArray[np.float64] = np.asarray(judge.eval["precision"])[:, :, :, 0, -1]
    known = np.where(precision > -1, precision, np.nan)
    levels = {f"AP50-95_{level}": _mean(known[:, :, k]) for k, level in enumerate(TARGET_LEVELS)}
    return {"mAP50": _mean(known[0]), "mAP50-95": _mean(known), **levels}


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
