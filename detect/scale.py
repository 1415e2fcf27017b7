"""The column of bodies resampled to a fixed width of a body, so that every measure is taken at one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox

BODY_PX = 96
"""Mean width of the boxes of L1-L4 in pixels in the resampled column."""

AROUND = 1.0
"""Margin of the column at each side of its boxes, in widths of a body."""


@dataclass(frozen=True, slots=True)
class BodyScale:
    """The column of a spine at the scale of its bodies.

    Attributes:
        pixels: float32 (rows, columns) in [0, 1].
        detection: the boxes in these pixels.
        matrix: affine (2, 3) from pixels of the radiograph to these, counted from pixel corners.
    """

    pixels: npt.NDArray[np.float32]
    detection: SpineDetection
    matrix: npt.NDArray[np.float64]

    def to_radiograph(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points (n, 2) of these pixels in pixels of the radiograph."""
        return np.asarray((points - self.matrix[:, 2]) / np.diag(self.matrix[:, :2]))


def body_width(boxes: Sequence[VertebraBox]) -> float:
    """Mean width in pixels of the boxes of L1-L4, or of all where none of these is."""
    widths = [box.width for box in boxes if box.level in TARGET_LEVELS] or [box.width for box in boxes]
    return float(np.mean(widths))


def at_body_scale(
    pixels: npt.NDArray[np.float32], detection: SpineDetection, body_px: float = BODY_PX, around: float = AROUND
) -> BodyScale:
    """The part of a radiograph that holds all boxes and `around` widths of a body at each side, resampled by area.

    Everything that follows works at this size, so its cost does not depend on the size of the radiograph, and a
    radiograph at full size and the same one shrunk to a quarter give the same column but for the detail that was lost.

    Args:
        pixels: (rows, columns) in [0, 1].
        detection: at least one box.
        body_px: mean width of a body in the result.
        around: margin in widths of a body.
    """
    width = body_width(detection.boxes)
    corners = np.array([box.corners for box in detection.boxes])
    rows, columns = pixels.shape
    x0, y0 = (int(v) for v in np.clip(np.floor(corners[:, :2].min(0) - around * width), 0, (columns - 1, rows - 1)))
    x1, y1 = (int(v) for v in np.clip(np.ceil(corners[:, 2:].max(0) + around * width), 1, (columns, rows)))
    part, scale = pixels[y0:y1, x0:x1], body_px / width
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(part, size, interpolation=how), np.float32)
    fx, fy = size[0] / (x1 - x0), size[1] / (y1 - y0)
    matrix = np.array([[fx, 0.0, -fx * x0], [0.0, fy, -fy * y0]])
    boxes = tuple(
        replace(b, x0=fx * (b.x0 - x0), x1=fx * (b.x1 - x0), y0=fy * (b.y0 - y0), y1=fy * (b.y1 - y0))
        for b in detection.boxes
    )
    return BodyScale(small, replace(detection, boxes=boxes, image_shape=(size[1], size[0])), matrix)
