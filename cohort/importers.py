"""ROIs as people draw them elsewhere (COCO, YOLO, LabelMe, CVAT) into a cohort folder that every command reads."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from cohort.dicom import view_from_text
from cohort.errors import ConfigError, OsteoLensError, ReadError
from cohort.images import PLAIN_SUFFIXES, read_radiograph
from cohort.index import Skipped, index_cohort, safe_name
from cohort.roi import roi_boxes
from cohort.spine import VertebraBox, VertebralLevel, View

IMAGE_SUFFIXES = (*PLAIN_SUFFIXES, ".dcm")
_LEVEL = re.compile(r"(?<![A-Za-z0-9])(T1[0-2]|L[1-5]|S1)(?![0-9])", re.IGNORECASE)

Polygon = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One image with what was drawn on it.

    Attributes:
        path: the image.
        study: name of the study's folder.
        view: AP or lateral.
        boxes: ROIs taken as drawn.
        outlines: bodies whose ROI follows from the rule.
    """

    path: Path
    study: str
    view: View
    boxes: Mapping[VertebralLevel, tuple[float, float, float, float]] = field(default_factory=dict)
    outlines: Mapping[VertebralLevel, Polygon] = field(default_factory=dict)

    @property
    def rois(self) -> tuple[VertebraBox, ...]:
        """Every ROI of this image; a drawn box wins over one from an outline."""
        by_rule = {box.level: box for box in roi_boxes(self.outlines, None)} if self.outlines else {}
        drawn = {level: VertebraBox(level, *corners) for level, corners in self.boxes.items()}
        return tuple({**by_rule, **drawn}.values())


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made of its source."""

    studies: int
    images: int
    rois: int
    skipped: tuple[Skipped, ...]


def import_cohort(kind: str, source: Path, out: Path) -> ImportReport:
    """Read a source in one of KINDS and write a cohort folder.

    Raises:
        ConfigError: unknown kind, or the output folder holds files already.
        ReadError: the source has not the expected files.
    """
    from cohort.cvat import read_cvat
    from cohort.public_sets import read_buu_lspine, read_lumos

    readers: dict[str, Callable[[Path], tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]]] = {
        "coco": read_coco,
        "yolo": read_yolo,
        "labelme": read_labelme,
        "cvat": read_cvat,
        "buu-lspine": read_buu_lspine,
        "lumos": read_lumos,
    }
    if kind not in readers:
        raise ConfigError(f"import {kind!r}: choose one of {', '.join(readers)}")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: the folder is not empty; choose a new one, so that nothing is mixed")
    images, rows, skipped = readers[kind](source)
    if not images:
        reasons = "; ".join(f"{s.path.name}: {s.reason}" for s in skipped[:3])
        raise ReadError(f"{source}: nothing to import as {kind} ({reasons or 'no file of this format'})")
    return _write(images, rows, skipped, out)


def _write(
    images: Sequence[DrawnImage], rows: Sequence[Mapping[str, Any]], skipped: Iterable[Skipped], out: Path
) -> ImportReport:
    places: dict[Path, DrawnImage] = {}
    left_out = list(skipped)
    for image in images:
        target = out / safe_name(image.study) / f"{image.view}{_stored_suffix(image.path)}"
        if target in places:
            left_out.append(Skipped(image.path, f"second {image.view} image of study {image.study}"))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        _store(image.path, target)
        places[target.resolve()] = image
    rois = []
    studies = index_cohort(out).studies
    for study in studies:
        for _, path in study.images:
            drawn = places.get(path.resolve())
            if drawn is not None:
                rois += [
                    [study.study_uid, str(drawn.view), str(b.level), *(round(v, 2) for v in b.corners)]
                    for b in drawn.rois
                ]
    if rois:
        columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
        pd.DataFrame(rois, columns=columns).to_csv(out / "rois.csv", index=False)
    if rows:
        pd.DataFrame(list(rows)).to_csv(out / "cohort.csv", index=False)
    return ImportReport(len(studies), len(places), len(rois), tuple(left_out))


def _stored_suffix(path: Path) -> str:
    return ".png" if path.suffix == ".npy" else path.suffix.lower()


def _store(source: Path, target: Path) -> None:
    """Copy an image; an array becomes a 16-bit PNG."""
    if source.suffix != ".npy":
        shutil.copyfile(source, target)
        return
    from cohort.public_sets import array_as_png

    array_as_png(source, target)


def level_of(text: str) -> VertebralLevel | None:
    """The level that a category's name spells (`L1`, `AP_L1`, `l3 lateral`), or None."""
    found = _LEVEL.search(re.sub(r"[_\-./]+", " ", text))
    return VertebralLevel(found.group(1).upper()) if found else None


def study_of(path: Path) -> str:
    """Name of an image's study: its stem without the view's letters, or its folder."""
    words = re.sub(r"[_\-. ]+", " ", path.stem).split()
    kept = [word for word in words if view_from_text(word) is None]
    return "_".join(kept) or path.parent.name


def read_coco(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """A COCO JSON, or a folder with one, beside its images; polygons follow the ROI rule, plain boxes stay."""
    path = only_file(source, "*.json")
    try:
        document = json.loads(path.read_text("utf-8"))
        names = {row["id"]: str(row["name"]) for row in document["categories"]}
        files = {row["id"]: path.parent / str(row["file_name"]) for row in document["images"]}
        rows = [
            (a["image_id"], names[a["category_id"]], a["bbox"], a.get("segmentation")) for a in document["annotations"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{path}: no COCO document ({error!r}); expected images, annotations, categories") from error
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {image: [] for image in files.values()}
    for image_id, name, (x, y, width, height), segmentation in rows:
        polygon = segmentation[0] if isinstance(segmentation, list) and segmentation else None
        if polygon is not None and len(polygon) > 8:
            shapes[files[image_id]].append((name, np.asarray(polygon, float).reshape(-1, 2), True))
        else:
            shapes[files[image_id]].append((name, np.array([[x, y], [x + width, y + height]], float), False))
    images, skipped = drawn_images(shapes, path.parent)
    return images, [], skipped


def read_yolo(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """An ultralytics folder: data.yaml with names, images and labels in folders of the same layout."""
    try:
        names = yaml.safe_load((source / "data.yaml").read_text("utf-8"))["names"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ReadError(f"{source}: data.yaml with `names` is needed ({error!r})") from error
    by_number = dict(enumerate(names)) if isinstance(names, list) else {int(k): str(v) for k, v in names.items()}
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {}
    for label in sorted(source.rglob("labels/**/*.txt")):
        parts = ["images" if part == "labels" else part for part in label.relative_to(source).parts]
        stem = (source / Path(*parts)).with_suffix("")
        image = next((p for s in IMAGE_SUFFIXES if (p := stem.with_suffix(s)).is_file()), None)
        if image is None:
            continue
        size = _size(image)
        for line in label.read_text("utf-8").splitlines():
            try:
                number, *values = (float(cell) for cell in line.split())
                name = by_number[int(number)]
            except (ValueError, KeyError) as error:
                raise ReadError(f"{label}: line {line!r} is no `class x y w h` of data.yaml's classes") from error
            shapes.setdefault(image, []).append(_yolo_shape(name, np.array(values), size))
    images, skipped = drawn_images(shapes, source)
    return images, [], skipped


def _yolo_shape(name: str, values: Polygon, size: tuple[int, int]) -> tuple[str, Polygon, bool]:
    """A box `x y w h`, or a polygon of a segmentation data set, in pixels."""
    if len(values) > 4:
        return name, values.reshape(-1, 2) * size, True
    centre, half = values[:2] * size, values[2:] * size / 2
    return name, np.stack((centre - half, centre + half)), False


def read_labelme(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """LabelMe JSON files beside their images; rectangles stay, polygons follow the ROI rule."""
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {}
    for path in sorted(source.rglob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
            image = path.parent / Path(str(document["imagePath"])).name
            for shape in document["shapes"]:
                points = np.asarray(shape["points"], float).reshape(-1, 2)
                shapes.setdefault(image, []).append((str(shape["label"]), points, len(points) > 2))
        except (ValueError, KeyError, TypeError) as error:
            raise ReadError(f"{path}: no LabelMe document ({error!r}); expected imagePath and shapes") from error
    images, skipped = drawn_images(shapes, source)
    return images, [], skipped


def drawn_images(
    shapes: Mapping[Path, Sequence[tuple[str, Polygon, bool]]], root: Path
) -> tuple[list[DrawnImage], list[Skipped]]:
    """Images with levels and a view; the others with the reason why not."""
    images, skipped = [], []
    for path, own in shapes.items():
        view = view_from_text(path.stem) or view_from_text(path.parent.name)
        view = view or next((v for name, _, _ in own if (v := view_from_text(name)) is not None), None)
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            skipped.append(Skipped(path, "the image is missing or lies outside the source"))
            continue
        if view is None:
            skipped.append(Skipped(path, "neither its name, its folder nor its labels tell AP from lateral"))
            continue
        boxes, outlines = {}, {}
        for name, points, is_outline in own:
            level = level_of(name)
            if level is None:
                skipped.append(Skipped(path, f"label {name!r} names no vertebral level"))
            elif is_outline:
                outlines[level] = points
            else:
                low, high = points.min(0), points.max(0)
                boxes[level] = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        images.append(DrawnImage(path, study_of(path), view, boxes, outlines))
    return images, skipped


def _size(path: Path) -> tuple[int, int]:
    """(columns, rows) of an image."""
    try:
        rows, columns = read_radiograph(path)[0].pixels.shape
    except OsteoLensError as error:
        raise ReadError(f"{path}: its size is needed to place YOLO boxes ({error})") from error
    return columns, rows


def only_file(folder: Path, pattern: str) -> Path:
    """The file itself, or the one of a folder that a pattern fits.

    Raises:
        ReadError: none fits, or several do.
    """
    if folder.is_file():
        return folder
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(found) != 1:
        raise ReadError(f"{folder}: found {len(found)} files {pattern}, expected one; name the file itself")
    return found[0]
