"""How another radiography system might display the same exposure: of one image, or lightly of a batch of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Image = npt.NDArray[np.float32]


def other_display(image: Image, rng: np.random.Generator, strength: float = 1.0) -> Image:
    """One image (rows, columns) in [0, 1] as another room might show it: window, characteristic curve, local contrast,
    sharpening, blur, noise, and the loss of a small picture.

    Args:
        image: bright = dense, best over its full range.
        rng: source of every choice.
        strength: how often and how far the display changes; 1 is as far as a body can still be found.
    """
    low, high = np.percentile(image[::4, ::4], [rng.uniform(0, 12 * strength), rng.uniform(100 - 3 * strength, 100)])
    span = max(high - low, 0.05) * rng.uniform(0.95, 1.35)
    out = np.clip((image - low) / span, 0, 1).astype(np.float32)
    out = out ** np.float32(np.exp(strength * rng.normal(0.05, 0.38)))
    if rng.random() < 0.3 * strength:
        steep = rng.uniform(3, 8)
        out = 1 / (1 + np.exp(-steep * (out - rng.uniform(0.35, 0.65))))
        out = (out - out.min()) / max(float(np.ptp(out)), 1e-3)
    if rng.random() < 0.35 * strength:
        clahe = cv2.createCLAHE(rng.uniform(1, 6), (int(rng.integers(4, 12)),) * 2)
        out = clahe.apply((out * 255).astype(np.uint8)).astype(np.float32) / 255
    elif rng.random() < 0.2 * strength:
        out = cv2.equalizeHist((out * 255).astype(np.uint8)).astype(np.float32) / 255
    if rng.random() < 0.4 * strength:
        rows, columns = out.shape
        light = cv2.resize(rng.normal(0, 1, (3, 3)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
        out = out * (1 + 0.25 * light) + 0.08 * light
    if rng.random() < 0.35 * strength:
        sigma = rng.uniform(0.6, 4)
        out = out + rng.uniform(0.3, 1.5) * (out - cv2.GaussianBlur(out, (0, 0), sigma))
    if rng.random() < 0.35 * strength:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 2.2))
    if rng.random() < 0.4 * strength:  # before the grain, which a pale radiograph keeps
        out = 0.5 + (out - 0.5) * rng.uniform(0.35, 1.0) + rng.uniform(-0.2, 0.2)
    if rng.random() < 0.5 * strength:
        grain = rng.normal(0, rng.uniform(0.005, 0.05), out.shape).astype(np.float32)
        out = out + (cv2.GaussianBlur(grain, (0, 0), 0.8) * 2 if rng.random() < 0.5 * strength else grain)
    if rng.random() < 0.3 * strength:
        out = _small_picture(out, rng)
    return np.asarray(np.clip(out, 0, 1), np.float32)


def other_displays(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Normalised crops (n, 1, side, side), each lightly as another system might show it: contrast, brightness,
    flattening of what is broad, and noise. The grey border, exactly 0, stays.

    Args:
        images: crops, on any device.
        rng: source of every choice.
    """
    import torch
    from torch.nn import functional

    def sampled(values: npt.NDArray[np.float64]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=images.device)[:, None, None, None]

    total, side = len(images), images.shape[-1]
    gain, shift = sampled(np.exp(rng.normal(0, 0.06, total))), sampled(rng.normal(0, 0.06, total))
    shown = images * gain + shift * (images != 0)
    coarse = functional.interpolate(shown, scale_factor=1 / 16, mode="area")
    broad = functional.interpolate(coarse, size=(side, side), mode="bilinear")
    shown = shown + sampled(rng.uniform(-0.2, 0.3, total)) * (shown - broad) * (shown != 0)
    if rng.random() < 0.3:
        shown = shown + 0.08 * torch.randn_like(shown) * rng.random()
    return shown


def _small_picture(image: Image, rng: np.random.Generator) -> Image:
    """The image as a small, compressed picture of it shows it: archives hold radiographs of 230 columns, as JPEG."""
    rows, columns = image.shape
    shrink = rng.uniform(0.35, 0.9)
    size = (max(16, round(columns * shrink)), max(16, round(rows * shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))]
    done, coded = cv2.imencode(".jpg", np.round(np.clip(small, 0, 1) * 255).astype(np.uint8), quality)
    read = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if done else None
    if read is not None:
        small = read.astype(np.float32) / 255
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)
