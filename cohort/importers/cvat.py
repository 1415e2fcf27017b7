"""CVAT's XML of annotated images (format "CVAT for images 1.1")."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from cohort.errors import ReadError
from cohort.importers.drawn import DrawnImage, Polygon, drawn_images, only_file
from cohort.index import Skipped


def read_cvat(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """An annotations.xml, or a folder with one, beside its images; polygons follow the ROI rule, boxes stay as drawn.

    A box that was turned becomes the upright box around it. Documents with a DTD are refused, since entities may
    expand without end.

    Raises:
        ReadError: no CVAT document, or a shape without numbers.
    """
    path = only_file(source, "*.xml")
    try:
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise ReadError(f"{path}: holds a DTD; CVAT writes none; export the annotations again")
        root = ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError) as error:
        raise ReadError(f"{path}: cannot be read as XML ({error}); expected CVAT for images 1.1") from error
    if root.tag != "annotations":
        raise ReadError(f"{path}: found <{root.tag}>, expected <annotations> of CVAT for images 1.1")
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {}
    for image in root.iter("image"):
        own = shapes.setdefault(path.parent / image.get("name", ""), [])
        for shape in image:
            try:
                if shape.tag == "box":
                    own.append((shape.get("label", ""), _box(shape), False))
                elif shape.tag == "polygon":
                    points = [[float(v) for v in pair.split(",")] for pair in shape.get("points", "").split(";")]
                    own.append((shape.get("label", ""), np.array(points, float).reshape(-1, 2), True))
            except (TypeError, ValueError) as error:
                name = image.get("name")
                raise ReadError(f"{path}: a <{shape.tag}> of {name} has no usable corners ({error})") from error
    images, skipped = drawn_images(shapes, path.parent)
    return images, [], skipped


def _box(shape: ElementTree.Element) -> Polygon:
    """Corners (2, 2) of the upright box around a box that may be turned by `rotation` degrees about its centre."""
    x0, y0, x1, y1 = (float(shape.attrib.get(name, "missing")) for name in ("xtl", "ytl", "xbr", "ybr"))
    turn = np.deg2rad(float(shape.get("rotation", 0)))
    wide, tall = (x1 - x0) / 2, (y1 - y0) / 2
    half = np.array(
        [
            abs(wide * np.cos(turn)) + abs(tall * np.sin(turn)),
            abs(wide * np.sin(turn)) + abs(tall * np.cos(turn)),
        ]
    )
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    return np.stack((centre - half, centre + half))
