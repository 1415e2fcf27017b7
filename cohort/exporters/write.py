"""Boxes and outlines as the files of a labelling tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import cv2
import numpy as np
import numpy.typing as npt

from cohort.exporters.manifest import DECIMALS, Corners
from cohort.spine import LEVELS, VertebralLevel
from osteolens.atomic import write_whole

Polygon = npt.NDArray[np.float64]

COCO_FILE, CVAT_FILE, CVAT_LABELS = "annotations/instances_default.json", "annotations.xml", "labels.json"


class LabelFormat(StrEnum):
    """What can be written."""

    LABELME = "labelme"
    CVAT = "cvat"
    COCO = "coco"
    YOLO = "yolo"

    @property
    def pictures(self) -> str:
        """Folder of the pictures, from that of the export."""
        return {"labelme": ".", "cvat": "images", "coco": "images", "yolo": "images/train"}[self.value]

    @property
    def holds_both(self) -> bool:
        """Whether a body can have a box and an outline."""
        return self is not LabelFormat.YOLO


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """A picture and what is drawn on it, in its pixels.

    Attributes:
        name: of its file.
        size: (columns, rows).
        boxes: by level.
        outlines: (n, 2) by level.
    """

    name: str
    size: tuple[int, int]
    boxes: Mapping[VertebralLevel, Corners]
    outlines: Mapping[VertebralLevel, Polygon] = field(default_factory=dict)


def write_labels(folder: Path, label_format: LabelFormat, pictures: Sequence[LabelledPicture]) -> None:
    """Write the labels of all pictures, which lie in `label_format.pictures`.

    Raises:
        OutputError: a file cannot be written.
    """
    WRITERS[label_format](folder, pictures)


def _points(polygon: Polygon) -> list[list[float]]:
    return [[round(float(x), DECIMALS), round(float(y), DECIMALS)] for x, y in polygon]


def _labelme(folder: Path, pictures: Sequence[LabelledPicture]) -> None:
    """One JSON a picture beside it. Source: labelme/_label_file.py, version 5."""
    for picture in pictures:
        shapes = [
            {"label": level.value, "points": [[x0, y0], [x1, y1]], "shape_type": "rectangle"}
            for level, (x0, y0, x1, y1) in picture.boxes.items()
        ]
        shapes += [
            {"label": level.value, "points": _points(polygon), "shape_type": "polygon"}
            for level, polygon in picture.outlines.items()
        ]
        document: dict[str, object] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [{**shape, "group_id": None, "description": "", "flags": {}} for shape in shapes],
            "imagePath": picture.name,
            "imageData": None,
            "imageHeight": picture.size[1],
            "imageWidth": picture.size[0],
        }
        write_whole(folder / f"{Path(picture.name).stem}.json", json.dumps(document, indent=2) + "\n")


def _cvat(folder: Path, pictures: Sequence[LabelledPicture]) -> None:
    """CVAT for images 1.1, and the labels for a task's constructor. Source: CVAT, XML annotation format."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for number, picture in enumerate(pictures):
        size = {"width": str(picture.size[0]), "height": str(picture.size[1])}
        image = SubElement(root, "image", {"id": str(number), "name": picture.name, **size})
        for level, corners in picture.boxes.items():
            sides = {name: f"{v:.{DECIMALS}f}" for name, v in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True)}
            SubElement(image, "box", {**_of_shape(level), **sides})
        for level, polygon in picture.outlines.items():
            points = ";".join(f"{x},{y}" for x, y in _points(polygon))
            SubElement(image, "polygon", {**_of_shape(level), "points": points})
    indent(root)
    write_whole(folder / CVAT_FILE, b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, "utf-8") + b"\n")
    labels: list[dict[str, object]] = [{"name": level.value, "type": "any", "attributes": []} for level in LEVELS]
    write_whole(folder / CVAT_LABELS, json.dumps(labels, indent=1) + "\n")


def _of_shape(level: VertebralLevel) -> dict[str, str]:
    return {"label": level.value, "source": "auto", "occluded": "0", "z_order": "0"}


def _coco(folder: Path, pictures: Sequence[LabelledPicture]) -> None:
    """instances_default.json beside images/, as CVAT and others take it; a box and an outline are two annotations."""
    annotations: list[dict[str, object]] = []
    for number, picture in enumerate(pictures, start=1):
        for level, (x0, y0, x1, y1) in picture.boxes.items():
            box = [x0, y0, round(x1 - x0, DECIMALS), round(y1 - y0, DECIMALS)]
            annotations.append(_annotation(len(annotations), number, level, box, []))
        for level, polygon in picture.outlines.items():
            low, high = polygon.min(0), polygon.max(0)
            box = [round(float(v), DECIMALS) for v in (*low, *(high - low))]
            annotations.append(_annotation(len(annotations), number, level, box, _points(polygon)))
    images = [
        {"id": k, "file_name": picture.name, "width": picture.size[0], "height": picture.size[1]}
        for k, picture in enumerate(pictures, start=1)
    ]
    categories = [{"id": k, "name": level.value, "supercategory": ""} for k, level in enumerate(LEVELS, start=1)]
    document = {"info": {"description": "OsteoLens"}, "licenses": [], "images": images, "categories": categories}
    path = folder / COCO_FILE
    path.parent.mkdir(exist_ok=True)
    write_whole(path, json.dumps({**document, "annotations": annotations}) + "\n")


def _annotation(
    before: int, image: int, level: VertebralLevel, box: Sequence[float], points: Sequence[Sequence[float]]
) -> dict[str, object]:
    area = cv2.contourArea(np.array(points, np.float32)) if points else box[2] * box[3]
    return {
        "id": before + 1,
        "image_id": image,
        "category_id": LEVELS.index(level) + 1,
        "bbox": list(box),
        "segmentation": [[value for point in points for value in point]] if points else [],
        "area": round(abs(float(area)), 1),
        "iscrowd": 0,
    }


def _yolo(folder: Path, pictures: Sequence[LabelledPicture]) -> None:
    """images/train and labels/train with data.yaml, and classes.txt, which labelImg reads. Boxes alone."""
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        columns, rows = picture.size
        lines = [
            f"{LEVELS.index(level)} {(x0 + x1) / 2 / columns:.8f} {(y0 + y1) / 2 / rows:.8f} "
            f"{(x1 - x0) / columns:.8f} {(y1 - y0) / rows:.8f}\n"
            for level, (x0, y0, x1, y1) in picture.boxes.items()
        ]
        write_whole(labels / f"{Path(picture.name).stem}.txt", "".join(lines))
    names = "".join(f"  {k}: {level}\n" for k, level in enumerate(LEVELS))
    write_whole(folder / "data.yaml", f"path: .\ntrain: images/train\nval: images/train\nnames:\n{names}")
    write_whole(labels / "classes.txt", "".join(f"{level}\n" for level in LEVELS))


WRITERS: Mapping[LabelFormat, Callable[[Path, Sequence[LabelledPicture]], None]] = {
    LabelFormat.LABELME: _labelme,
    LabelFormat.CVAT: _cvat,
    LabelFormat.COCO: _coco,
    LabelFormat.YOLO: _yolo,
}
