"""BUU-LSPINE in the layout in which its owners give it out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cohort.covariates import Covariates, Sex
from cohort.importers.drawn import Contents, DrawnImage, LeftOut
from cohort.importers.geometry import Canvas, Polygon, canvas_of, fault_of, overlap_with, read_picture
from cohort.importers.sources.documents import images_under, read_text, without_suffix
from cohort.io.tables.rows import CohortRow
from cohort.roi_rule import roi_boxes
from cohort.spine import VertebralLevel, View
from osteolens.documents.text import visible
from osteolens.errors import ReadError

LUMBAR = tuple(VertebralLevel(f"L{k}") for k in range(1, 6))

HIGHEST_AGE_YEARS = 120

_BUU_NAME = re.compile(r"(?P<id>\d+)-(?P<sex>[FM])-(?P<age>\d+)Y(?P<view>[01])", re.IGNORECASE)


def read_buu_lspine(source: Path) -> Contents:
    """BUU-LSPINE: AP/ and LA/ with `0001-F-037Y0.jpg` and a CSV of edges, one a row as x1, y1, x2, y2[, label].

    Rows run L1 top, L1 bottom, ..., L5 bottom; a lateral file ends with S1's top.

    Raises:
        ReadError: neither AP nor LA stands in the folder.
    """
    subfolders = {path.name.upper(): path for path in source.iterdir() if path.is_dir()} if source.is_dir() else {}
    folders = {view: subfolders[name] for view, name in ((View.AP, "AP"), (View.LATERAL, "LA")) if name in subfolders}
    if not folders:
        raise ReadError(f"{source}: neither AP nor LA is there; expected the folder of BUU-LSPINE")
    images: list[DrawnImage] = []
    rows: dict[str, CohortRow] = {}
    left_out: list[LeftOut] = []
    for view, folder in folders.items():
        tables = {path.stem: path for path in sorted(folder.glob("*")) if path.suffix.lower() == ".csv"}
        for path in images_under(folder):
            stem = without_suffix(path.name)
            named, table = _BUU_NAME.fullmatch(stem), tables.pop(stem, None)
            try:
                if named is None:
                    raise ReadError("name is not id-sex-ageY0 or Y1")
                if table is None:
                    raise ReadError("no CSV beside it")
                images.append(_image(path, table, named["id"], view))
            except ReadError as error:
                left_out.append(LeftOut(path, str(error)))
                continue
            age = int(named["age"][-6:])
            covariates = Covariates(age_years=age if age <= HIGHEST_AGE_YEARS else None, sex=Sex(named["sex"].upper()))
            rows[named["id"]] = CohortRow(patient_id=named["id"], covariates=covariates)
        left_out += [LeftOut(table, "edges without image") for table in tables.values()]
    return Contents(images=images, rows=rows, left_out=left_out)


def _image(path: Path, table: Path, study: str, view: View) -> DrawnImage:
    edges = _edges(table, view)
    picture = read_picture(path)
    canvas = canvas_of(picture, None, list(edges.values()), relative=False)
    outlines = _outlines(edges, canvas, table)
    boxes = {box.level: box.corners for box in roi_boxes(outlines, None) if box.level in LUMBAR}
    return DrawnImage(path=path, study=study, view=view, boxes=boxes, note=canvas.note)


def _outlines(edges: dict[VertebralLevel, Polygon], canvas: Canvas, table: Path) -> dict[VertebralLevel, Polygon]:
    """Bodies in pixels of the image, and a block below S1's top edge, which bounds L5, where there is one.

    Raises:
        ReadError: edges that enclose nothing, or that lie outside the image.
    """
    outlines = {level: canvas.to_pixels(points) for level, points in edges.items()}
    if VertebralLevel.S1 in outlines:
        top = outlines[VertebralLevel.S1]
        outlines[VertebralLevel.S1] = np.concatenate((top, top + np.array([0.0, 0.7 * float(np.ptp(top[:, 0]))])))
    for level, points in outlines.items():
        reason = fault_of(points)
        if reason is None and level in LUMBAR and overlap_with(points, canvas.picture.size) < 0.5:
            reason = "it lies outside the image"
        if reason is not None:
            raise ReadError(f"{visible(table.name)}: edges of {level}: {reason}")
    return outlines


def _edges(path: Path, view: View) -> dict[VertebralLevel, Polygon]:
    """Corners (4, 2) of L1 to L5 and ends (2, 2) of S1's top edge, where it stands, as the file gives them."""
    rows = [line.split(",") for line in read_text(path).splitlines() if line.strip()]
    try:
        table = np.array([[float(cell) for cell in row[:4]] for row in rows], float)
    except ValueError as error:
        raise ReadError(f"{visible(path.name)}: no rows of x1, y1, x2, y2 ({visible(error)})") from error
    expected = 10 if view is View.AP else 11
    if table.shape[1:] != (4,) or len(table) not in (10, expected) or not np.isfinite(table).all():
        raise ReadError(f"{visible(path.name)}: {len(table)} edges, expected {expected}")
    outlines = {level: table[2 * k : 2 * k + 2].reshape(-1, 2) for k, level in enumerate(LUMBAR)}
    if len(table) == 11:
        outlines[VertebralLevel.S1] = table[10].reshape(2, 2)
    return outlines
