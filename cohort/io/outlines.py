"""Outlines of vertebral bodies from a COCO document, read with limits and checked field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohort.spine import LEVELS, VertebralLevel, View
from cohort.study import Study
from osteolens.atomic import write_whole
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

Outlines = dict[tuple[str, View], dict[VertebralLevel, npt.NDArray[np.float64]]]
"""Polygons (n, 2) as x, y in pixels of the original image, by (study_uid, view) and level."""

MOST_BYTES = 2**30
"""Largest file that is read; outlines of a study take some fifty kilobytes."""

FARTHEST_PX = 1e6
"""A coordinate beyond it is no pixel of any image."""

_Identifier = int | str
_Pixels = Annotated[float, Field(ge=-FARTHEST_PX, le=FARTHEST_PX, allow_inf_nan=False)]
_Polygon = list[_Pixels]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Image(_Part):
    id: _Identifier
    file_name: str


class _Category(_Part):
    id: _Identifier
    name: str


class _Annotation(_Part):
    image_id: _Identifier
    category_id: _Identifier
    segmentation: list[_Polygon] | _Polygon | dict[str, object]


class _Document(_Part):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def read_outlines(path: Path, studies: Sequence[Study]) -> Outlines:
    """Polygons of a COCO file whose image names are paths relative to its folder; others are left out.

    Of an object in several parts the outline is the convex hull of all of them.

    Raises:
        ReadError: not a COCO document, a category that is no vertebral level, run lengths in place of polygons, or two
            outlines of a level in one image; with the field.
    """
    name = visible(path)
    document = _document(path, name)
    for kind in (document.images, document.categories):
        _check_once([row.id for row in kind], f"{name}: {'images' if kind is document.images else 'categories'}")
    levels = {row.id: _level(row.name, f"{name}: categories[{k}].name") for k, row in enumerate(document.categories)}
    owners = {image.resolve(): (s.study_uid, view) for s in studies for view, image in s.images if view is not None}
    paths = {row.id: _inside(path.parent, row.file_name) for row in document.images}
    files = {key: owners[image] for key, image in paths.items() if image is not None and image in owners}
    outlines: Outlines = {}
    for k, row in enumerate(document.annotations):
        owner, where = files.get(row.image_id), f"{name}: annotations[{k}]"
        if owner is None or not row.segmentation:
            continue
        if row.category_id not in levels:
            raise ReadError(f"{where}.category_id is {quoted(row.category_id)}, expected one of the categories' ids")
        level = levels[row.category_id]
        if level in outlines.get(owner, {}):
            raise ReadError(f"{where}: a second outline of {level} in one image; expected one a level")
        outlines.setdefault(owner, {})[level] = _outline(row.segmentation, f"{where}.segmentation")
    return outlines


def write_outlines(
    path: Path,
    outlines: Mapping[str, Mapping[VertebralLevel, npt.NDArray[np.float64]]],
    sizes: Mapping[str, tuple[int, int]],
) -> None:
    """A COCO document as `read_outlines` takes it.

    Args:
        path: of the document.
        outlines: polygons (n, 2) in pixels, by the image's path from the document's folder and by level.
        sizes: (columns, rows) of the images.

    Raises:
        OutputError: it cannot be written.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (name, by_level) in enumerate(sorted(outlines.items()), start=1):
        columns, rows = sizes[name]
        images.append({"id": number, "file_name": name, "width": columns, "height": rows})
        for level in sorted(by_level, key=LEVELS.index):
            points = np.round(by_level[level], 2)
            low, high = points.min(0), points.max(0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": LEVELS.index(level) + 1,
                    "bbox": [round(float(v), 2) for v in (*low, *(high - low))],
                    "segmentation": [points.ravel().tolist()],
                    "area": round(abs(float(cv2.contourArea(points.astype(np.float32)))), 1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": k, "name": level.value} for k, level in enumerate(LEVELS, start=1)]
    write_whole(path, json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def _document(path: Path, name: str) -> _Document:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ReadError(f"{name}: {size:,} bytes, expected at most {MOST_BYTES:,}; split the cohort")
        raw = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{name}: cannot be opened ({error.strerror}); expected a COCO document") from error
    try:
        return _Document.model_validate_json(raw.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][:3]).lstrip(".")
        shown_value = "" if first["type"] in ("json_invalid", "missing") else f", found {quoted(first['input'])}"
        what = f"{visible(where) or 'the whole'}: {visible(first['msg'])}{shown_value}"
        page = "docs/reference/data-formats.md"
        raise ReadError(f"{name}: no COCO document of vertebral levels ({what}); see {page}") from error


def _check_once(identifiers: Iterable[_Identifier], where: str) -> None:
    seen: set[_Identifier] = set()
    for identifier in identifiers:
        if identifier in seen:
            raise ReadError(f"{where}: id {quoted(identifier)} stands twice; expected each once")
        seen.add(identifier)


def _level(text: str, where: str) -> VertebralLevel:
    if text.strip().upper() not in LEVELS:
        raise ReadError(
            f"{where} is {quoted(text)}, no COCO document of vertebral levels; expected {', '.join(LEVELS)}"
        )
    return VertebralLevel(text.strip().upper())


def _inside(folder: Path, file_name: str) -> Path | None:
    """Where an image lies; None for a name that no file can have."""
    try:
        return (folder / file_name).resolve()
    except (OSError, ValueError, RuntimeError):
        return None


def _outline(segmentation: list[_Polygon] | _Polygon | dict[str, object], where: str) -> npt.NDArray[np.float64]:
    if isinstance(segmentation, dict):
        raise ReadError(f"{where} holds run lengths (RLE), expected polygons; export them as polygons")
    parts = segmentation if isinstance(segmentation[0], list) else [segmentation]
    polygons = []
    for k, part in enumerate(parts):
        if len(part) < 6 or len(part) % 2:
            raise ReadError(f"{where}[{k}] has {len(part)} numbers, expected x and y of three points or more")
        polygons.append(np.asarray(part, np.float64).reshape(-1, 2))
    if len(polygons) == 1:
        return polygons[0]
    return np.asarray(cv2.convexHull(np.concatenate(polygons).astype(np.float32))[:, 0], np.float64)
