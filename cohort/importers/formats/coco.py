"""ROIs in a COCO document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from cohort.importers.documents import first_error, image_at, load_json, only_file
from cohort.importers.drawn import Contents, Drawing, LeftOut, drawn_contents, stated_size
from cohort.importers.geometry import Polygon, Shape, shape_of_parts
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "a COCO document with images, annotations and categories"

Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""An identifier; some tools write numbers, others text."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Image(_Entry):
    id: Id
    file_name: str = Field(min_length=1)
    width: object = None
    height: object = None


class _Category(_Entry):
    id: Id
    name: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class _Annotation(_Entry):
    image_id: Id
    category_id: Id
    bbox: list[FiniteFloat] | None = None
    segmentation: object = None
    score: FiniteFloat | None = None


class _Polygon(_Entry):
    segmentation: list[FiniteFloat]


E_ = TypeVar("E_", bound=_Entry)


def read_coco(source: Path) -> Contents:
    """A COCO JSON, or a folder with one, beside its images.

    A polygon of several parts counts as one body. A polygon that is exactly an upright rectangle, and a plain bbox,
    is the ROI itself; any other polygon is an outline, to which the ROI rule applies. Run-length masks are not read.

    Raises:
        ReadError: no COCO document.
    """
    path = only_file(source, ".json")
    document = load_json(path, WHAT)
    left_out: list[LeftOut] = []
    categories = _by_id(_entries(document, "categories", _Category, path, left_out), path, "categories")
    images = _by_id(_entries(document, "images", _Image, path, left_out), path, "images")
    drawings = {
        key: Drawing(image=image_at(path.parent, image.file_name), stated_size=stated_size(image.width, image.height))
        for key, image in images.items()
    }
    for number, annotation in _entries(document, "annotations", _Annotation, path, left_out):
        where = f"annotations[{number}]"
        drawing, category = drawings.get(annotation.image_id), categories.get(annotation.category_id)
        if drawing is None or category is None:
            field, key = (
                ("image_id", annotation.image_id) if drawing is None else ("category_id", annotation.category_id)
            )
            left_out.append(LeftOut(path, f"{where}.{field}: {quoted(key)} is not among those of the document"))
            continue
        _take(annotation, category.name, where, drawing)
    return drawn_contents(list(drawings.values()), source if source.is_dir() else path.parent, left_out)


def _entries(
    document: dict[str, Any], name: str, model: type[E_], path: Path, left_out: list[LeftOut]
) -> list[tuple[int, E_]]:
    """Entries of a list with their numbers; damaged ones are listed by their field.

    Raises:
        ReadError: the list is missing.
    """
    rows = document.get(name)
    if not isinstance(rows, list):
        problem = "missing" if name not in document else quoted(rows)
        raise ReadError(f"{visible(path.name)}: `{name}` is {problem}; expected {WHAT}")
    entries = []
    for number, row in enumerate(rows):
        try:
            entries.append((number, model.model_validate(row)))
        except ValidationError as error:
            left_out.append(LeftOut(path, first_error(error, f"{name}[{number}]")))
    return entries


I_ = TypeVar("I_", _Image, _Category)


def _by_id(entries: Sequence[tuple[int, I_]], path: Path, name: str) -> dict[str, I_]:
    """Entries by identifier.

    Raises:
        ReadError: two different entries have one identifier.
    """
    by_id: dict[str, I_] = {}
    for number, entry in entries:
        if by_id.setdefault(entry.id, entry) != entry:
            raise ReadError(
                f"{visible(path.name)}: {name}[{number}].id {quoted(entry.id)} stands twice; expected each once; "
                "nobody can tell which one the annotations mean"
            )
    return by_id


def _take(annotation: _Annotation, label: str, where: str, drawing: Drawing) -> None:
    """The polygon of one annotation, else its bbox, into a drawing, or into its list of what is not used."""
    try:
        parts = _parts(annotation.segmentation, where)
        if parts:
            drawing.shapes.append(shape_of_parts(label, parts, annotation.score))
            return
        drawing.shapes.append(_box(annotation, label, where))
        if annotation.segmentation:
            drawing.refuse(label, f"{where}.segmentation: fewer than three points; the bbox is taken")
    except ReadError as error:
        drawing.refuse(label, str(error))


def _box(annotation: _Annotation, label: str, where: str) -> Shape:
    """The bbox of one annotation.

    Raises:
        ReadError: no bbox, or one without extent.
    """
    bbox = annotation.bbox or []
    if len(bbox) != 4:
        raise ReadError(
            f"{where}: bbox has {len(bbox)} numbers and there is no polygon of three points or more; expected x, y, "
            "width, height"
        )
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        raise ReadError(f"{where}.bbox: width {width:g} and height {height:g}; expected both above zero")
    points = np.array([[x, y], [x + width, y + height]], float)
    return Shape(label=label, points=points, is_outline=False, score=annotation.score)


def _parts(segmentation: object, where: str) -> list[Polygon]:
    """Polygons of one object, whether its list is flat or nested; fragments of fewer than three points are no part.

    Raises:
        ReadError: run-length mask, or what is no list of points.
    """
    if isinstance(segmentation, dict):
        raise ReadError(f"{where}.segmentation: a run-length mask (RLE) is not read; export polygons")
    if segmentation is None or segmentation == []:
        return []
    if not isinstance(segmentation, list):
        raise ReadError(f"{where}.segmentation: found {quoted(segmentation)}, expected lists of x, y, x, y, ...")
    flat = not any(isinstance(part, list) for part in segmentation)
    parts = []
    for part in [segmentation] if flat else segmentation:
        try:
            numbers = _Polygon(segmentation=part).segmentation
        except ValidationError as error:
            raise ReadError(first_error(error, where)) from error
        if len(numbers) % 2:
            raise ReadError(f"{where}.segmentation: {len(numbers)} numbers, expected x, y, x, y, ...")
        if len(numbers) >= 6:
            parts.append(np.array(numbers, float).reshape(-1, 2))
    return parts
