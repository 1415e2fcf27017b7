"""X-ray systems of the simulated hospitals and the display processing that each applies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import torch
from torch import Tensor

from cohort.spine import View
from phantom.xray.physics import wide_blur


class Border(StrEnum):
    """What the image shows where the collimator kept the beam away."""

    NONE = "none"
    BLACK = "black"
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class XraySystem:
    """One radiography system; voltages after Mao et al. 2022, detectors after published ones, processing ours.

    Attributes:
        name: station name.
        kvp: tube voltage by view.
        pitch_mm: detector element; images are binned to about the wanted pixel.
        field_mm: largest field, the detector's edge.
        focal_mm: focal spot.
        grid: scatter that passes relative to a usual grid.
        flatten: weight of the broad band of the log image (1 keeps the body's shape, 0.4 flattens it).
        bands: (radius in mm, gain) of each enhanced detail band.
        sigmoid: steepness of an S-shaped display curve; 0 for a power curve.
        gamma: exponent of the power curve.
        local_contrast: weight of a locally equalised copy.
        border: what collimated edges look like, where they are kept in the image.
        photometric: MONOCHROME1 or MONOCHROME2.
        spacing_attribute: which DICOM attribute carries the pixel spacing.
    """

    name: str
    kvp: dict[View, int]
    pitch_mm: float
    field_mm: float
    focal_mm: float
    grid: float
    flatten: float
    bands: tuple[tuple[float, float], ...]
    sigmoid: float
    gamma: float
    local_contrast: float
    border: Border
    photometric: str
    spacing_attribute: str

    def spacing_mm(self, wanted_mm: float) -> float:
        """The binned pixel nearest to the wanted one."""
        return round(self.pitch_mm * max(1, round(wanted_mm / self.pitch_mm)), 4)


_TRAINING_KVP = {View.AP: 70, View.LATERAL: 77}
_A = XraySystem(
    "SIM-A", _TRAINING_KVP, 0.143, 430, 1.0, 1.0, 0.60, ((2.5, 0.6),), 0, 1.15, 0, Border.BLACK,
    "MONOCHROME2", "ImagerPixelSpacing",
)  # fmt: skip
_B = XraySystem(
    "SIM-B", _TRAINING_KVP, 0.143, 430, 1.2, 0.9, 0.75, ((1.8, 0.3), (8.0, 0.4)), 0, 1.0, 0, Border.WHITE,
    "MONOCHROME2", "PixelSpacing",
)  # fmt: skip
_E = XraySystem(
    "SIM-E", _TRAINING_KVP, 0.148, 425, 1.0, 1.1, 0.45, ((3.0, 0.9),), 5.0, 1.0, 0.15, Border.NONE,
    "MONOCHROME1", "ImagerPixelSpacing",
)  # fmt: skip
_C = XraySystem(
    "SIM-C", {View.AP: 75, View.LATERAL: 80}, 0.200, 410, 1.0, 1.0, 0.50, ((3.5, 0.9), (12.0, 0.3)), 4.0, 1.0, 0,
    Border.BLACK, "MONOCHROME1", "ImagerPixelSpacing",
)  # fmt: skip
_D = XraySystem(
    "SIM-D", {View.AP: 75, View.LATERAL: 90}, 0.160, 430, 1.2, 1.2, 0.85, ((2.0, 0.2),), 0, 0.9, 0.25, Border.WHITE,
    "MONOCHROME2", "PixelSpacing",
)  # fmt: skip

SYSTEMS: dict[str, tuple[XraySystem, ...]] = {
    "training": (_A, _B, _E),
    "validation": (_A, _B, _E),
    "test1": (_C,),
    "test2": (_D,),
}
"""By site, as in the paper: training and validation share three sub-districts (70/77 kVp), test cohort 1 is another
(75/80 kVp), test cohort 2 another hospital (75/90 kVp). Pitches: Pixium 143 um, GE 200 um, others between."""


DIRECT_EXPOSURE = 0.25
"""Signal relative to the open beam above which a pixel lies beside the patient and sets no window."""


def present(
    signal: Tensor, system: XraySystem, spacing_mm: float, rng: np.random.Generator
) -> tuple[Tensor, float, float]:
    """Log image with its broad band flattened and details raised, in [0, 1], and the system's window on it.

    Operators choose presets: every strength varies by some percent from image to image.

    Returns:
        image (H, W) in [0, 1], bright = dense, holding more than the window shows; window centre; window width.
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
    return _curve(unit, system.sigmoid, gamma), (first + last) / 2, last - first


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
