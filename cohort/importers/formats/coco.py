"""ROIs in a COCO document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from cohort.importers.drawn import Drawing, Drawings, LeftOut, stated_size
from cohort.importers.formats.label_studio_names import is_of_label_studio, stem_without_hash
from cohort.importers.geometry import Polygon, Shape, shape_of_parts, turned_box
from cohort.importers.sources.documents import documents_of, first_error, load_json
from cohort.importers.sources.image_folders import ImageFolders
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
    attributes: object = None

    @property
    def rotation_deg(self) -> float:
        """By which CVAT says that a box is turned about its middle."""
        value = self.attributes.get("rotation") if isinstance(self.attributes, dict) else None
        return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else 0.0


class _Polygon(_Entry):
    segmentation: list[FiniteFloat]


E_ = TypeVar("E_", bound=_Entry)


def read_coco(source: Path, folders: ImageFolders) -> Drawings:
    """A COCO JSON, or a folder with one or several (Roboflow's train, valid and test, CVAT's subsets), and its images.

    A polygon of several parts counts as one body. A polygon that is exactly an upright rectangle, and a plain bbox,
    is the ROI itself; any other polygon is an outline, to which the ROI rule applies. Run-length masks are not read.

    Raises:
        ReadError: no COCO document.
    """
    paths = documents_of(source, (".json",))
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            drawings += _drawings(path, folders, left_out)
        except ReadError as error:
            if len(paths) == 1:
                raise
            left_out.append(LeftOut(path, str(error)))
    return Drawings(drawings=drawings, left_out=left_out)


def _drawings(path: Path, folders: ImageFolders, left_out: list[LeftOut]) -> list[Drawing]:
    document = load_json(path, WHAT)
    categories = _by_id(_entries(document, "categories", _Category, path, left_out), path, "categories")
    images = _by_id(_entries(document, "images", _Image, path, left_out), path, "images")
    hashed = is_of_label_studio(document)
    drawings: dict[str, Drawing] = {}
    lost: set[str] = set()
    for key, image in images.items():
        try:
            place = folders.find(path.parent, image.file_name)
        except ReadError as error:
            left_out.append(LeftOut(path, f"{visible(image.file_name)}: {error}"))
            lost.add(key)
            continue
        size, stem = stated_size(image.width, image.height), stem_without_hash(place) if hashed else ""
        drawings[key] = Drawing(image=place, stated_size=size, study_stem=stem)
    for number, annotation in _entries(document, "annotations", _Annotation, path, left_out):
        where = f"annotations[{number}]"
        if annotation.image_id in lost:
            continue
        drawing, category = drawings.get(annotation.image_id), categories.get(annotation.category_id)
        if drawing is None or category is None:
            field, key = (
                ("image_id", annotation.image_id) if drawing is None else ("category_id", annotation.category_id)
            )
            left_out.append(LeftOut(path, f"{where}.{field}: {quoted(key)} is not among those of the document"))
            continue
        _take(annotation, category.name, where, drawing)
    return list(drawings.values())


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
    points = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], float)
    if annotation.rotation_deg:
        points = turned_box(points, annotation.rotation_deg, (x + width / 2, y + height / 2))
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
