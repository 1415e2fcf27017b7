"""What a run leaves beside its studies: the table of results, what was skipped, the record of the run, and a lock."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from cohort.bmd import BMD_CLASSES
from cohort.io.walk import MARKER, Skipped
from osteolens.atomic import cannot_write, write_whole
from osteolens.errors import OutputError
from osteolens.text import csv_cell
from pipeline.screening.assessment import told_path

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # systems without POSIX locks go without
    fcntl = None

COLUMNS = (
    "study_uid", "patient_id", "status", "bmd_class", *(f"p_{c}" for c in BMD_CLASSES), "t_score_estimate",
    "prediction_set", "decision", "views", "levels", "suspected_fractures", "cobb_deg", "age_years", "sex", "bmi_kg_m2",
    "reason", "warnings", "images", "seconds",
)  # fmt: skip
"""Of predictions.csv."""


def row_of(document: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One line of predictions.csv from a study's JSON."""
    rejection, findings = document["rejection"], document["findings"]
    shares = document["probabilities"] or {}
    grades = {v["level"]: v["genant_grade"] for v in findings["vertebrae"]}
    reason = f"{rejection['code']}: {rejection['reason']}" if rejection else document["failure"] or ""
    return {
        "study_uid": document["study_uid"],
        "patient_id": document["patient_id"],
        "status": document["status"],
        "bmd_class": document["bmd_class"] or "",
        **{f"p_{c}": shares.get(c.value, "") for c in BMD_CLASSES},
        "t_score_estimate": "" if document["t_score_estimate"] is None else document["t_score_estimate"],
        "prediction_set": "|".join(document["prediction_set"]),
        "decision": document["decision"] or "",
        "views": "+".join(document["views"]),
        "levels": " ".join(
            f"{view}:{'+'.join(name for name, level in shown['levels'].items() if level['used'])}"
            for view, shown in document["views"].items()
        ),
        "suspected_fractures": " ".join(f"{name}:grade-{grades[name]}" for name in findings["suspected_fractures"]),
        "cobb_deg": findings["cobb"]["degrees"] if findings["cobb"] else "",
        **{name: "" if value is None else value for name, value in document["covariates"].items()},
        "reason": reason,
        "warnings": " | ".join(document["warnings"]),
        "images": " | ".join(_image_text(image) for image in document["images"]),
        "seconds": round(seconds, 3),
    }


def _image_text(image: dict[str, Any]) -> str:
    view = image["view"] or image["role"]
    what = f"{image['outcome']} as {view}" if view else image["outcome"]
    return f"{image['path']}: {what}" + (f" ({image['reason']})" if image["reason"] else "")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a folder of results for one run; its marker says that it is one, and who writes into it.

    Raises:
        OutputError: another run holds it, or it cannot be written.
    """
    marker = out / MARKER
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise cannot_write(marker, error) from error
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                other = stream.read(400).strip()
                raise OutputError(
                    f"{out}: another run is writing here ({other}); wait for it, or choose another --out"
                ) from error
        stream.truncate(0)
        stream.write(json.dumps({"process": os.getpid(), "since": datetime.now().isoformat(timespec="seconds")}))
        stream.flush()
        yield


class RowWriter:
    """predictions.csv as the run goes, so that an interrupted one has it."""

    def __init__(self, out: Path) -> None:
        """Start the table anew."""
        self._path = out / "predictions.csv"
        write_whole(self._path, table_text(COLUMNS, []))

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Add a study."""
        try:
            with self._path.open("a", encoding="utf-8", newline="", errors="backslashreplace") as stream:
                stream.write(_lines(COLUMNS, [row]))
        except OSError as error:
            raise cannot_write(self._path, error) from error


def table_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A CSV whose cells a spreadsheet does not run."""
    return ",".join(columns) + "\n" + _lines(columns, rows)


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([csv_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def set_former_aside(out: Path, present: Set[str]) -> int:
    """Move results of studies that the folder does not hold any more into `former/`, so that nobody judges them.

    Args:
        out: folder of results.
        present: study_uid of every study of the run.

    Returns:
        how many studies were moved.
    """
    gone = [path for path in (out / "studies").glob("*.json") if path.stem not in present]
    for path in gone:
        pictures = (out / "overlays").glob(f"{glob.escape(path.stem)}_*.png")
        for one in (path, *pictures):
            target = out / "former" / one.parent.name / one.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                one.replace(target)
            except OSError as error:
                raise cannot_write(target, error) from error
    return len(gone)


def skipped_rows(skipped: Sequence[Skipped], root: Path | None) -> list[dict[str, str]]:
    """Lines of skipped.csv."""
    return [{"file": told_path(item.path, root), "reason": item.reason} for item in skipped]


def run_document(
    config: Mapping[str, Any], weights: Mapping[str, str], counts: Mapping[str, int], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """run.json: versions, settings, weights, counts and time by stage."""
    return {
        "osteolens": version("osteolens"),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "device": "cpu",
        "config": dict(config),
        "weights": dict(weights),
        "counts": dict(counts),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }
