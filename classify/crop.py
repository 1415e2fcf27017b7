"""From levelled boxes to the crop that the classifier sees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cohort.errors import StudyError
from cohort.spine import TARGET_LEVELS, SpineDetection


def column_crop(pixels: npt.NDArray[np.float32], detection: SpineDetection) -> npt.NDArray[np.float32]:
    """The smallest upright rectangle of the image (rows, columns) that holds the boxes of L1 to L4.

    Raises:
        StudyError: one of L1 to L4 has no box, or the boxes lie outside the image.
    """
    if detection.missing:
        raise StudyError(f"{detection.view}: no box for {', '.join(detection.missing)}; expected L1 to L4")
    boxes = np.array([box.corners for box in detection.boxes if box.level in TARGET_LEVELS])
    rows, columns = pixels.shape
    x0, y0 = np.clip(np.floor(boxes[:, :2].min(0)), 0, (columns, rows)).astype(int)
    x1, y1 = np.clip(np.ceil(boxes[:, 2:].max(0)), 0, (columns, rows)).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        raise StudyError(
            f"{detection.view}: the crop of L1 to L4 is {y1 - y0} x {x1 - x0} pixels; expected more than 8"
        )
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])
