"""Drawn shapes: what is a box and what an outline, and in which pixels they were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from cohort.io.radiograph import FORMATS, read_radiograph
from osteolens.documents.text import visible
from osteolens.errors import ReadError

Polygon = npt.NDArray[np.float64]
"""Points (n, 2) as x, y; x to the right, y downwards."""

Size = tuple[int, int]
"""(columns, rows) in pixels."""

RECTANGLE_TOLERANCE = 0.0025
"""Largest distance of corners from those of an upright rectangle, as a fraction of its sides; rounding explains it."""

ASPECT_TOLERANCE = 0.01
"""Largest relative difference of two aspects that rounding to whole pixels explains."""

THINNEST_PX = 2.0
"""Width or height in pixels below which a shape is a click and no body."""

FARTHEST_PX = 1e7
"""Coordinate in pixels that no image reaches."""

_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One drawn shape.

    Attributes:
        label: what was written beside it.
        points: (n, 2) in the units of its document.
        is_outline: whether it follows the body's edge, so that the ROI rule applies; else it is the ROI itself.
        score: confidence that the document gives, or None.
        is_of_one_kind: whether its format has one kind of polygon for turned boxes and outlines; its corners in pixels
            then tell which it is.
    """

    label: str
    points: Polygon
    is_outline: bool
    score: float | None = None
    is_of_one_kind: bool = False


def shape_of_parts(label: str, parts: Sequence[Polygon], score: float | None = None) -> Shape:
    """A polygon of one or several parts: a box where it is the four corners of an upright rectangle, else an outline.

    Formats that have one kind of polygon for both use it; parts of one object count together, by their convex hull.
    """
    points = parts[0] if len(parts) == 1 else hull_of(np.concatenate(list(parts)))
    is_box = len(parts) == 1 and is_rectangle(points)
    return Shape(label=label, points=points, is_outline=not is_box, score=score, is_of_one_kind=len(parts) == 1)


def hull_of(points: Polygon) -> Polygon:
    """Corners of the convex hull of points."""
    return np.asarray(points[cv2.convexHull(points.astype(np.float32), returnPoints=False)[:, 0]], np.float64)


def turned_box(points: Polygon, rotation_deg: float, about: Sequence[float]) -> Polygon:
    """Points turned clockwise, as they are seen, about a point."""
    turn = np.deg2rad(rotation_deg)
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    return np.asarray(np.array(about) + (points - np.array(about)) @ np.stack((across, down)))


def is_turned_rectangle(points: Polygon) -> bool:
    """Whether points are the four corners of a rectangle in order, however turned: equal diagonals, one middle."""
    if len(points) == 5 and np.array_equal(points[0], points[4]):
        points = points[:4]
    if len(points) != 4:
        return False
    first, second = points[2] - points[0], points[3] - points[1]
    lengths = np.linalg.norm([first, second], axis=1)
    apart = float(np.linalg.norm((points[0] + points[2] - points[1] - points[3]) / 2))
    close = RECTANGLE_TOLERANCE * float(lengths.max())
    return close > 0 and apart <= close and abs(float(lengths[0] - lengths[1])) <= close


def is_rectangle(points: Polygon) -> bool:
    """Whether points are the four corners of an axis-parallel rectangle, the first perhaps repeated at the end."""
    if len(points) == 5 and np.array_equal(points[0], points[4]):
        points = points[:4]
    if len(points) != 4:
        return False
    low, high = points.min(0), points.max(0)
    close = RECTANGLE_TOLERANCE * (high - low)
    at_low, at_high = points - low <= close, high - points <= close
    sides = {(bool(x), bool(y)) for x, y in at_high}
    follow = np.roll(at_high, -1, axis=0) != at_high
    return bool((at_low | at_high).all() and (close > 0).all() and len(sides) == 4 and (follow.sum(1) == 1).all())


def fault_of(points: Polygon) -> str | None:
    """Why points in pixels enclose no body, or None."""
    if not len(points) or not (np.abs(points) < FARTHEST_PX).all():
        return "its corners are no numbers that an image has"
    width, height = np.ptp(points, axis=0)
    if width < THINNEST_PX or height < THINNEST_PX:
        return f"it is {width:.4g} x {height:.4g} pixels; a body has a width and a height"
    centred = points - points.mean(0)
    if len(points) > 2 and np.linalg.svd(centred, compute_uv=False)[-1] / np.sqrt(len(points)) < THINNEST_PX / 8:
        return "its points lie on one line"
    return None


def overlap_with(points: Polygon, size: Size) -> float:
    """Fraction of the rectangle around points that lies inside an image, from 0 to 1."""
    low, high = points.min(0), points.max(0)
    inside = np.clip(np.minimum(high, size) - np.maximum(low, 0), 0, None)
    return float(np.prod(inside / (high - low)))


@dataclass(frozen=True, slots=True)
class Picture:
    """Sizes of one image.

    Attributes:
        stored: as its cells lie in the file.
        orientation: EXIF Orientation, 1 where the cells lie upright.
        size: as OsteoLens reads it, upright and with square pixels: the pixels in which ROIs are given.
        spacing_mm: (row, column) by its header, or None.
    """

    stored: Size
    orientation: int
    size: Size
    spacing_mm: tuple[float, float] | None = None

    @property
    def upright(self) -> Size:
        """The stored size after the turn by the EXIF orientation."""
        return self.stored[::-1] if self.orientation >= 5 else self.stored


def read_picture(path: Path) -> Picture:
    """Sizes of an image that can be read whole.

    Raises:
        ReadError: no grey radiograph, or a DICOM image that is turned on reading, since it is unknown whether the
            ROIs were drawn on the turned one.
    """
    radiograph = read_radiograph(path)
    rows, columns = radiograph.pixels.shape
    size = (columns, rows)
    if radiograph.stored_shape is not None:
        if radiograph.is_turned:
            raise ReadError(f"{visible(path.name)}: is turned upright on reading; draw on an upright PNG of it")
        spacing = radiograph.pixel_spacing_mm
        return Picture(stored=radiograph.stored_shape[::-1], orientation=1, size=size, spacing_mm=spacing)
    try:
        with catch_warnings(action="ignore"), Image.open(path, formats=tuple(FORMATS)) as image:
            exif_orientation = image.getexif().get(_ORIENTATION, 1)
            orientation = int(exif_orientation) if exif_orientation in range(1, 9) else 1
            tags = getattr(image, "tag_v2", None)  # Pillow gives a TIFF's size as it will be once turned
            stored = image.size if tags is None else (int(tags[_WIDTH]), int(tags[_HEIGHT]))
            return Picture(stored=stored, orientation=orientation, size=size)
    except (OSError, ValueError, SyntaxError, AttributeError, TypeError, KeyError) as error:
        raise ReadError(f"{visible(path.name)}: its size cannot be read ({type(error).__name__})") from error


def turned_upright(points: Polygon, orientation: int, stored: Size) -> Polygon:
    """Points on the stored cells as points on the upright picture.

    Source: Exif 2.32, tag 274; CIPA DC-008.
    """
    x, y = points[:, 0], points[:, 1]
    width, height = stored
    turned = {
        1: (x, y), 2: (width - x, y), 3: (width - x, height - y), 4: (x, height - y),
        5: (y, x), 6: (height - y, x), 7: (height - y, width - x), 8: (y, width - x),
    }  # fmt: skip
    return np.stack(turned[orientation], axis=1)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The image on which shapes were drawn, as the labelling tool showed it.

    Attributes:
        picture: the image.
        drawn_on: (columns, rows) in which the points count; (1, 1) for fractions of the size.
        is_stored: whether the tool showed the stored cells, not turned.
        note: for the report of the import, or empty.
    """

    picture: Picture
    drawn_on: Size
    is_stored: bool
    note: str = ""

    def to_pixels(self, points: Polygon) -> Polygon:
        """Points in pixels of the image as OsteoLens reads it."""
        picture = self.picture
        with np.errstate(all="ignore"):  # what overflows counts as lying outside the image
            if not self.is_stored:
                return np.asarray(points * (np.array(picture.size) / np.array(self.drawn_on)))
            on_stored = points * (np.array(picture.stored) / np.array(self.drawn_on))
            upright = turned_upright(on_stored, picture.orientation, picture.stored)
            return np.asarray(upright * (np.array(picture.size) / np.array(picture.upright)))


def canvas_of(picture: Picture, stated: Size | None, points: Sequence[Polygon], relative: bool) -> Canvas:
    """The picture that shapes were drawn on: upright where the stated size agrees with it, else as stored.

    Args:
        picture: the image.
        stated: (columns, rows) that the labels name, or None.
        points: of every shape; they decide where no size is stated.
        relative: whether points are fractions of the size, as in YOLO.

    Raises:
        ReadError: the stated size is neither that of the image nor of its shape.
    """
    turned = picture.orientation != 1
    says = f"EXIF Orientation {picture.orientation}: labels taken as drawn on the"
    upright, stored = f"{says} upright picture", f"{says} stored picture and turned upright"
    if relative:
        return Canvas(picture, (1, 1), False, upright if turned else "")
    if stated is None:
        on_stored = turned and not _holds(picture.upright, points) and _holds(picture.stored, points)
        if on_stored:
            return Canvas(picture, picture.stored, True, stored)
        return Canvas(picture, picture.upright, False, upright if turned else "")
    for size, is_stored in ((picture.upright, False), (picture.size, False), (picture.stored, True)):
        if stated == size:
            return Canvas(picture, size, is_stored, (stored if is_stored else upright) if turned else "")
    for size, is_stored in ((picture.upright, False), (picture.stored, True)):
        if abs(stated[0] * size[1] / (stated[1] * size[0]) - 1) < ASPECT_TOLERANCE:
            scaled = f"labels drawn on {stated[0]} x {stated[1]} pixels, scaled to the image's own size"
            notes = [stored if is_stored else upright] if turned else []
            return Canvas(picture, stated, is_stored, "; ".join([*notes, scaled]))
    raise ReadError(
        f"the labels were drawn on {stated[0]} x {stated[1]} pixels, the image has {picture.upright[0]} x "
        f"{picture.upright[1]}; export them with the image they were drawn on"
    )


def _holds(size: Size, points: Sequence[Polygon]) -> bool:
    """Whether every point lies on a picture, half a pixel at its edge allowed."""
    finite = [polygon for polygon in points if len(polygon) and np.isfinite(polygon).all()]
    return all((polygon >= -0.5).all() and (polygon <= np.array(size) + 0.5).all() for polygon in finite)
