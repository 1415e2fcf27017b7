"""Crop to network input: grey letterbox, Gaussian, histogram equalisation, normalisation. Numpy and OpenCV alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from osteolens.letterbox import Letterbox


def preprocess_crop(crop: npt.NDArray[np.float32], spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    """A crop (rows, columns) in [0, 1] as uint8 (size, size): letterboxed, filtered and equalised.

    Only the crop's own pixels enter the histogram; the border holds the grey value.
    """
    place = Letterbox.of(crop.shape, spec.size_px)
    image = place.resized(crop)
    if spec.sigma_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), spec.sigma_px), np.float32)
    low, high = float(image.min()), float(image.max())
    stretched = (image - low) / max(high - low, 1e-6)
    equalised = cv2.equalizeHist(np.round(stretched * 255).astype(np.uint8))
    if spec.equalised < 1:
        displayed = np.clip(image, 0, 1) * 255
        equalised = np.round(spec.equalised * equalised + (1 - spec.equalised) * displayed).astype(np.uint8)
    out = np.full((spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    place.inside(out)[:] = equalised
    return out


def normalise(image: npt.NDArray[np.uint8], spec: PreprocessSpec) -> npt.NDArray[np.float32]:
    """A preprocessed crop uint8 (rows, columns) as the network's float32 input (1, rows, columns)."""
    return np.asarray((image.astype(np.float32) / 255 - spec.mean) / spec.std, np.float32)[None]
