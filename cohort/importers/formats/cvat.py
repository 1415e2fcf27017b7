"""CVAT's XML of annotated images (format "CVAT for images 1.1")."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cohort.importers.drawn import Drawing, Drawings, LeftOut, stated_size
from cohort.importers.geometry import Polygon, Shape, turned_box
from cohort.importers.sources.documents import documents_of, load_xml
from cohort.importers.sources.image_folders import ImageFolders
from cohort.io.dicom.read import MAX_PIXELS
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "CVAT for images 1.1"


def read_cvat(source: Path, folders: ImageFolders) -> Drawings:
    """An annotations.xml, or a folder with one or several, beside its images.

    Boxes stay as drawn, and one that was turned becomes the upright box around its corners. Polygons and masks are
    outlines, to which the ROI rule applies. Other shapes are listed. Documents with a DTD are not read, since entities
    may expand without end.

    Raises:
        ReadError: no CVAT document.
    """
    paths = documents_of(source, (".xml",))
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            _read_document(path, folders, drawings, left_out)
        except ReadError as error:
            if len(paths) == 1:
                raise
            left_out.append(LeftOut(path, str(error)))
    return Drawings(drawings=drawings, left_out=left_out)


def _read_document(path: Path, folders: ImageFolders, drawings: list[Drawing], left_out: list[LeftOut]) -> None:
    root = load_xml(path, WHAT)
    if root.tag != "annotations":
        raise ReadError(f"{visible(path.name)}: found <{visible(root.tag)[:60]}>, expected <annotations> of {WHAT}")
    for number, image in enumerate(root.iter("image")):
        name = image.get("name", "")
        if not name:
            left_out.append(LeftOut(path, f"<image> number {number + 1} has no name"))
            continue
        size = stated_size(_side(image, "width"), _side(image, "height"))
        try:
            drawing = Drawing(image=folders.find(path.parent, name), stated_size=size)
        except ReadError as error:
            left_out.append(LeftOut(path, str(error)))
            continue
        for shape in image:
            _take(shape, drawing)
        drawings.append(drawing)
    left_out += [
        LeftOut(path, f"a <track> of a video is not read; export as {WHAT}", track.get("label", ""))
        for track in root.iter("track")
    ]


def _side(image: Element, name: str) -> float | None:
    try:
        return float(image.get(name, ""))
    except ValueError:
        return None


def _take(shape: Element, drawing: Drawing) -> None:
    """One element into a shape of the drawing, or into its list of what is not used."""
    label = shape.get("label", "")
    kind = visible(shape.tag)[:40]
    try:
        if shape.tag == "box":
            drawing.shapes.append(Shape(label=label, points=_box(shape), is_outline=False))
        elif shape.tag == "polygon":
            drawing.shapes.append(Shape(label=label, points=_polygon(shape), is_outline=True))
        elif shape.tag == "mask":
            drawing.shapes.append(Shape(label=label, points=_mask(shape), is_outline=True))
        else:
            drawing.refuse(label, f"a <{kind}> is no ROI; draw a box, or a polygon or mask of the body")
    except (ValueError, OverflowError) as error:
        drawing.refuse(label, f"a <{kind}> has no usable corners ({visible(error)[:160]})")


def _number(shape: Element, name: str) -> float:
    """A finite attribute.

    Raises:
        ValueError: missing, no number or not finite.
    """
    text = shape.get(name)
    if text is None:
        raise ValueError(f"{name} is missing")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{name} is {quoted(text)}, expected a number")
    return value


def _box(shape: Element) -> Polygon:
    """Corners (4, 2) of a box that may be turned by `rotation` degrees about its centre."""
    x0, y0, x1, y1 = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    rotation = _number(shape, "rotation") if "rotation" in shape.attrib else 0.0
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return corners if rotation == 0 else turned_box(corners, rotation, ((x0 + x1) / 2, (y0 + y1) / 2))


def _polygon(shape: Element) -> Polygon:
    """Points of `x,y;x,y;...`.

    Raises:
        ValueError: fewer than three points, or what is no pair of numbers.
    """
    text = shape.get("points", "")
    pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"points is {quoted(text)}, expected three or more of x,y;x,y")
    points = np.array([[float(x), float(y)] for x, y in pairs])
    if not np.isfinite(points).all():
        raise ValueError(f"points is {quoted(text)}, expected finite numbers")
    return points


def _mask(shape: Element) -> Polygon:
    """The outline through both ends of every row of a mask, which is stored as runs of off and on, row by row.

    Raises:
        ValueError: no runs, or runs that do not fill width x height.
    """
    left, top, wide, tall = (int(_number(shape, name)) for name in ("left", "top", "width", "height"))
    if wide <= 0 or tall <= 0 or wide * tall > MAX_PIXELS:
        raise ValueError(f"a mask of {wide} x {tall} pixels")
    runs = [int(run) for run in shape.get("rle", "").split(",") if run.strip()]
    left_over = wide * tall - sum(runs)
    if not runs or min(runs) < 0 or left_over < 0:
        raise ValueError(f"rle holds {sum(runs)} pixels, expected {wide} x {tall}")
    flat = np.zeros(wide * tall, bool)
    flat[: wide * tall - left_over] = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    on = flat.reshape(tall, wide)
    rows = np.flatnonzero(on.any(axis=1))
    first, last = on[rows].argmax(axis=1), wide - on[rows, ::-1].argmax(axis=1)
    if not len(rows):
        raise ValueError("the mask is empty")
    down = np.stack((rows, rows + 1), axis=1).ravel()
    left_side, right_side = (np.stack((np.repeat(x, 2), down), axis=1) for x in (first, last))
    points = np.concatenate((left_side, right_side[::-1])).astype(float)
    return np.asarray(points + np.array([left, top], float))
