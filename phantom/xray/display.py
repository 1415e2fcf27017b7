"""Display processing of each X-ray system: from detector signal to the grey values that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from phantom.xray.physics import wide_blur
from phantom.xray.system import XraySystem

DIRECT_EXPOSURE = 0.25
"""Signal relative to the open beam above which a pixel lies beside the patient and sets no window."""


@dataclass(frozen=True, slots=True)
class DisplayedImage:
    """An image as a system displays it.

    Attributes:
        unit: (H, W) in [0, 1], bright = dense; holds more than the window shows.
        window: (centre, width) of the display window, in the same unit.
    """

    unit: Tensor
    window: tuple[float, float]


def present(signal: Tensor, system: XraySystem, spacing_mm: float, rng: np.random.Generator) -> DisplayedImage:
    """Log image with its broad band flattened and details raised, and the system's window on it.

    Operators choose presets: every strength varies by some percent from image to image.

    Args:
        signal: (H, W) behind the patient, relative to the open beam.
        system: whose processing is applied.
        spacing_mm: pixel size at the detector.
        rng: source of the variation.
    """
    log = -torch.log(signal.clamp_min(1e-8))
    broad = wide_blur(log, 28.0 / spacing_mm)
    image = system.flatten * float(rng.uniform(0.88, 1.12)) * broad + (log - broad)
    for radius_mm, gain in system.bands:
        image = image + gain * float(rng.uniform(0.7, 1.3)) * (log - wide_blur(log, radius_mm / spacing_mm))
    rows, columns = image.shape
    inner = (slice(rows // 20, -rows // 20), slice(columns // 20, -columns // 20))
    core, body = image[inner].flatten(), signal[inner].flatten() < DIRECT_EXPOSURE
    core = core[body] if int(body.sum()) > 1000 else core
    sample = core[torch.randperm(len(core), generator=torch.Generator().manual_seed(0))[:20000].to(core.device)]
    low, high = (float(torch.quantile(sample, q)) for q in (0.03, 0.997))
    span = max(high - low, 1e-3)
    wide_low, wide_high = low - 0.30 * span, high + 0.25 * span
    unit = ((image - wide_low) / (wide_high - wide_low)).clamp(0, 1)
    if system.local_contrast:
        weight = system.local_contrast * float(rng.uniform(0.7, 1.3))
        unit = (1 - weight) * unit + weight * _locally_equalised(unit)
    gamma = system.gamma * float(rng.uniform(0.93, 1.07))
    edges = [_curve(torch.tensor((v - wide_low) / (wide_high - wide_low)), system.sigmoid, gamma) for v in (low, high)]
    first, last = (float(edge) for edge in edges)
    return DisplayedImage(_curve(unit, system.sigmoid, gamma), ((first + last) / 2, last - first))


def _curve(unit: Tensor, steepness: float, gamma: float) -> Tensor:
    """Display curve of [0, 1]: a power, or an S through both ends."""
    if not steepness:
        return unit**gamma
    edge = 1 / (1 + np.exp(steepness / 2))
    shaped: Tensor = (torch.sigmoid(steepness * (unit**gamma - 0.5)) - edge) / (1 - 2 * edge)
    return shaped.clamp(0, 1)


def _locally_equalised(unit: Tensor) -> Tensor:
    """Contrast-limited adaptive histogram equalisation of an image in [0, 1]."""
    stored = (unit * 65535).cpu().numpy().astype(np.uint16)
    equalised = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(6, 6)).apply(stored)
    return torch.from_numpy(equalised.astype(np.float32) / 65535).to(unit.device)
