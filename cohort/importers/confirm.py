"""Boxes whose levels a model proposed become those of the cohort once a reader has confirmed or corrected them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cohort.importers.writing import (
    DECIMALS,
    OUTLINES,
    OUTLINES_TO_CONFIRM,
    READERS,
    ROIS,
)
from cohort.io.annotations import (
    TO_CONFIRM,
    Outlines,
    Rois,
    read_outlines,
    read_readings,
    read_rois,
    write_outlines,
    write_readings,
    write_rois,
)
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import iou
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, ReadError

LEAST_OVERLAP = 0.3
"""Intersection over union from which an outline is that of a confirmed box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a reader confirmed.

    Attributes:
        images: whose boxes are now in rois.csv.
        boxes: of them.
        changed: boxes that differ from the proposed ones in level or place, or were added.
        waiting: images that are still to be confirmed.
    """

    images: int
    boxes: int
    changed: int
    waiting: int

    def as_json(self) -> dict[str, int]:
        """Plain values."""
        return {"images": self.images, "boxes": self.boxes, "changed": self.changed, "waiting": self.waiting}


def confirm_levels(cohort: Path, reader: str, table: Path | None = None) -> Confirmed:
    """Move boxes and outlines of rois-to-confirm.csv into rois.csv, readers.csv and annotations.json.

    Args:
        cohort: folder that an import with proposed levels wrote.
        reader: who confirmed.
        table: the reader's own rois.csv or readers.csv, as `osteolens review` exports them: only its images are
            confirmed, with its boxes. Without it every proposed box is confirmed as it is.

    Raises:
        ReadError: nothing is to be confirmed, a table cannot be read, or it names none of the images.
        ConfigError: the table is of several readers, none of whom has this name.
        OutputError: a table cannot be written.
    """
    waiting_path = cohort / TO_CONFIRM
    if not waiting_path.is_file():
        raise ReadError(f"{cohort}: {TO_CONFIRM} is missing; nothing is to be confirmed")
    proposed = read_rois(waiting_path)
    given = proposed if table is None else _of_reader(table, reader)
    confirmed: Rois = {key: boxes for key, boxes in given.items() if key in proposed and boxes}
    if not confirmed:
        raise ReadError(f"{visible(str(table or waiting_path))}: names no image that is to be confirmed in {cohort}")
    studies = index_cohort(cohort).studies
    _move_outlines(cohort, studies, confirmed)
    readings = read_readings(cohort / READERS) if (cohort / READERS).is_file() else {}
    readings[reader] = {**readings.get(reader, {}), **confirmed}
    write_readings(cohort / READERS, readings)
    standing = read_rois(cohort / ROIS) if (cohort / ROIS).is_file() else {}
    write_rois(cohort / ROIS, {**standing, **confirmed}, DECIMALS)
    left = {key: boxes for key, boxes in proposed.items() if key not in confirmed}
    if left:
        write_rois(waiting_path, left, DECIMALS)
    else:
        waiting_path.unlink()
    same = {(key, box.level, box.corners) for key, boxes in proposed.items() for box in boxes}
    boxes_now = [(key, box.level, box.corners) for key, boxes in confirmed.items() for box in boxes]
    changed = sum(box not in same for box in boxes_now)
    return Confirmed(images=len(confirmed), boxes=len(boxes_now), changed=changed, waiting=len(left))


def _of_reader(table: Path, reader: str) -> Rois:
    readings = read_readings(table)
    if reader in readings:
        return readings[reader]
    if len(readings) != 1:
        names = ", ".join(visible(name) for name in readings)
        raise ConfigError(f"{table}: holds boxes of {names or 'nobody'}; give --reader one of these names")
    return next(iter(readings.values()))


def _move_outlines(cohort: Path, studies: tuple[Study, ...], confirmed: Rois) -> None:
    """Outlines of confirmed images under the levels of the boxes that they lie in."""
    path = cohort / OUTLINES_TO_CONFIRM
    if not path.is_file():
        return
    waiting = read_outlines(path, studies)
    standing = read_outlines(cohort / OUTLINES, studies) if (cohort / OUTLINES).is_file() else {}
    moved: Outlines = {}
    for key, by_level in waiting.items():
        for polygon in by_level.values() if key in confirmed else ():
            corners = (*polygon.min(0), *polygon.max(0))
            box = max(confirmed[key], key=lambda b: iou(corners, b.corners))
            if iou(corners, box.corners) >= LEAST_OVERLAP:
                moved.setdefault(key, {})[box.level] = polygon
    _write(cohort / OUTLINES, {**standing, **moved}, studies)
    left = {key: by_level for key, by_level in waiting.items() if key not in confirmed}
    if left:
        _write(path, left, studies)
    else:
        path.unlink()


def _write(path: Path, outlines: Outlines, studies: tuple[Study, ...]) -> None:
    images = {(study.study_uid, view): image for study in studies for view, image in study.images if view is not None}
    names = {key: images[key].relative_to(path.parent).as_posix() for key in outlines}
    sizes = {}
    for key, name in names.items():
        rows, columns = read_radiograph(images[key]).pixels.shape
        sizes[name] = (columns, rows)
    write_outlines(path, {names[key]: by_level for key, by_level in outlines.items()}, sizes)
