"""Manual ROIs: boxes by study, view and level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from cohort.io.outlines import Outlines, read_outlines, write_outlines
from cohort.io.tables.cells import has_decimal_comma, number
from cohort.io.tables.columns import CORNER_COLUMNS, READER_COLUMN, ROI_COLUMNS
from cohort.io.tables.reader import columns_text, lines_of, read_table
from cohort.io.tables.words import known
from cohort.io.view_names import view_from_text
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View
from osteolens.atomic import write_csv
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

__all__ = (
    "Outlines",
    "Rois",
    "check_inside",
    "read_outlines",
    "read_readings",
    "read_rois",
    "write_outlines",
    "write_readings",
    "write_rois",
)

Rois = dict[tuple[str, View], tuple[VertebraBox, ...]]
"""Boxes in cranio-caudal order, by (study_uid, view)."""

LONGEST_SIDE_PX = 65_535
"""DICOM holds no longer side, so that `88,120` in a table can only be 88.12."""

TO_CONFIRM = "rois-to-confirm.csv"
"""Boxes whose levels a model named; no command trains on them or judges by them before a reader confirms them."""

WAITING = "its boxes wait for a reader to confirm their levels; see `osteolens cohort confirm`"

MANUAL = "manual"
"""Name of the reader of a table that names none."""

FARTHEST_PX = 1e6
"""A coordinate beyond it is no pixel of any image."""

LEAST_INSIDE = 0.5
"""Least fraction of a manual ROI that lies inside its image; below it the ROI was drawn on another image."""

_Lines = list[tuple[int, dict[str, str]]]


def read_rois(path: Path, wrong: list[str] | None = None) -> Rois:
    """rois.csv with columns study_uid, view, level, x0, y0, x1, y1 in pixels of the original image.

    Args:
        path: the table.
        wrong: gets what is wrong with every line, and such lines are left out, two that contradict each other both;
            without it the first one is an error.

    Raises:
        ReadError: a column is missing, a line holds no valid box, or a level stands twice in one view.
    """
    lines = _lines_of_boxes(path, wrong)
    return _rois(lines, path, wrong, _commas(lines))


def read_readings(path: Path, wrong: list[str] | None = None) -> dict[str, Rois]:
    """Boxes by reader: a table as `read_rois` takes it, with a column `reader`; without one the reader is `manual`.

    Args:
        path: the table.
        wrong: as for `read_rois`.

    Raises:
        ReadError: as for `read_rois`, or a line without reader.
    """
    lines = _lines_of_boxes(path, wrong)
    commas = _commas(lines)
    readers: dict[str, _Lines] = {}
    for line, cells in lines:
        name = known(cells.get(READER_COLUMN, MANUAL))
        if not name:
            _collect_or_raise(
                f"{visible(path.name)} line {line}: reader is empty, expected a name on every line", wrong
            )
            continue
        readers.setdefault(name, []).append((line, cells))
    return {name: _rois(lines_of_reader, path, wrong, commas) for name, lines_of_reader in sorted(readers.items())}


def write_rois(path: Path, rois: Rois, decimals: int | None = None) -> None:
    """rois.csv as `read_rois` takes it.

    Args:
        path: the table.
        rois: boxes by study and view.
        decimals: of the corners; all where it is None.

    Raises:
        OutputError: the table cannot be written.
    """
    write_csv(path, pd.DataFrame(_cells_of(rois, decimals), columns=list(ROI_COLUMNS)))


def write_readings(path: Path, readings: Mapping[str, Rois]) -> None:
    """readers.csv as `read_readings` takes it, image by image.

    Args:
        path: the table.
        readings: boxes of each reader.

    Raises:
        OutputError: the table cannot be written.
    """
    images = dict.fromkeys(image for rois in readings.values() for image in rois)
    rows = [
        (reader, *cells)
        for image in images
        for reader, rois in readings.items()
        for cells in _cells_of({image: rois.get(image, ())})
    ]
    write_csv(path, pd.DataFrame(rows, columns=[READER_COLUMN, *ROI_COLUMNS]))


def _cells_of(rois: Rois, decimals: int | None = None) -> list[tuple[str | float, ...]]:
    return [
        (uid, view.value, box.level.value, *(v if decimals is None else round(v, decimals) for v in box.corners))
        for (uid, view), boxes in rois.items()
        for box in boxes
    ]


def check_inside(study_uid: str, view: View, boxes: Sequence[VertebraBox], image_shape: tuple[int, int]) -> None:
    """Check that boxes lie inside their image, as those drawn on another image or in other units do not.

    Args:
        study_uid: of the study, for messages.
        view: of the image, for messages.
        boxes: in pixels of the image.
        image_shape: (rows, columns) of the image.

    Raises:
        ReadError: less than half of a box lies inside the image (rows, columns).
    """
    rows, columns = image_shape
    for box in boxes:
        if box.fraction_inside(image_shape) < LEAST_INSIDE:
            corners = ", ".join(f"{value:.0f}" for value in box.corners)
            raise ReadError(
                f"study {study_uid}: the {view} box of {box.level} ({corners}) lies outside its image of "
                f"{columns} x {rows} pixels; expected pixels of the original image"
            )


def _lines_of_boxes(path: Path, wrong: list[str] | None) -> _Lines:
    table = read_table(path, wrong)
    missing = [name for name in ROI_COLUMNS if name not in table]
    if missing:
        raise ReadError(
            f"{visible(path.name)}: columns {', '.join(missing)} are missing; expected {', '.join(ROI_COLUMNS)}, found "
            f"{columns_text(table)}"
        )
    return list(lines_of(table))


def _commas(lines: Iterable[tuple[int, dict[str, str]]]) -> bool:
    return has_decimal_comma((cells[name] for _, cells in lines for name in CORNER_COLUMNS), LONGEST_SIDE_PX)


def _rois(lines: _Lines, path: Path, wrong: list[str] | None, commas: bool) -> Rois:
    by_image: dict[tuple[str, View], dict[VertebralLevel, tuple[int, VertebraBox]]] = {}
    contradicted: set[tuple[str, View, VertebralLevel]] = set()
    for line, cells in lines:
        where = f"{visible(path.name)} line {line}"
        try:
            uid, view, box = _box(cells, where, commas)
        except ReadError as error:
            _collect_or_raise(str(error), wrong, error)
            continue
        by_level = by_image.setdefault((uid, view), {})
        if box.level in by_level:
            first, same = by_level[box.level]
            both = f"{visible(path.name)} lines {first} and {line}"
            found, more = f"{both}: study {visible(uid)} has a second {view} box of {box.level}", ""
            if same.corners != box.corners:
                contradicted.add((uid, view, box.level))
                more = "; they contradict each other, and both are left out" if wrong is not None else ""
            _collect_or_raise(f"{found}; expected one a level{more}", wrong)
            continue
        by_level[box.level] = line, box
    return {
        key: tuple(
            box
            for _, box in sorted(by_level.values(), key=lambda item: LEVELS.index(item[1].level))
            if (*key, box.level) not in contradicted
        )
        for key, by_level in by_image.items()
    }


def _box(cells: dict[str, str], where: str, commas: bool) -> tuple[str, View, VertebraBox]:
    uid, view, name = known(cells["study_uid"]), _view(cells["view"]), cells["level"].upper()
    if not uid:
        raise ReadError(f"{where}: study_uid is empty; expected the study of the box")
    if view is None:
        raise ReadError(f"{where}: view is {quoted(cells['view'])}, expected AP or LATERAL")
    if name not in LEVELS:
        raise ReadError(f"{where}: level is {quoted(cells['level'])}, expected one of {', '.join(LEVELS)}")
    corners = []
    for column in CORNER_COLUMNS:
        value = number(cells[column], where, column, (-FARTHEST_PX, FARTHEST_PX), commas)
        if value is None:
            raise ReadError(f"{where}: {column} is {quoted(cells[column])}, expected a number of pixels")
        corners.append(value)
    try:
        return uid, view, VertebraBox(VertebralLevel(name), *corners)
    except ValueError as error:
        raise ReadError(f"{where}: {error}") from error


@lru_cache(maxsize=64)
def _view(text: str) -> View | None:
    """View of a cell; cached, since a table of a hundred thousand boxes has few words for the view."""
    return view_from_text(text)


def _collect_or_raise(message: str, wrong: list[str] | None, cause: ReadError | None = None) -> None:
    if wrong is None:
        raise ReadError(message) from cause
    wrong.append(message)
