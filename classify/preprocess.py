"""Crop to network input: grey letterbox, Gaussian, histogram equalisation, normalisation. Numpy and OpenCV alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec


def equalised(crop: npt.NDArray[np.float32], spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    """A crop (rows, columns) in [0, 1] as uint8 (size, size): letterboxed, filtered and equalised.

    Only the crop's own pixels enter the histogram; the border holds the grey value.
    """
    top, left, tall, wide = letterbox(crop.shape, spec)
    scale = spec.size_px / max(crop.shape)
    resized = cv2.resize(crop, (wide, tall), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if spec.sigma_px > 0:
        resized = cv2.GaussianBlur(resized, (0, 0), spec.sigma_px)
    low, high = float(resized.min()), float(resized.max())
    stretched = (resized - low) / max(high - low, 1e-6)
    spread = cv2.equalizeHist(np.round(stretched * 255).astype(np.uint8))
    if spec.equalised < 1:
        shown = np.clip(resized, 0, 1) * 255
        spread = np.round(spec.equalised * spread + (1 - spec.equalised) * shown).astype(np.uint8)
    out = np.full((spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    out[top : top + tall, left : left + wide] = spread
    return out


def letterbox(shape: tuple[int, ...], spec: PreprocessSpec) -> tuple[int, int, int, int]:
    """Where a crop (rows, columns) lies in the square: top, left, height, width in pixels."""
    scale = spec.size_px / max(shape)
    tall, wide = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    return (spec.size_px - tall) // 2, (spec.size_px - wide) // 2, tall, wide


def normalised(image: npt.NDArray[np.uint8], spec: PreprocessSpec) -> npt.NDArray[np.float32]:
    """An equalised image uint8 (rows, columns) as the network's float32 input (1, rows, columns)."""
    return np.asarray((image.astype(np.float32) / 255 - spec.mean) / spec.std, np.float32)[None]
