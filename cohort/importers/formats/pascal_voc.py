"""ROIs in Pascal VOC's XML files, as labelImg, Roboflow and CVAT write them."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cohort.importers.drawn import Drawing, Drawings, LeftOut, stated_size
from cohort.importers.geometry import Polygon, Shape, turned_box
from cohort.importers.sources.documents import documents_of, load_xml
from cohort.importers.sources.image_folders import ImageFolders
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "an <annotation> of Pascal VOC with a filename and objects"


def read_pascal_voc(source: Path, folders: ImageFolders) -> Drawings:
    """XML files of one image each, beside it or in a folder `Annotations` beside `JPEGImages` or `images`.

    A <bndbox> is the ROI as drawn, in pixels from the outer corner of the first one, as labelImg counts. A <polygon> is
    an outline. A <robndbox> is a turned box; the upright box around it is taken. A turned <bndbox> is refused.

    Raises:
        ReadError: no XML file.
    """
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    for path in documents_of(source, (".xml",)):
        try:
            drawings.append(_drawing(path, folders))
        except ReadError as error:
            left_out.append(LeftOut(path, str(error)))
    return Drawings(drawings=drawings, left_out=left_out)


def _drawing(path: Path, folders: ImageFolders) -> Drawing:
    root = load_xml(path, WHAT)
    if root.tag != "annotation":
        raise ReadError(f"{visible(path.name)}: found <{visible(root.tag)[:60]}>, expected {WHAT}")
    name = _text(root, "filename") or _text(root, "path")
    if not name:
        raise ReadError(f"{visible(path.name)}: <filename> is missing; expected {WHAT}")
    size = stated_size(*(_number_or_none(root, f"size/{side}") for side in ("width", "height")))
    drawing = Drawing(image=folders.find(path.parent, name, path.stem), stated_size=size)
    for number, entry in enumerate(root.iter("object")):
        label = _text(entry, "name")
        try:
            drawing.shapes.append(_shape(entry, label))
        except ValueError as error:
            drawing.refuse(label, f"{visible(path.name)} object {number + 1}: {visible(error)[:160]}")
    return drawing


def _shape(entry: Element, label: str) -> Shape:
    """One object.

    Raises:
        ValueError: no shape that encloses something.
    """
    polygon, turned, box = entry.find("polygon"), entry.find("robndbox"), entry.find("bndbox")
    if polygon is not None:
        return Shape(label=label, points=_polygon(polygon), is_outline=True)
    if turned is not None:
        x, y, w, h, angle = (_number(turned, name) for name in ("cx", "cy", "w", "h", "angle"))
        upright = np.array([x, y]) + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        return Shape(label=label, points=turned_box(upright, np.rad2deg(angle), (x, y)), is_outline=False)
    if box is None:
        raise ValueError("no <bndbox>, <robndbox> or <polygon>")
    if any(_number_or_none(entry, path) for path in ("bndbox/angle", "bndbox/rotation", "rotation")):
        raise ValueError("a turned <bndbox> is not read, since tools differ in what it turns about; draw it upright")
    x0, y0, x1, y1 = (_number(box, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    return Shape(label=label, points=np.array([[x0, y0], [x1, y1]]), is_outline=False)


def _polygon(polygon: Element) -> Polygon:
    """Points of `<x1/><y1/><x2/>...`, as Roboflow writes them, or of `<point><x/><y/></point>`.

    Raises:
        ValueError: fewer than three points.
    """
    points = [(_number(point, "x"), _number(point, "y")) for point in [*polygon.iter("point"), *polygon.iter("pt")]]
    count = 1
    while not points[count - 1 :] and polygon.find(f"x{count}") is not None:
        points.append((_number(polygon, f"x{count}"), _number(polygon, f"y{count}")))
        count += 1
    if len(points) < 3:
        raise ValueError(f"a <polygon> of {len(points)} points, expected three or more")
    return np.array(points, float)


def _text(element: Element, name: str) -> str:
    found = element.find(name)
    return "" if found is None or found.text is None else found.text.strip()


def _number_or_none(element: Element, path: str) -> float | None:
    try:
        return float(_text(element, path))
    except ValueError:
        return None


def _number(element: Element, name: str) -> float:
    """A finite number.

    Raises:
        ValueError: missing, no number or not finite.
    """
    text = _text(element, name)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"<{name}> is {quoted(text)}, expected a number")
    return value
