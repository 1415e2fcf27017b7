"""ROIs in LabelMe's JSON files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from cohort.exporters.manifest import NAME as MANIFEST
from cohort.importers.drawn import Drawing, Drawings, LeftOut, stated_size
from cohort.importers.geometry import Shape
from cohort.importers.sources.documents import first_error, is_file, load_json
from cohort.importers.sources.image_folders import ImageFolders
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "a LabelMe document with imagePath and shapes"

BOXES = frozenset({"rectangle", "rotation", "oriented_rectangle"})
"""Shapes that are ROIs; of a turned one the upright rectangle around it."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    label: str
    points: list[tuple[FiniteFloat, FiniteFloat]]
    shape_type: str | None = None
    score: FiniteFloat | None = Field(default=None)


def read_labelme(source: Path, folders: ImageFolders) -> Drawings:
    """LabelMe JSON files beside their images, or with images in another folder; `shape_type` decides what a shape is.

    Rectangles stay as drawn, polygons are outlines, to which the ROI rule applies; circles, lines, points and masks
    are listed. Files without `shape_type` hold rectangles of two points and polygons. `imagePath` may be a path of
    another machine.

    Raises:
        ReadError: no such folder.
    """
    folder = source.parent if is_file(source) else source
    if not folder.is_dir():
        raise ReadError(f"{source}: no such folder; expected JSON files of LabelMe beside their images")
    found = [source] if is_file(source) else sorted(source.rglob("*"))
    paths = [path for path in found if path == source or (path.suffix.lower() == ".json" and path.name != MANIFEST)]
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            drawings.append(_drawing(path, folders))
        except ReadError as error:
            left_out.append(LeftOut(path, str(error)))
    return Drawings(drawings=drawings, left_out=left_out)


def _drawing(path: Path, folders: ImageFolders) -> Drawing:
    document = load_json(path, WHAT)
    name, shapes = document.get("imagePath"), document.get("shapes")
    if not isinstance(shapes, list):
        problem = "missing" if "shapes" not in document else quoted(shapes)
        raise ReadError(f"{visible(path.name)}: `shapes` is {problem}; expected {WHAT}")
    if not isinstance(name, str) or not name:
        problem = "missing" if "imagePath" not in document else quoted(name)
        raise ReadError(f"{visible(path.name)}: `imagePath` is {problem}; expected {WHAT}")
    image = folders.find(path.parent, name, path.stem)
    drawing = Drawing(image=image, stated_size=stated_size(document.get("imageWidth"), document.get("imageHeight")))
    for number, entry in enumerate(shapes):
        _take(entry, f"{visible(path.name)} shapes[{number}]", drawing)
    return drawing


def _take(entry: object, where: str, drawing: Drawing) -> None:
    """One entry into a shape of the drawing, or into its list of what is not used."""
    try:
        shape = _Shape.model_validate(entry)
    except ValidationError as error:
        label = entry.get("label", "") if isinstance(entry, dict) else ""
        drawing.refuse(label if isinstance(label, str) else "", first_error(error, where))
        return
    points = np.array(shape.points, float).reshape(-1, 2)
    kind = shape.shape_type or ("polygon" if len(points) > 2 else "rectangle")
    if kind in BOXES and len(points) in (2, 4):
        drawing.shapes.append(Shape(label=shape.label, points=points, is_outline=False, score=shape.score))
    elif kind == "polygon" and len(points) > 2:
        drawing.shapes.append(Shape(label=shape.label, points=points, is_outline=True, score=shape.score))
    elif kind in BOXES or kind == "polygon":
        drawing.refuse(shape.label, f"{where}: a {kind} of {len(points)} points encloses nothing")
    else:
        drawing.refuse(shape.label, f"a {visible(kind)[:40]} is no ROI; draw a rectangle, or a polygon around the body")
