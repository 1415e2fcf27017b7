"""X-ray machines of the simulated hospitals and the display processing that each applies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.spine import View
from phantom.physics import wide_blur


@dataclass(frozen=True, slots=True)
class Machine:
    """One radiography system; voltages after Mao et al. 2022, processing ours.

    Attributes:
        name: station name.
        kvp: tube voltage by view.
        flatten: weight of the broad band of the log image (1 keeps the body's shape, 0.4 flattens it).
        edge_gain: unsharp gain.
        edge_mm: unsharp radius.
        gamma: exponent of the display curve.
        photometric: MONOCHROME1 or MONOCHROME2.
        spacing_attribute: which DICOM attribute carries the pixel spacing.
    """

    name: str
    kvp: dict[View, int]
    flatten: float
    edge_gain: float
    edge_mm: float
    gamma: float
    photometric: str
    spacing_attribute: str


MACHINES: dict[str, Machine] = {
    "training": Machine(
        "SIM-A", {View.AP: 70, View.LATERAL: 77}, 0.60, 0.6, 2.5, 1.15, "MONOCHROME2", "ImagerPixelSpacing"
    ),
    "validation": Machine("SIM-B", {View.AP: 70, View.LATERAL: 77}, 0.75, 0.4, 1.8, 1.0, "MONOCHROME2", "PixelSpacing"),
    "test1": Machine(
        "SIM-C", {View.AP: 75, View.LATERAL: 80}, 0.50, 0.9, 3.5, 1.3, "MONOCHROME1", "ImagerPixelSpacing"
    ),
    "test2": Machine("SIM-D", {View.AP: 75, View.LATERAL: 90}, 0.85, 0.2, 2.0, 0.9, "MONOCHROME2", "PixelSpacing"),
}
"""By site, as in the paper: training and validation 70/77 kVp, test cohort 1 75/80 kVp, test cohort 2 75/90 kVp."""


def present(signal: Tensor, machine: Machine, spacing_mm: float) -> tuple[Tensor, float, float]:
    """Log image with its broad band flattened and edges raised, in [0, 1], and the machine's window on it.

    Returns:
        image (H, W) in [0, 1], bright = dense, holding more than the window shows; window centre; window width.
    """
    log = -torch.log(signal.clamp_min(1e-8))
    broad = wide_blur(log, 28.0 / spacing_mm)
    image = machine.flatten * broad + (log - broad)
    image = image + machine.edge_gain * (log - wide_blur(log, machine.edge_mm / spacing_mm))
    rows, columns = image.shape
    core = image[rows // 20 : -rows // 20, columns // 20 : -columns // 20].flatten()
    sample = core[torch.randperm(len(core), generator=torch.Generator().manual_seed(0))[:20000].to(core.device)]
    low, high = torch.quantile(sample, 0.03), torch.quantile(sample, 0.997)
    span = (high - low).clamp_min(1e-3)
    wide_low, wide_high = low - 0.30 * span, high + 0.25 * span
    stored = ((image - wide_low) / (wide_high - wide_low)).clamp(0, 1) ** machine.gamma
    edge = [float(((v - wide_low) / (wide_high - wide_low)) ** machine.gamma) for v in (low, high)]
    return stored, (edge[0] + edge[1]) / 2, edge[1] - edge[0]
