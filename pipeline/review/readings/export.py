"""What readers said as tables that compare-rois, train and evaluate take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

import pandas as pd

from cohort.io.annotations import Rois, write_rois
from cohort.io.tables.columns import READER_COLUMN, ROI_COLUMNS
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from osteolens.atomic import make_folder, write_csv, write_whole
from osteolens.documents.json_document import write_json
from osteolens.errors import OsteoLensError
from pipeline.prediction import read_prediction
from pipeline.review.readings.corrections import Saved
from pipeline.review.readings.result import StoredResult
from pipeline.review.worklist import Worklist
from pipeline.screening.output.run_record import table_text

DECIMALS = 2
"""Of corners in pixels."""

FINDING_COLUMNS = (
    *("study_uid", "fracture_grade", "implant", "exposure"),
    *("fracture_grades", "left_out", "not_evaluable", "read_by", "read_at", "seconds"),
)
"""Of findings.csv: the first ones are columns of cohort.csv; the others say it in full.

`fracture_grade` is 0 only where each of L1-L4 was graded: one sound vertebra makes no sound spine.
"""

METAL = ("metal", "cement", "implant")
"""Words of a reason that tell metal or cement: those of the page, of the screening, and of the criterion."""

ResultOf = Callable[[str, Saved], tuple[StoredResult | None, str]]
"""The class on the boxes that were saved, or why there is none."""


class ExportName(StrEnum):
    """Files that can be asked for."""

    READERS = "readers.csv"
    ROIS = "rois.csv"
    FINDINGS = "findings.csv"
    CORRECTED = "corrected.json"
    REPORTS = "reports.zip"

    @property
    def media_type(self) -> str:
        """Of the answer."""
        if self is ExportName.REPORTS:
            return "application/zip"
        return "application/json" if self is ExportName.CORRECTED else "text/csv; charset=utf-8"


TABLES = tuple(name for name in ExportName if name is not ExportName.REPORTS)
"""Exports that need no extra."""

READING_COLUMNS = ("round", "seconds", "order", "predictions_hidden", "predictions_shown_before")
"""Of readers.csv, after those of boxes; every command that takes the table leaves them unread."""


def export(
    name: ExportName,
    folder: Path,
    worklist: Worklist,
    own: Mapping[str, Saved],
    readings: Mapping[str, Mapping[str, Saved]],
    result_of: ResultOf,
) -> bytes:
    """Write one table into a folder, whole or not at all; its content.

    Args:
        name: of the table.
        folder: that it is written into.
        worklist: studies; a reading of any other is left out.
        own: what the reader said, by study.
        readings: what every reader said whom this one may see, by reader and study, in the order in which studies were
            read; for readers.csv.
        result_of: the class on the boxes that were saved, or why there is none.

    Raises:
        OutputError: it cannot be written.
    """
    make_folder(folder)
    path = folder / name.value
    known = [uid for uid in own if uid in worklist.entries]
    if name is ExportName.READERS:
        write_csv(path, _readers(readings, worklist))
    elif name is ExportName.ROIS:
        write_rois(path, rois_of(own, worklist), DECIMALS)
    elif name is ExportName.FINDINGS:
        rows = [_finding(uid, own[uid], worklist) for uid in known]
        write_whole(path, table_text(FINDING_COLUMNS, rows))
    else:
        studies = [_corrected(uid, own[uid], result_of) for uid in known]
        write_json(path, {"format": 1, "reader": worklist.options.name, "studies": studies})
    return path.read_bytes()


def _readers(readings: Mapping[str, Mapping[str, Saved]], worklist: Worklist) -> pd.DataFrame:
    """Boxes of every reader image by image, and how each was read."""
    rois = {reader: rois_of(states, worklist) for reader, states in readings.items()}
    order = {reader: {uid: n for n, uid in enumerate(states, start=1)} for reader, states in readings.items()}
    rows: list[tuple[object, ...]] = []
    for uid, view in dict.fromkeys(image for images in rois.values() for image in images):
        for reader, images in rois.items():
            if (uid, view) not in images:
                continue
            saved = readings[reader][uid]
            how = (saved.round, round(saved.seconds_read, 1), order[reader][uid])
            blind = ("yes" if saved.hidden_predictions else "no", "yes" if saved.shown_before else "no")
            for box in images[uid, view]:
                corners = (round(value, DECIMALS) for value in box.corners)
                rows.append((reader, uid, view.value, box.level.value, *corners, *how, *blind))
    return pd.DataFrame(rows, columns=[READER_COLUMN, *ROI_COLUMNS, *READING_COLUMNS])


def rois_of(states: Mapping[str, Saved], worklist: Worklist) -> Rois:
    """Boxes of each study and view that a reader saved: drawn ones, else the predicted ones that he left as they were.

    A study that he called not evaluable has none.
    """
    rois: Rois = {}
    for uid in worklist.entries:
        saved = states.get(uid)
        if saved is None or saved.state.not_evaluable is not None:
            continue
        entry = worklist.entries[uid]
        as_predicted = not saved.hidden_predictions and not set(entry.images) <= set(saved.state.views)
        predicted = _predicted(entry.path) if as_predicted else {}
        for view in View:
            drawn = saved.state.views.get(view)
            boxes = predicted.get(view, ()) if drawn is None else drawn.in_order
            if boxes:
                rois[uid, view] = boxes
    return rois


def _predicted(path: Path) -> dict[View, tuple[VertebraBox, ...]]:
    try:
        return {view: result.detection.boxes for view, result in read_prediction(path).views.items()}
    except OsteoLensError:
        return {}


def _finding(uid: str, saved: Saved, worklist: Worklist) -> dict[str, object]:
    state = saved.state
    left_out = [
        (view, level, state.views[view].left_out[level])
        for view in View
        if view in state.views
        for level in TARGET_LEVELS
        if level in state.views[view].left_out
    ]
    grades = {level: state.fracture_grades[level] for level in TARGET_LEVELS if level in state.fracture_grades}
    highest = max(grades.values(), default=0)
    reasons = [*(reason for _, _, reason in left_out), state.not_evaluable or ""]
    metal = any(word in reason.lower() for reason in reasons for word in METAL)
    return {
        "study_uid": uid,
        "fracture_grade": highest if highest or len(grades) == len(TARGET_LEVELS) else "",
        "implant": "metal" if metal else "",
        "exposure": "" if state.not_evaluable is None else "not evaluable",
        "fracture_grades": " ".join(f"{level}:{grade}" for level, grade in grades.items()),
        "left_out": "; ".join(f"{view} {level}: {reason}" for view, level, reason in left_out),
        "not_evaluable": state.not_evaluable or "",
        "read_by": worklist.options.name,
        "read_at": saved.time,
        "seconds": round(saved.seconds_read, 1),
    }


def _corrected(uid: str, saved: Saved, result_of: ResultOf) -> dict[str, object]:
    result, why_not = result_of(uid, saved)
    return {
        "study_uid": uid,
        "reading": saved.model_dump(mode="json"),
        "result": None if result is None else result.model_dump(mode="json"),
        "no_result": why_not or None,
    }
