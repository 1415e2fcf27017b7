"""Manual ROIs: boxes by study, view and level."""

from __future__ import annotations

from pathlib import Path

from cohort.dxa import read_table
from cohort.errors import ReadError
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View

Rois = dict[tuple[str, View], tuple[VertebraBox, ...]]
"""Boxes in cranio-caudal order, by (study_uid, view)."""

_COLUMNS = ("study_uid", "view", "level", "x0", "y0", "x1", "y1")


def read_rois(path: Path) -> Rois:
    """rois.csv with columns study_uid, view, level, x0, y0, x1, y1 in pixels of the original image.

    Raises:
        ReadError: a column is missing, or a line holds no valid box.
    """
    table = read_table(path)
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        raise ReadError(f"{path.name}: columns {', '.join(missing)} are missing; expected {', '.join(_COLUMNS)}")
    found: dict[tuple[str, View], list[VertebraBox]] = {}
    for number, cells in enumerate(table.to_dict("records"), start=2):
        try:
            level, view = VertebralLevel(cells["level"].strip()), View(cells["view"].strip())
            box = VertebraBox(level, *(float(cells[name]) for name in _COLUMNS[3:]))
        except ValueError as error:
            raise ReadError(f"{path.name} line {number}: {error}") from error
        found.setdefault((cells["study_uid"].strip(), view), []).append(box)
    return {key: tuple(sorted(boxes, key=lambda b: LEVELS.index(b.level))) for key, boxes in found.items()}
