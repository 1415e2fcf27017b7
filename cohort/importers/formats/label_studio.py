"""ROIs in Label Studio's own JSON, and in its shorter JSON-MIN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from cohort.importers.drawn import Drawing, Drawings, LeftOut, stated_size
from cohort.importers.formats.label_studio_names import stem_without_hash
from cohort.importers.geometry import Polygon, Shape, Size, turned_box
from cohort.importers.sources.documents import IMAGE_SUFFIXES, documents_of, first_error, load_any_json
from cohort.importers.sources.image_folders import ImageFolders
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "tasks of Label Studio (export as JSON or JSON-MIN)"

KINDS = ("rectanglelabels", "polygonlabels", "labels")
"""Types of results that are ROIs; their value has the labels under the same name."""

BARE, OF_TASK = (
    ("rectangle", "polygon"),
    ("choices", "textarea", "rating", "number", "datetime", "relation", "taxonomy"),
)
"""Shapes whose label is a result of type `labels` with the same id; and results of the whole picture."""

NAMES_OF_IMAGES = (*IMAGE_SUFFIXES, ".bmp", ".webp", ".gif")
"""Endings of the values of a task that name its image."""

_Side = Annotated[int, Field(gt=0, le=10**6)]
_Percent = FiniteFloat


class _Value(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    x: _Percent = 0.0
    y: _Percent = 0.0
    width: _Percent = 0.0
    height: _Percent = 0.0
    rotation: FiniteFloat = 0.0
    points: list[tuple[_Percent, _Percent]] = []
    rectanglelabels: list[str] = []
    polygonlabels: list[str] = []
    labels: list[str] = []


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    original_width: _Side | None = None
    original_height: _Side | None = None
    image_rotation: FiniteFloat = 0.0
    score: FiniteFloat | None = None
    value: _Value


def read_label_studio(source: Path, folders: ImageFolders) -> Drawings:
    """A JSON file of tasks, or a folder with one or several, and the images, most often in a folder of their own.

    Percent of the original size become pixels; a turned rectangle, which turns about its upper left corner, becomes the
    upright box around it; polygons are outlines. Each annotator is a reader; skipped annotations and predictions are
    not used. A picture that was turned in the editor is refused.

    Raises:
        ReadError: no such document.
    """
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    paths = documents_of(source, (".json",))
    for path in paths:
        try:
            for number, task in enumerate(_tasks(load_any_json(path, WHAT), path)):
                _read_task(task, f"{visible(path.name)} [{number}]", path, folders, drawings, left_out)
        except ReadError as error:
            if len(paths) == 1:
                raise
            left_out.append(LeftOut(path, str(error)))
    return Drawings(drawings=drawings, left_out=left_out)


def _tasks(document: object, path: Path) -> list[Mapping[str, Any]]:
    found = document if isinstance(document, list) else [document]
    tasks: list[Mapping[str, Any]] = [task for task in found if isinstance(task, dict)]
    if len(tasks) < len(found):
        raise ReadError(f"{visible(path.name)}: found {quoted(document)}, expected {WHAT}")
    if not any(("data" in task and "annotations" in task) or "task" in task or "image" in task for task in tasks):
        raise ReadError(f"{visible(path.name)}: no task with `data` and `annotations`; expected {WHAT}")
    return tasks


def _read_task(
    task: Mapping[str, Any],
    where: str,
    path: Path,
    folders: ImageFolders,
    drawings: list[Drawing],
    left_out: list[LeftOut],
) -> None:
    try:
        if isinstance(task.get("task"), dict):  # one annotation, as storages get it
            task = {**task["task"], "annotations": [task]}
        name = _image_name(task.get("data") if isinstance(task.get("data"), dict) else task, where)
        image = _image(name, path, folders)
        found = list(_annotations(task, where, image, left_out))
    except ReadError as error:
        left_out.append(LeftOut(path, str(error)))
        return
    drawings += found or [Drawing(image=image)]
    for drawing in drawings[-max(1, len(found)) :]:
        drawing.study_stem = stem_without_hash(image)


def _image_name(values: object, where: str) -> str:
    """The one value of a task that names an image.

    Raises:
        ReadError: none, or several, as in tasks of two views.
    """
    texts = [v for v in values.values() if isinstance(v, str)] if isinstance(values, dict) else []
    names = [name for text in texts if PurePath(name := _path_of(text)).suffix.lower() in NAMES_OF_IMAGES]
    if len(names) != 1:
        raise ReadError(f"{where}: found {len(names)} images in `data`; expected one image a task")
    return names[0]


def _path_of(address: str) -> str:
    """The path in an address: `/data/upload/1/<hash>-a.png`, `/data/local-files/?d=films/a.png`, `s3://films/a.png`."""
    try:
        parts = urlsplit(address)
    except ValueError:  # no address, so a path as it stands
        return address
    local = parse_qs(parts.query).get("d")
    return unquote(local[0] if local else parts.path if parts.scheme in ("http", "https", "s3", "gs") else address)


def _image(name: str, path: Path, folders: ImageFolders) -> Path:
    """The image of a name, with or without the hash that an upload puts before it."""
    last = PurePath(name.replace("\\", "/"))
    image = folders.find(path.parent, name.lstrip("/"))
    plain = f"{stem_without_hash(last)}{last.suffix}"
    return image if folders.holds(image) or plain == last.name else folders.find(path.parent, plain)


def _annotations(task: Mapping[str, Any], where: str, image: Path, left_out: list[LeftOut]) -> Iterator[Drawing]:
    """One drawing for each annotation, the latest last."""
    annotations = task.get("annotations", task.get("completions"))
    if annotations is None:  # JSON-MIN
        results = [v for v in task.values() if isinstance(v, list) and any(isinstance(r, dict) for r in v)]
        annotations = [
            {"result": [_as_result(r) for r in rows], "completed_by": task.get("annotator")} for rows in results
        ]
    if not isinstance(annotations, list):
        raise ReadError(f"{where}.annotations: found {quoted(annotations)}, expected a list")
    usable = [a for a in annotations if isinstance(a, dict) and isinstance(a.get("result"), list)]
    for annotation in sorted(usable, key=lambda a: str(a.get("updated_at") or a.get("created_at") or "")):
        if annotation.get("was_cancelled"):
            left_out.append(LeftOut(image, "an annotation that was skipped is not used"))
            continue
        sizes = {size for entry in annotation["result"] if (size := _size(entry)) is not None}
        if len(sizes) > 1:
            raise ReadError(f"{where}: results of one picture have {len(sizes)} original sizes; expected one")
        size = next(iter(sizes), None)
        drawing = Drawing(
            image=image, stated_size=size, relative=size is None, reader=_reader(annotation.get("completed_by"))
        )
        labelled = [r.get("id") for r in annotation["result"] if isinstance(r, dict) and r.get("type") == "labels"]
        for number, result in enumerate(annotation["result"]):
            if isinstance(result, dict) and result.get("type") in BARE and result.get("id") in labelled:
                continue
            _take(result, f"{where}.result[{number}]", drawing)
        if drawing.shapes or drawing.left_out:
            yield drawing


def _size(entry: object) -> Size | None:
    """The size of the picture in the editor, by one result."""
    return stated_size(entry.get("original_width"), entry.get("original_height")) if isinstance(entry, dict) else None


def _as_result(row: object) -> object:
    """One entry of JSON-MIN, whose value is not apart from its size, as the entry of JSON."""
    if not isinstance(row, dict):
        return row
    kind = next((kind for kind in KINDS if kind in row), "")
    return {**row, "type": kind, "value": row}


def _reader(completed_by: object) -> str:
    """A name for an annotator, of whom the export gives a number, or an object with one; no address."""
    number = completed_by.get("id") if isinstance(completed_by, dict) else completed_by
    return f"annotator{number}" if isinstance(number, int) else ""


def _take(entry: object, where: str, drawing: Drawing) -> None:
    """One result into a shape of the drawing, or into its list of what is not used."""
    kind = entry.get("type") if isinstance(entry, dict) else None
    if kind in OF_TASK:
        return
    try:
        result = _Result.model_validate(entry)
    except ValidationError as error:
        drawing.refuse("", first_error(error, where))
        return
    labels = result.value.rectanglelabels + result.value.polygonlabels + result.value.labels
    label = labels[0] if len(labels) == 1 else ", ".join(labels)
    is_polygon = kind == "polygonlabels" or (kind == "labels" and bool(result.value.points))
    scale = np.array(drawing.stated_size or (1, 1), float) / 100
    if kind not in KINDS:
        drawing.refuse(label, f"a result of type {quoted(kind)} is no ROI; draw a rectangle or a polygon of the body")
    elif result.image_rotation % 360:
        drawing.refuse(
            label, f"the picture was turned by {result.image_rotation:g} degrees in the editor; turn it back"
        )
    elif is_polygon and len(result.value.points) < 3:
        drawing.refuse(label, f"{where}: a polygon of {len(result.value.points)} points encloses nothing")
    elif is_polygon:
        drawing.shapes.append(Shape(label=label, points=np.array(result.value.points) * scale, is_outline=True))
    elif result.value.rotation % 360 and drawing.relative:
        drawing.refuse(label, f"{where}: a turned rectangle without original_width and original_height is not read")
    else:
        points = _rectangle(result.value, scale)
        drawing.shapes.append(Shape(label=label, points=points, is_outline=False, score=result.score))


def _rectangle(value: _Value, scale: npt.NDArray[np.float64]) -> Polygon:
    """Corners of a rectangle, which turns about the first of them; a turn is one of pixels, not of percent."""
    x0, y0, x1, y1 = value.x, value.y, value.x + value.width, value.y + value.height
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * scale
    return turned_box(corners, value.rotation, corners[0]) if value.rotation % 360 else corners
