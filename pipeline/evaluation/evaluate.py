"""Saved results against manual ROIs and DXA; never runs a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cohort.bmd import BMD_CLASSES
from cohort.eligibility import NO_T_SCORE, exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import site_names
from cohort.io.tables.cohort_tables import CohortRow, read_cohort_csv
from cohort.io.tables.notes import table_notes
from cohort.spine import TARGET_LEVELS, View, iou
from cohort.study import Study
from osteolens.errors import ReadError
from pipeline.evaluation.classification import EvaluatedCases, classification_metrics, not_estimable
from pipeline.evaluation.results import damaged_json, read_results


def evaluate_results(results: Path, cohort: Path, site: str | None = None, everyone: bool = False) -> dict[str, Any]:
    """Figures of a results folder, of one site or all, over the patients whom the paper's criteria include.

    Counts of studies; share of studies whose every view has all of L1-L4 at IoU 0.5 or more with the manual ROI of
    the same level; mean IoU over all manual boxes of L1-L4, a missing one counting 0; and what `classification_metrics`
    says where DXA is known. A metric that these studies cannot give is None, with a word under `not_estimable`; files
    that cannot be used are counted and named under `damaged_results`, and what the cohort's tables lack stands under
    `table_notes`.

    Raises:
        ReadError: no results, no study of the site, or neither ROIs nor DXA to compare with.
    """
    found = read_results(results)
    rois_path, table_path = cohort / "rois.csv", cohort / "cohort.csv"
    if not rois_path.is_file() and not table_path.is_file():
        raise ReadError(f"{cohort}: neither rois.csv nor cohort.csv; nothing to compare with")
    wrong: list[str] = []
    rows = read_cohort_csv(table_path, wrong) if table_path.is_file() else {}
    documents = [d for d in found.documents if is_of_site(d, rows, site)]
    if not documents:
        raise ReadError(f"{results}: no study is of site {site!r} in {table_path}")
    included = [d for d in documents if everyone or is_included(d, rows)]
    figures: dict[str, Any] = {
        "studies": len(included),
        "excluded": len(documents) - len(included),
        "rejected": sum(d["rejection"] is not None for d in included),
    }
    if wrong:
        figures["unreadable_lines"] = len(wrong)
    documents = included
    if rois_path.is_file():
        figures.update(_boxes(documents, read_rois(rois_path, [])))
    if table_path.is_file():
        judged = evaluated_cases(documents, rows)
        if judged is not None:
            words = not_estimable(judged)
            figures.update({**classification_metrics(judged), **dict.fromkeys(words)})
            figures.update({"not_estimable": words} if words else {})
    notes = table_notes(cohort, found.names)
    return {**figures, **damaged_json(found.damaged), **({"table_notes": list(notes)} if notes else {})}


def row_of_document(document: dict[str, Any], rows: Mapping[str, CohortRow]) -> CohortRow | None:
    """The line of cohort.csv of one result, by study or by patient."""
    return rows.get(document["study_uid"]) or rows.get(document["patient_id"])


def is_of_site(document: dict[str, Any], rows: Mapping[str, CohortRow], sites: str | None) -> bool:
    """Whether a result is of one of some sites, separated by commas; None is every site."""
    row = row_of_document(document, rows)
    return sites is None or (row is not None and row.site in site_names(sites))


def is_included(document: dict[str, Any], rows: Mapping[str, CohortRow]) -> bool:
    """Whether the criteria include this study; one without DXA is judged on its boxes."""
    row = row_of_document(document, rows)
    if row is None:
        return True
    study = Study(
        study_uid=document["study_uid"],
        patient_id=document["patient_id"],
        covariates=row.covariates,
        dxa=row.dxa,
        study_date=row.study_date,
        findings=row.findings,
    )
    return not set(exclusions(study)) - {NO_T_SCORE}


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


def evaluated_cases(
    documents: Sequence[dict[str, Any]], rows: Mapping[str, CohortRow], inputs: str | None = None
) -> EvaluatedCases | None:
    """The studies of results that have a class and a T-score by DXA; None where there is none.

    Args:
        documents: results.
        rows: of cohort.csv.
        inputs: name of one of `pipeline.evaluation.report.published.SIX`, for the shares from its inputs alone.
    """
    kept = []
    for document in documents:
        row = row_of_document(document, rows)
        shares = document["probabilities"] if inputs is None else document.get("input_ablation", {}).get(inputs)
        if row is not None and row.dxa is not None and row.dxa.t_score is not None and shares:
            kept.append(({**document, "probabilities": shares}, row.dxa))
    if not kept:
        return None
    estimates = [d.get("t_score_estimate") for d, _ in kept]
    return EvaluatedCases(
        np.array([BMD_CLASSES.index(dxa.bmd_class) for _, dxa in kept if dxa.bmd_class is not None], np.int64),
        np.array([[d["probabilities"][c.value] for c in BMD_CLASSES] for d, _ in kept], np.float64),
        np.array([dxa.t_score for _, dxa in kept], np.float64),
        np.array([np.nan if value is None else value for value in estimates], np.float64),
        [frozenset(d.get("prediction_set") or ()) for d, _ in kept],
        [d.get("decision") for d, _ in kept],
    )
