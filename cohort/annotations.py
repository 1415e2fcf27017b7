"""Manual ROIs: boxes by study, view and level, and outlines of bodies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cohort.dxa import read_table
from cohort.errors import ReadError
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View
from cohort.study import Study

Rois = dict[tuple[str, View], tuple[VertebraBox, ...]]
"""Boxes in cranio-caudal order, by (study_uid, view)."""

Outlines = dict[tuple[str, View], dict[VertebralLevel, npt.NDArray[np.float64]]]
"""Polygons (n, 2) as x, y in pixels of the original image, by (study_uid, view) and level."""

_COLUMNS = ("study_uid", "view", "level", "x0", "y0", "x1", "y1")


def read_rois(path: Path) -> Rois:
    """rois.csv with columns study_uid, view, level, x0, y0, x1, y1 in pixels of the original image.

    Raises:
        ReadError: a column is missing, a line holds no valid box, or a level stands twice in one view.
    """
    return _rois(read_table(path), path)


def _rois(table: pd.DataFrame, path: Path) -> Rois:
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        raise ReadError(f"{path.name}: columns {', '.join(missing)} are missing; expected {', '.join(_COLUMNS)}")
    found: dict[tuple[str, View], list[VertebraBox]] = {}
    for index, cells in zip(table.index, table.to_dict("records"), strict=True):
        number = int(index) + 2
        try:
            level, view = VertebralLevel(cells["level"].strip()), View(cells["view"].strip())
            box = VertebraBox(level, *(float(cells[name]) for name in _COLUMNS[3:]))
        except ValueError as error:
            raise ReadError(f"{path.name} line {number}: {error}") from error
        own = found.setdefault((cells["study_uid"].strip(), view), [])
        if any(other.level is level for other in own):
            raise ReadError(
                f"{path.name} line {number}: study {cells['study_uid'].strip()} has a second {view} box of {level}; "
                "expected one a level"
            )
        own.append(box)
    return {key: tuple(sorted(boxes, key=lambda b: LEVELS.index(b.level))) for key, boxes in found.items()}


def check_inside(study_uid: str, view: View, boxes: Sequence[VertebraBox], image_shape: tuple[int, int]) -> None:
    """Boxes drawn on another image, or in other units, lie outside their own.

    Raises:
        ReadError: less than half of a box lies inside the image (rows, columns).
    """
    rows, columns = image_shape
    for box in boxes:
        wide = min(box.x1, columns) - max(box.x0, 0)
        tall = min(box.y1, rows) - max(box.y0, 0)
        if max(wide, 0) * max(tall, 0) < 0.5 * (box.x1 - box.x0) * (box.y1 - box.y0):
            corners = ", ".join(f"{value:.0f}" for value in box.corners)
            raise ReadError(
                f"study {study_uid}: the {view} box of {box.level} ({corners}) lies outside its image of "
                f"{columns} x {rows} pixels; expected pixels of the original image"
            )


def read_readings(path: Path) -> dict[str, Rois]:
    """Boxes by reader: a table as `read_rois` takes it, with a column `reader`; without one the reader is `manual`.

    Raises:
        ReadError: as for `read_rois`.
    """
    table = read_table(path)
    if "reader" not in table:
        return {"manual": read_rois(path)}
    return {str(name): _rois(part, path) for name, part in table.groupby("reader", sort=True)}


def read_outlines(path: Path, studies: Sequence[Study]) -> Outlines:
    """Polygons of a COCO file whose image names are paths relative to its folder; others are left out.

    Raises:
        ReadError: not a COCO document, or a category that is no vertebral level.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        names = {row["id"]: VertebralLevel(row["name"]) for row in document["categories"]}
        files = {row["id"]: (path.parent / row["file_name"]).resolve() for row in document["images"]}
        annotations = [(row["image_id"], row["category_id"], row["segmentation"]) for row in document["annotations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{path}: no COCO document of vertebral levels ({error}); see docs/data-format.md") from error
    owners = {image.resolve(): (s.study_uid, view) for s in studies for view, image in s.images if view is not None}
    found: Outlines = {}
    for image_id, category, polygons in annotations:
        owner = owners.get(files[image_id])
        if owner is not None and polygons:
            points = np.asarray(polygons[0], np.float64).reshape(-1, 2)
            found.setdefault(owner, {})[names[category]] = points
    return found
