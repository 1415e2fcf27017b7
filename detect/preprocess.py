"""The detector's input: robust grey stretch, area resampling, centred padding. One spelling for training and use."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def detector_input(pixels: npt.NDArray[np.float32], side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """A radiograph (rows, columns) in [0, 1] as uint8 (side, side), and the affine (2, 3) from its pixels to there.

    The affine is exact: it counts whole pixels of padding, and from the corners of pixels as boxes do.
    """
    rows, columns = pixels.shape
    scale = side / max(rows, columns)
    wide, tall = max(1, round(columns * scale)), max(1, round(rows * scale))
    small = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    low, high = np.percentile(small, (0.5, 99.7))
    stretched = np.clip((small - low) / max(float(high - low), 1e-4), 0, 1)
    out = np.zeros((side, side), np.uint8)
    top, left = (side - tall) // 2, (side - wide) // 2
    out[top : top + tall, left : left + wide] = np.round(stretched * 255)
    return out, np.array([[wide / columns, 0.0, left], [0.0, tall / rows, top]])
