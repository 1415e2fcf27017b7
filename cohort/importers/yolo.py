"""ROIs in a YOLO data set as ultralytics lays it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cohort.errors import OsteoLensError, ReadError
from cohort.images import PLAIN_SUFFIXES, read_radiograph
from cohort.importers.drawn import DrawnImage, Polygon, drawn_images
from cohort.index import Skipped

IMAGE_SUFFIXES = (*PLAIN_SUFFIXES, ".dcm")


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


def _size(path: Path) -> tuple[int, int]:
    """(columns, rows) of an image."""
    try:
        rows, columns = read_radiograph(path)[0].pixels.shape
    except OsteoLensError as error:
        raise ReadError(f"{path}: its size is needed to place YOLO boxes ({error})") from error
    return columns, rows
