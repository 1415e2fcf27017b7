"""The detection stage of saved results against manual ROIs, by view, level, site and finding; runs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohort.findings import GENANT_LOSS
from cohort.io.annotations import Rois, read_rois
from cohort.io.tables.cohort_tables import CohortRow, read_cohort_csv
from cohort.io.tables.notes import table_notes
from cohort.rejection import LEVEL_WARNINGS
from cohort.spine import TARGET_LEVELS, VertebraBox, VertebralLevel, View
from osteolens.errors import ReadError
from pipeline.evaluation.boxes import BoxErrors, EvaluatedImage, average_precision, box_errors, studies_right
from pipeline.evaluation.estimable import with_words
from pipeline.evaluation.evaluate import is_included, is_of_site, row_of_document
from pipeline.evaluation.results import BOXES, damaged_json, read_results

Figures = dict[str, float | int]

FINDINGS: dict[str, Callable[[CohortRow], bool]] = {
    "implant": lambda row: bool(row.findings.implant),
    "compression fracture": lambda row: (row.findings.fracture_grade or 0) > 0,
    "compression fracture of grade 2 or 3": lambda row: (row.findings.fracture_grade or 0) > 1,
    "scoliosis above 20 degrees": lambda row: (row.findings.cobb_deg or 0) > 20,
    "poor exposure": lambda row: row.findings.readable is False,
    "six lumbar vertebrae": lambda row: row.findings.lumbar_count == 6,
    "four lumbar vertebrae": lambda row: row.findings.lumbar_count == 4,
}
"""Groups of studies that a detector may find harder."""


def evaluate_detector(results: Path, cohort: Path, site: str | None = None) -> dict[str, Any]:
    """Figures of the detector over the studies of one site or all.

    `eligible` holds, for the patients whom the paper's criteria include: `studies`, `rejected`,
    `studies_with_all_levels_right`, and by view mAP50, mAP50-95, AP50-95 by level, `mean_iou` and the same by level,
    `edge_mm_median`, `edge_mm_p95` and `centre_mm_median`. `fractures` judges suspected fractures of everyone by the
    losses of height that cohort.csv states. `by_site` and `by_finding` hold counts and shares of the same kind, the
    latter over everyone, and `gate` how many of each group were rejected, had levels left out or were warned of for
    which reason.
    Errors in mm are at the detector plane. What cannot be given is NaN, with a word under `not_estimable`; files that
    cannot be used are counted and named under `damaged_results`, and what the tables lack stands under `table_notes`.

    Raises:
        ReadError: no results, no ROIs, or no study of the site.
    """
    read = read_results(results, BOXES)
    if not (cohort / "rois.csv").is_file():
        raise ReadError(f"{cohort}: rois.csv is missing; a detector is judged against manual ROIs")
    rois = read_rois(cohort / "rois.csv", [])
    rows = read_cohort_csv(cohort / "cohort.csv", []) if (cohort / "cohort.csv").is_file() else {}
    groups = {d["study_uid"]: row_of_document(d, rows) for d in read.documents}
    documents = [d for d in read.documents if is_of_site(d, rows, site)]
    judged = [d for d in documents if any((d["study_uid"], view) in rois for view in View)]
    if not judged:
        raise ReadError(f"{results}: no study of site {site or 'any'} has ROIs in {cohort / 'rois.csv'}")
    included = [d for d in judged if is_included(d, rows)]
    sites = sorted({_site(groups[d["study_uid"]]) or "" for d in included} - {""})
    by_site = {s: _summary([d for d in included if _site(groups[d["study_uid"]]) == s], rois) for s in sites}
    with_finding = {
        name: [d for d in judged if (row := groups[d["study_uid"]]) is not None and has(row)]
        for name, has in FINDINGS.items()
    }
    with_finding = {name: chosen for name, chosen in with_finding.items() if chosen}
    return {
        "eligible": _full(included, rois),
        "by_site": by_site,
        "by_finding": {name: _summary(chosen, rois) for name, chosen in with_finding.items()},
        "fractures": _fractures(judged, rows),
        "gate": {name: _gate(chosen) for name, chosen in {"eligible": included, **with_finding}.items()},
        **damaged_json(read.damaged),
        **({"table_notes": list(notes)} if (notes := table_notes(cohort, read.names)) else {}),
    }


def _site(row: CohortRow | None) -> str | None:
    return None if row is None else row.site


def _gate(documents: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Studies rejected by code, with levels left out by code, and warned of by the words of the warning, among some."""
    counts = Counter(f"rejected: {d['rejection']['code']}" for d in documents if d["rejection"] is not None)
    for document in documents:
        counts.update({f"level left out: {code}" for code in _codes(document)})
    for warning in LEVEL_WARNINGS:
        counts[f"warned: {warning}"] = sum(any(warning in text for text in d.get("warnings", ())) for d in documents)
    return {"studies": len(documents), **{name: counts[name] for name in sorted(counts)}}


def _codes(document: dict[str, Any]) -> set[str]:
    """Codes for which a level of a study is left out in either view."""
    levels = [level for view in document["views"].values() for level in view.get("levels", {}).values()]
    return {level["code"] for level in levels if "code" in level}


def _fractures(documents: Sequence[dict[str, Any]], rows: Mapping[str, CohortRow]) -> dict[str, Any]:
    """Suspected fractures against the losses of height that cohort.csv states, by vertebra and by study."""
    truth, loss, suspected, studies = [], [], [], []
    for document in documents:
        row = row_of_document(document, rows)
        known = None if row is None else row.findings.height_loss
        measured = document.get("findings", {}).get("vertebrae", [])
        if known is None or not measured:
            continue
        own = {VertebralLevel(v["level"]): v for v in measured}
        truth += [known.get(level, 0.0) for level in own]
        loss += [v["height_loss"] for v in own.values()]
        suspected += [v["suspected"] for v in own.values()]
        most = max((known.get(level, 0.0) for level in TARGET_LEVELS), default=0.0)
        studies.append((most, any(v["suspected"] for v in own.values())))
    if not truth:
        return {}
    true, called = np.array(truth), np.array(suspected)
    worst, any_called = (np.array(part) for part in zip(*studies, strict=True))
    found = {
        "vertebrae": len(true),
        "vertebrae_of_grade_2_or_3": int((true >= GENANT_LOSS[1]).sum()),
        "sensitivity_grade_2": _mean_of(called[true >= GENANT_LOSS[1]]),
        "false_calls_of_whole_vertebrae": _mean_of(called[true == 0]),
        "studies_of_grade_2_or_3": int((worst >= GENANT_LOSS[1]).sum()),
        "studies_found_grade_2": _mean_of(any_called[worst >= GENANT_LOSS[1]]),
        "studies_falsely_called": _mean_of(any_called[worst == 0]),
        "height_loss_error_sd": float(np.std(np.array(loss) - true)),
    }
    return with_words(found, "no vertebra or study of this kind")


def _mean_of(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _full(documents: Sequence[dict[str, Any]], rois: Rois) -> dict[str, Any]:
    figures: dict[str, Any] = dict(_summary(documents, rois))
    for view in View:
        images = _images(documents, rois, (view,))
        errors = box_errors(images)
        if not errors:
            continue
        own = {
            **average_precision(images),
            "mean_iou": float(np.mean([e.overlap for e in errors])),
            **{f"mean_iou_{level}": _mean_overlap(errors, level) for level in TARGET_LEVELS},
            **_millimetres(errors),
        }
        figures[view.value] = with_words(own, "no manual ROI of this level")
    return figures


def _mean_overlap(errors: Sequence[BoxErrors], level: VertebralLevel) -> float:
    own = [e.overlap for e in errors if e.level is level]
    return float(np.mean(own)) if own else float("nan")


def _millimetres(errors: Sequence[BoxErrors]) -> Figures:
    edges = np.array([e.edges_mm for e in errors])
    centres = np.array([e.centre_mm for e in errors])
    if not np.isfinite(edges).any():
        return {}
    return {
        "edge_mm_median": float(np.nanmedian(edges)),
        "edge_mm_p95": float(np.nanpercentile(edges, 95)),
        "centre_mm_median": float(np.nanmedian(centres)),
    }


def _summary(documents: Sequence[dict[str, Any]], rois: Rois) -> dict[str, Any]:
    errors = box_errors(_images(documents, rois, tuple(View)))
    right = list(studies_right(errors).values())
    found = {
        "studies": len(documents),
        "rejected": sum(d["rejection"] is not None for d in documents),
        "studies_with_all_levels_right": float(np.mean(right)) if right else float("nan"),
        "mean_iou": float(np.mean([e.overlap for e in errors])) if errors else float("nan"),
    }
    return with_words(found, "no manual ROI of L1-L4")


def _images(documents: Sequence[dict[str, Any]], rois: Rois, views: Sequence[View]) -> list[EvaluatedImage]:
    images = []
    for document in documents:
        for view in views:
            truth = rois.get((document["study_uid"], view))
            if truth is None:
                continue
            shown = document["views"].get(view.value)
            found = () if shown is None else tuple(map(_box, shown["boxes"]))
            spacing = None if shown is None else shown.get("pixel_spacing_mm")
            images.append(
                EvaluatedImage(
                    document["study_uid"],
                    view,
                    tuple(b for b in truth if b.level in TARGET_LEVELS),
                    tuple(b for b in found if b.level in TARGET_LEVELS),
                    None if spacing is None else (float(spacing[0]), float(spacing[1])),
                )
            )
    return images


def _box(stored: dict[str, Any]) -> VertebraBox:
    x0, y0, x1, y1 = (float(stored[name]) for name in ("x0", "y0", "x1", "y1"))
    return VertebraBox(VertebralLevel(stored["level"]), x0, y0, x1, y1, confidence=float(stored["confidence"]))
