"""What readers said as tables that compare-rois, train and evaluate take."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from cohort.io.annotations import Rois, write_readings, write_rois
from cohort.rejection_codes import LevelCode
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from osteolens.atomic import make_folder, write_whole
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import OsteoLensError
from pipeline.prediction import read_prediction
from pipeline.review.readings.corrections import Saved
from pipeline.review.worklist import Worklist
from pipeline.screening.output.run_record import table_text

DECIMALS = 2
"""Of corners in pixels."""

FINDING_COLUMNS = (
    *("study_uid", "fracture_grade", "implant", "exposure"),
    *("fracture_grades", "left_out", "not_evaluable", "read_by", "read_at", "seconds"),
)
"""Of findings.csv: the first ones are columns of cohort.csv; the others say it in full."""


class ExportName(StrEnum):
    """Files that can be asked for."""

    READERS = "readers.csv"
    ROIS = "rois.csv"
    FINDINGS = "findings.csv"
    CORRECTED = "corrected.json"

    @property
    def media_type(self) -> str:
        """Of the answer."""
        return "application/json" if self is ExportName.CORRECTED else "text/csv; charset=utf-8"


def export(
    name: ExportName,
    folder: Path,
    worklist: Worklist,
    own: Mapping[str, Saved],
    readings: Mapping[str, Mapping[str, Saved]],
    corrected: Path,
) -> bytes:
    """Write one table into a folder, whole or not at all; its content.

    Args:
        name: of the table.
        folder: that it is written into.
        worklist: studies; a reading of any other is left out.
        own: what the reader said, by study.
        readings: what every reader said whom this one may see, by reader and study; for readers.csv.
        corrected: folder of the reader's results on corrected boxes.

    Raises:
        OutputError: it cannot be written.
    """
    make_folder(folder)
    path = folder / name.value
    mine = {uid: saved for uid, saved in own.items() if uid in worklist.entries}
    if name is ExportName.READERS:
        write_readings(path, {reader: _rounded(rois_of(saved, worklist)) for reader, saved in readings.items()})
    elif name is ExportName.ROIS:
        write_rois(path, rois_of(mine, worklist), DECIMALS)
    elif name is ExportName.FINDINGS:
        rows = [_finding(uid, saved, worklist) for uid, saved in mine.items()]
        write_whole(path, table_text(FINDING_COLUMNS, rows))
    else:
        studies = [_corrected(uid, saved, corrected) for uid, saved in mine.items()]
        write_json(path, {"format": 1, "reader": worklist.options.name, "studies": studies})
    return path.read_bytes()


def rois_of(states: Mapping[str, Saved], worklist: Worklist) -> Rois:
    """Boxes of each study and view that a reader saved: drawn ones, else the predicted ones that he left as they were.

    A study that he called not evaluable has none.
    """
    rois: Rois = {}
    for uid in worklist.entries:
        saved = states.get(uid)
        if saved is None or saved.state.not_evaluable is not None:
            continue
        predicted = {} if saved.hidden_predictions else _predicted(worklist.entries[uid].path)
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


def _rounded(rois: Rois) -> Rois:
    return {
        key: tuple(VertebraBox(box.level, *(round(value, DECIMALS) for value in box.corners)) for box in boxes)
        for key, boxes in rois.items()
    }


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
    metal = any(reason.lower() == LevelCode.METAL for _, _, reason in left_out)
    return {
        "study_uid": uid,
        "fracture_grade": max(grades.values(), default=""),
        "implant": "metal" if metal else "",
        "exposure": "" if state.not_evaluable is None else "not evaluable",
        "fracture_grades": " ".join(f"{level}:{grade}" for level, grade in grades.items()),
        "left_out": "; ".join(f"{view} {level}: {reason}" for view, level, reason in left_out),
        "not_evaluable": state.not_evaluable or "",
        "read_by": worklist.options.name,
        "read_at": saved.time,
        "seconds": round(saved.seconds, 1),
    }


def _corrected(uid: str, saved: Saved, corrected: Path) -> dict[str, object]:
    path = corrected / f"{uid}.json"
    try:
        result = read_json(path) if path.is_file() else None
    except OsteoLensError:
        result = None
    return {"study_uid": uid, "reading": saved.model_dump(mode="json"), "result": result}
