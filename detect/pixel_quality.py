"""Measures of metal and exposure in the column of bodies, at the scale of its bodies, for `detect.quality_control`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from detect.scale import BodyScale, at_body_scale

METAL_RISE = 0.35
"""How much brighter than its surroundings metal is, on the image's scale of 0 to 1."""

METAL_TEXTURE = 0.04
"""Standard deviation within metal, on the same scale, at most."""


def metal_fractions(scaled: BodyScale) -> dict[VertebralLevel, float]:
    """Fraction of each of L1-L4 that is far brighter than its surroundings and wider than any cortex.

    An opening by 6 % of a body's width (about 3 mm) removes cortical lines; what then stands METAL_RISE above the
    median of the surrounding body's width and has no texture of its own (a standard deviation below METAL_TEXTURE) is
    metal or cement; bone that a display equalised hard is as bright but never as smooth. Screws reach behind the
    bodies, so the part of a lateral view is widened.

    Args:
        scaled: a radiograph at the scale of its bodies, at which the sizes of the windows hold.
    """
    pixels, detection = scaled.pixels, scaled.detection
    boxes = {box.level: box for box in detection.boxes if box.level in TARGET_LEVELS}
    if not boxes:
        return {}
    width = float(np.mean([box.width for box in boxes.values()]))
    opening = max(3, round(0.06 * width) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (opening, opening))
    thick = cv2.morphologyEx(pixels, cv2.MORPH_OPEN, kernel)
    around = _median_around(pixels, 1.1 * width)
    window = (max(5, opening),) * 2
    variance = cv2.blur(pixels * pixels, window) - cv2.blur(pixels, window) ** 2
    bright = (thick - around > METAL_RISE) & (variance < METAL_TEXTURE**2)
    wide = (0.8 if detection.view is View.LATERAL else 0.15) * width
    fractions = {}
    for level, box in boxes.items():
        part = bright[_rows(box.y0, box.y1, pixels.shape[0]), _rows(box.x0 - wide, box.x1 + wide, pixels.shape[1])]
        fractions[level] = float(part.mean()) if part.size else 0.0
    return fractions


def brighter_than_beside(scaled: BodyScale) -> float:
    """Median over L1-L4 of how much brighter a body's middle is than what lies beside it, on the scale of 0 to 1; 0
    where the image holds none of this."""
    differences = []
    for box in scaled.detection.boxes:
        if box.level in TARGET_LEVELS:
            wide, tall = box.width, box.height
            rows = _rows(box.y0 + 0.2 * tall, box.y1 - 0.2 * tall, scaled.pixels.shape[0])
            parts = ((0.2, 0.8), (-0.45, -0.1), (1.1, 1.45))
            inside, *beside = (
                scaled.pixels[rows, _rows(box.x0 + a * wide, box.x0 + b * wide, scaled.pixels.shape[1])]
                for a, b in parts
            )
            sides = [float(np.median(part)) for part in beside if part.size]
            if inside.size and sides:
                differences.append(float(np.median(inside)) - float(np.mean(sides)))
    return float(np.median(differences)) if differences else 0.0


def _median_around(pixels: npt.NDArray[np.float32], window: float) -> npt.NDArray[np.float32]:
    """Median over a square window, computed at half the resolution, which hardly changes it."""
    rows, columns = pixels.shape
    half = cv2.resize(pixels, ((columns + 1) // 2, (rows + 1) // 2), interpolation=cv2.INTER_AREA)
    median = cv2.medianBlur(np.round(half * 255).astype(np.uint8), max(3, int(window / 2) | 1))
    return np.asarray(cv2.resize(median, (columns, rows)).astype(np.float32) / 255)


def _rows(low: float, high: float, end: int) -> slice:
    return slice(max(int(low), 0), min(max(int(high), 0), end))


EXPOSURE_BODY_PX = 72
"""Width of a body, in pixels, at which exposure is measured, so that fine and coarse detectors compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Measures of exposure of the column of L1-L4.

    Attributes:
        detail: median of the absolute Laplacian over the standard deviation; a saturated column has none, quantum noise
            of a starved detector and the grain or the sharpening of a photograph have much.
        structure: correlation of what is finer than 4 pixels between pixels 2 rows apart; quantum noise has none, bone
            and the grain of a photographed radiograph have some.
        flat: fraction of the column that is constant over 5 x 5 pixels.
    """

    detail: float
    structure: float
    flat: float


def exposure_of(radiograph: Radiograph, detection: SpineDetection) -> Exposure:
    """Exposure of the column of L1-L4 of an image with boxes of some of them, at EXPOSURE_BODY_PX a body."""
    target_boxes = tuple(box for box in detection.boxes if box.level in TARGET_LEVELS)
    column = at_body_scale(
        radiograph.pixels, replace(detection, boxes=target_boxes), EXPOSURE_BODY_PX, around=0.0
    ).pixels
    middle, beside = column[1:-1, 1:-1], (column[:-2, 1:-1], column[2:, 1:-1], column[1:-1, :-2], column[1:-1, 2:])
    fine = column - cv2.GaussianBlur(column, (0, 0), 4.0)
    kernel = np.ones((5, 5), np.uint8)
    return Exposure(
        detail=float(np.median(np.abs(4 * middle - sum(beside)))) / max(float(column.std()), 1e-4),
        structure=float(np.mean(fine[2:] * fine[:-2]) / max(float(np.mean(fine * fine)), 1e-12)),
        flat=float(np.mean(cv2.dilate(column, kernel) - cv2.erode(column, kernel) < 1e-6)),
    )
