"""Saved results against manual ROIs and DXA; never runs a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cohort.annotations import Rois, read_rois
from cohort.dxa import read_cohort_csv
from cohort.errors import ReadError
from cohort.spine import TARGET_LEVELS, View, iou
from cohort.study import BMD_CLASSES


def evaluate_results(results: Path, cohort: Path) -> dict[str, float | int]:
    """Figures of a results folder.

    Counts of studies; share of studies whose every view has all of L1-L4 at IoU 0.5 or more with the manual ROI of
    the same level; mean IoU over all manual boxes of L1-L4, a missing one counting 0; three-class macro AUC (mean of
    the three one-against-rest areas), AUC of osteoporosis, and accuracy at the argmax, where DXA is known.

    Raises:
        ReadError: no results, or neither ROIs nor DXA to compare with.
    """
    documents = [json.loads(path.read_text("utf-8")) for path in sorted((results / "studies").glob("*.json"))]
    if not documents:
        raise ReadError(f"{results}: no studies/*.json; expected an output folder of `osteolens process`")
    figures: dict[str, float | int] = {
        "studies": len(documents),
        "refused": sum(d["refusal"] is not None for d in documents),
    }
    rois_path, table_path = cohort / "rois.csv", cohort / "cohort.csv"
    if not rois_path.is_file() and not table_path.is_file():
        raise ReadError(f"{cohort}: neither rois.csv nor cohort.csv; nothing to compare with")
    if rois_path.is_file():
        figures.update(_boxes(documents, read_rois(rois_path)))
    if table_path.is_file():
        figures.update(_classes(documents, table_path))
    return figures


def _boxes(documents: list[dict[str, Any]], rois: Rois) -> dict[str, float | int]:
    overlaps: dict[View, list[float]] = {view: [] for view in View}
    right_views: dict[str, list[bool]] = {}
    for document in documents:
        for view in View:
            truth = rois.get((document["study_uid"], view))
            if truth is None:
                continue
            found = {b["level"]: (b["x0"], b["y0"], b["x1"], b["y1"]) for b in _view_boxes(document, view)}
            here = [
                iou(found[box.level], box.corners) if box.level in found else 0.0
                for box in truth
                if box.level in TARGET_LEVELS
            ]
            overlaps[view] += here
            right_views.setdefault(document["study_uid"], []).append(bool(here) and min(here) >= 0.5)
    every = [value for values in overlaps.values() for value in values]
    if not every:
        return {}
    return {
        "studies_with_all_levels_right": float(np.mean([all(v) for v in right_views.values()])),
        "mean_iou": float(np.mean(every)),
        **{f"mean_iou_{view.value.lower()}": float(np.mean(v)) for view, v in overlaps.items() if v},
    }


def _view_boxes(document: dict[str, Any], view: View) -> list[dict[str, Any]]:
    shown = document["views"].get(view.value)
    return [] if shown is None else list(shown["boxes"])


def _classes(documents: list[dict[str, Any]], table: Path) -> dict[str, float | int]:
    rows = read_cohort_csv(table)
    labels, shares = [], []
    for document in documents:
        row = rows.get(document["study_uid"]) or rows.get(document["patient_id"])
        known = row.dxa.bmd_class if row is not None and row.dxa is not None else None
        if known is not None and document["probabilities"]:
            labels.append(BMD_CLASSES.index(known))
            shares.append([document["probabilities"][c.value] for c in BMD_CLASSES])
    if not labels:
        return {}
    truth, probabilities = np.array(labels), np.array(shares)
    figures: dict[str, float | int] = {
        "studies_with_dxa": len(labels),
        "accuracy": float(np.mean(probabilities.argmax(1) == truth)),
    }
    if len(np.unique(truth)) == len(BMD_CLASSES):
        areas = [float(roc_auc_score(truth == k, probabilities[:, k])) for k in range(len(BMD_CLASSES))]
        figures["macro_auc"] = float(np.mean(areas))
        figures.update({f"auc_{c.value}": a for c, a in zip(BMD_CLASSES, areas, strict=True)})
    return figures
