"""Body masks inside the boxes: the only inference of segmentation, and what masks tell of edges, heights and tilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.errors import WeightsError
from cohort.roi import roi_boxes
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel
from cohort.study import Radiograph
from detect.session import open_session

CROP_PX = 128
"""Side of the square crop that the network sees."""

CONTEXT = 1.45
"""Side of the crop over the longer side of the box."""

Points = npt.NDArray[np.float64]


def crop_matrix(box: VertebraBox, side: int = CROP_PX, context: float = CONTEXT) -> Points:
    """Affine (2, 3) from image pixels to a square crop round a box."""
    scale = side / (context * max(box.x1 - box.x0, box.y1 - box.y0))
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return np.array([[scale, 0.0, side / 2 - scale * x], [0.0, scale, side / 2 - scale * y]])


def crop_image(pixels: npt.NDArray[np.float32], matrix: Points, side: int = CROP_PX) -> npt.NDArray[np.float32]:
    """A square crop (side, side), its 1st and 99th percentile stretched to 0 and 1."""
    crop = cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    low, high = np.percentile(crop[::2, ::2], (1, 99))
    return np.asarray(np.clip((crop - low) / max(float(high - low), 1e-3), 0, 1), np.float32)


def mask_outline(mask: npt.NDArray[np.float32], matrix: Points) -> Points | None:
    """Outline (n, 2) in image pixels of the largest part of a mask (rows, columns) above one half, or None."""
    solid = (mask > 0.5).astype(np.uint8)
    found, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return None
    largest = max(found, key=cv2.contourArea)
    if cv2.contourArea(largest) < 0.04 * mask.size:
        return None
    points = largest[:, 0].astype(np.float64)
    return np.asarray((points - matrix[:, 2]) / matrix[0, 0])


class BodySegmenter:
    """A loaded segmentation network; one instance serves a whole folder."""

    def __init__(self, onnx: Path, threads: int = 0) -> None:
        """Load the network.

        Raises:
            WeightsError: the file is no segmenter of this version.
        """
        self._session = open_session(onnx, threads)
        shape = self._session.get_inputs()[0].shape
        if list(shape[1:]) != [1, CROP_PX, CROP_PX]:
            raise WeightsError(f"{onnx.name}: input {shape}, expected n x 1 x {CROP_PX} x {CROP_PX}")

    def outlines(self, radiograph: Radiograph, detection: SpineDetection) -> dict[VertebralLevel, Points]:
        """Outline of each detected body but the sacrum's, in image pixels; bodies without a clear mask are left out."""
        boxes = [box for box in detection.boxes if box.level is not VertebralLevel.S1]
        if not boxes:
            return {}
        matrices = [crop_matrix(box) for box in boxes]
        crops = np.stack([crop_image(radiograph.pixels, matrix) for matrix in matrices])[:, None]
        masks = self._session.run(None, {"crops": crops})[0][:, 0]
        found = {}
        for box, matrix, mask in zip(boxes, matrices, masks, strict=True):
            outline = mask_outline(mask, matrix)
            if outline is not None:
                found[box.level] = outline
        return found


def refined(
    detection: SpineDetection, outlines: Mapping[VertebralLevel, Points], spacing_mm: tuple[float, float] | None
) -> SpineDetection:
    """The detection with boxes by the ROI rule from its masks; a body without a mask keeps the detector's box."""
    by_rule = {box.level: box for box in roi_boxes(outlines, spacing_mm)} if len(outlines) > 1 else {}
    return replace(
        detection, boxes=tuple(_moved(b, by_rule.get(b.level), detection.image_shape) for b in detection.boxes)
    )


def _moved(box: VertebraBox, to: VertebraBox | None, image_shape: tuple[int, int]) -> VertebraBox:
    """The box at its new place, cut at the image's border; where that is nowhere, as it was."""
    if to is None:
        return box
    rows, columns = image_shape
    x0, y0, x1, y1 = max(to.x0, 0.0), max(to.y0, 0.0), min(to.x1, float(columns)), min(to.y1, float(rows))
    return replace(box, x0=x0, y0=y0, x1=x1, y1=y1) if x1 > x0 and y1 > y0 else box


@dataclass(frozen=True, slots=True)
class BodyShape:
    """What an outline tells of one body.

    Attributes:
        level: its name.
        heights_px: front or left, middle, back or right height across the body's own axis, in image pixels.
        tilt_deg: turn of its endplates against the image's rows, positive when the right side is lower.
    """

    level: VertebralLevel
    heights_px: tuple[float, float, float]
    tilt_deg: float


def body_shapes(outlines: Mapping[VertebralLevel, Points]) -> list[BodyShape]:
    """Heights and tilt of each outline; the endplates are lines fitted to its upper and lower border."""
    shapes = []
    for level, points in outlines.items():
        tilt = 0.0
        for _ in range(3):
            upright = _turned(points, -tilt)
            tilt += _endplate_slope(upright)
        upright = _turned(points, -tilt)
        left, right = upright[:, 0].min(), upright[:, 0].max()
        heights = []
        for share in (0.14, 0.5, 0.86):
            near = np.abs(upright[:, 0] - (left + share * (right - left))) < 0.06 * (right - left)
            column = upright[near, 1]
            heights.append(float(np.ptp(column)) if len(column) > 1 else float("nan"))
        shapes.append(BodyShape(level, (heights[0], heights[1], heights[2]), float(tilt)))
    return shapes


def _turned(points: Points, degrees: float) -> Points:
    middle = points.mean(0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray((points - middle) @ np.array([[c, s], [-s, c]]) + middle)


def _endplate_slope(points: Points) -> float:
    """Mean slope in degrees of the upper and lower border over the middle two thirds of an outline."""
    left, right = points[:, 0].min(), points[:, 0].max()
    lines = np.linspace(left + (right - left) / 6, right - (right - left) / 6, 15)
    upper, lower = [], []
    for x in lines:
        near = points[np.abs(points[:, 0] - x) < (right - left) / 20, 1]
        if len(near) > 1:
            upper.append((x, near.min()))
            lower.append((x, near.max()))
    if len(upper) < 4:
        return 0.0
    slopes = [float(np.polyfit(np.array(side)[:, 0], np.array(side)[:, 1], 1)[0]) for side in (upper, lower)]
    return float(np.degrees(np.arctan(np.mean(slopes))))


def height_loss(shape: BodyShape, neighbours: Sequence[BodyShape]) -> float:
    """Largest loss of height of a body as a share, by itself and against its neighbours; 0 to 1.

    Wedge: the lower of front and back against the higher. Biconcave: the middle against the mean of both. Crush: the
    mean height against the neighbours' mean.

    Source: Genant 1993; deformity from a ratio under 0.80.
    """
    first, middle, last = shape.heights_px
    wedge = 1 - min(first, last) / max(first, last)
    biconcave = 1 - middle / ((first + last) / 2)
    crush = 0.0
    if neighbours:
        crush = 1 - float(np.mean(shape.heights_px)) / float(np.mean([n.heights_px for n in neighbours]))
    return float(np.nanmax([0.0, wedge, biconcave, crush]))


def cobb_angle(shapes: Sequence[BodyShape]) -> float:
    """Largest difference of tilt between two bodies in degrees; 0 with fewer than two."""
    tilts = [shape.tilt_deg for shape in shapes]
    return float(np.ptp(tilts)) if len(tilts) > 1 else 0.0
