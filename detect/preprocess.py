"""The detector's input: robust grey stretch, area resampling, centred padding; the same in training and inference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from osteolens.letterbox import Letterbox


def detector_input(pixels: npt.NDArray[np.float32], side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """A radiograph (rows, columns) in [0, 1] as uint8 (side, side), and the affine (2, 3) from its pixels to there.

    The affine is exact: it counts whole pixels of padding, and from the corners of pixels as boxes do.
    """
    rows, columns = pixels.shape
    place = Letterbox.of(pixels.shape, side)
    small = place.resized(pixels)
    low, high = np.percentile(small, (0.5, 99.7))
    stretched = np.clip((small - low) / max(float(high - low), 1e-4), 0, 1)
    out = np.zeros((side, side), np.uint8)
    place.inside(out)[:] = np.round(stretched * 255)
    return out, np.array([[place.width / columns, 0.0, place.left], [0.0, place.height / rows, place.top]])
