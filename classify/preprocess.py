"""Crop to network input: grey letterbox, Gaussian, histogram equalisation, normalisation. Numpy and OpenCV alone.

Nothing goes to whole pixels: a crop that moves or grows by a tenth of a pixel changes its image by as little.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from classify.crop import Corners


def preprocess_crop(
    pixels: npt.NDArray[np.float32], spec: PreprocessSpec, corners: Corners | None = None
) -> npt.NDArray[np.uint8]:
    """A part of an image (rows, columns) in [0, 1] as uint8 (size, size): letterboxed, filtered and equalised.

    Only the crop's own pixels enter the histogram; the border holds the grey value.

    Args:
        pixels: (rows, columns).
        spec: preprocessing.
        corners: of the part; the whole image when left out.
    """
    x0, y0, x1, y1 = corners or (0.0, 0.0, *map(float, pixels.shape[::-1]))
    step = max(x1 - x0, y1 - y0) / spec.size_px
    rows, columns = _Axis.of(y0, y1, step, spec.size_px), _Axis.of(x0, x1, step, spec.size_px)
    image = _resampled(pixels, rows, columns)
    if spec.sigma_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), spec.sigma_px), np.float32)
    low, high = float(image.min()), float(image.max())
    stretched = (image - low) / max(high - low, 1e-6)
    shown = cv2.equalizeHist(np.round(stretched * 255).astype(np.uint8)).astype(np.float32)
    if spec.equalised < 1:
        shown = spec.equalised * shown + (1 - spec.equalised) * 255 * np.clip(image, 0, 1)
    grey = round(spec.grey * 255)
    covered = np.outer(rows.covered, columns.covered)
    out = np.full((spec.size_px, spec.size_px), grey, np.uint8)
    out[rows.place, columns.place] = np.round(grey + covered * (shown - grey))
    return out


def normalise(image: npt.NDArray[np.uint8], spec: PreprocessSpec) -> npt.NDArray[np.float32]:
    """A preprocessed crop uint8 (rows, columns) as the network's float32 input (1, rows, columns)."""
    return np.asarray((image.astype(np.float32) / 255 - spec.mean) / spec.std, np.float32)[None]


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a crop in the middle of a square.

    Attributes:
        place: pixels of the square that show anything of it.
        covered: fraction of each of them that it covers.
        middles: their middles, in pixels of the image from the corner of its first one.
        step: pixels of the image a pixel of the square.
    """

    place: slice
    covered: npt.NDArray[np.float32]
    middles: npt.NDArray[np.float64]
    step: float

    @classmethod
    def of(cls, start: float, end: float, step: float, side: int) -> _Axis:
        """The crop from start to end."""
        half = (end - start) / step / 2
        first, last = max(0, int(side / 2 - half)), min(side, int(np.ceil(side / 2 + half)))
        places = np.arange(first, last)
        covered = np.minimum(places + 1, side / 2 + half) - np.maximum(places, side / 2 - half)
        middles = np.asarray((start + end) / 2 + step * (places + 0.5 - side / 2), np.float64)
        return cls(slice(first, last), np.clip(covered, 0, 1).astype(np.float32), middles, step)

    def weights(self, size: int) -> tuple[int, npt.NDArray[np.float32]]:
        """What the pixels of an image's axis give to each pixel of the square: the first of them that gives anything,
        and the weights (pixels of the square, pixels of the image) from it on. A pixel of the square is the mean over
        a step, or, where it is the smaller one, lies linearly between two.
        """
        half = max(self.step, 1.0) / 2
        starts = np.clip(self.middles - half, 0, size - 1e-3)
        ends = np.clip(self.middles + half, 1e-3, size)
        first, last = int(starts.min()), int(np.ceil(ends.max()))
        edges = np.arange(first, last + 1)
        shared = np.minimum(ends[:, None], edges[1:]) - np.maximum(starts[:, None], edges[:-1])
        weights = np.maximum(shared, 0)
        return first, np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _resampled(pixels: npt.NDArray[np.float32], rows: _Axis, columns: _Axis) -> npt.NDArray[np.float32]:
    top, of_rows = rows.weights(pixels.shape[0])
    left, of_columns = columns.weights(pixels.shape[1])
    part = pixels[top : top + of_rows.shape[1], left : left + of_columns.shape[1]]
    return np.asarray(of_rows @ part @ of_columns.T, np.float32)
