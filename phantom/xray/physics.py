"""X-ray physics: spectra, attenuation, the energy-integrating detector, scatter, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from osteolens.errors import ConfigError

CSI_G_CM2 = 0.20
"""Areal density of the CsI scintillator: about 500 um at 80 % packing (FACTS: 500-600 um)."""


@dataclass(frozen=True, slots=True)
class BeamTable:
    """One tube voltage over energy bins (n,): detector-weighted signal and mass attenuation in cm2/g."""

    signal: Tensor
    muscle: Tensor
    adipose: Tensor
    hydroxyapatite: Tensor


@lru_cache(maxsize=8)
def mass_attenuation(kev: float) -> tuple[float, float, float]:
    """Mass attenuation of muscle, adipose tissue and hydroxyapatite at one energy, cm2/g; interpolated in log.

    Raises:
        ConfigError: the energy is outside the table.
    """
    table = pd.read_csv(str(files("phantom.xray") / "physics.csv"))
    energy = table["energy_kev"].to_numpy()
    if not energy[0] <= kev <= energy[-1]:
        raise ConfigError(f"{kev:g} keV is outside the table of {energy[0]:g}-{energy[-1]:g} keV")
    names = ("muscle_cm2_g", "adipose_cm2_g", "hydroxyapatite_cm2_g")
    muscle, adipose, mineral = (float(np.exp(np.interp(kev, energy, np.log(table[n].to_numpy())))) for n in names)
    return muscle, adipose, mineral


@lru_cache(maxsize=16)
def beam_table(kvp: int, device: str = "cpu") -> BeamTable:
    """Spectrum times CsI absorption times energy, normalised to one without an object.

    Raises:
        ConfigError: the table has no spectrum of this voltage.

    Source: spekpy 2.5.4 and xraydb 4.5.8 through scripts/make_physics_table.py.
    """
    table = pd.read_csv(str(files("phantom.xray") / "physics.csv"))
    if f"fluence_{kvp}" not in table:
        names = [str(name) for name in table]
        known = ", ".join(n.removeprefix("fluence_") for n in names if n.startswith("fluence_"))
        raise ConfigError(f"tube voltage {kvp} kVp has no spectrum; the table holds {known}")

    def column(name: str) -> Tensor:
        return torch.tensor(table[name].to_numpy(), dtype=torch.float32, device=device)

    absorbed = 1 - torch.exp(-column("csi_cm2_g") * CSI_G_CM2)
    signal = column(f"fluence_{kvp}") * absorbed * column("energy_kev")
    return BeamTable(
        signal / signal.sum(), column("muscle_cm2_g"), column("adipose_cm2_g"), column("hydroxyapatite_cm2_g")
    )


def transmission(muscle: Tensor, adipose: Tensor, mineral: Tensor, beam: BeamTable) -> Tensor:
    """Primary signal behind areal densities, relative to the open beam; polychromatic Beer-Lambert law.

    Args:
        muscle: (H, W) in g/cm2.
        adipose: (H, W) in g/cm2.
        mineral: (H, W) in g/cm2 of hydroxyapatite.
        beam: spectrum and attenuation.
    """
    total = torch.zeros_like(muscle)
    for k in range(len(beam.signal)):
        if beam.signal[k] < 1e-5:
            continue
        exponent = beam.muscle[k] * muscle + beam.adipose[k] * adipose + beam.hydroxyapatite[k] * mineral
        total += beam.signal[k] * torch.exp(-exponent)
    return total


def gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    """Separable Gaussian on an (H, W) tensor, edges replicated."""
    if sigma_px <= 0:
        return image
    radius = max(1, round(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    x = functional.pad(image[None, None], (radius, radius, radius, radius), mode="replicate")
    x = functional.conv2d(x, kernel.view(1, 1, -1, 1))
    return functional.conv2d(x, kernel.view(1, 1, 1, -1))[0, 0]


def wide_blur(image: Tensor, sigma_px: float) -> Tensor:
    """Gaussian of large width, computed on a coarse copy."""
    step = max(1, int(sigma_px / 2))
    if step == 1:
        return gaussian_blur(image, sigma_px)
    coarse = functional.avg_pool2d(image[None, None], step, ceil_mode=True)[0, 0]
    radius = round(3 * sigma_px / step)
    blurred = gaussian_blur(coarse, min(sigma_px / step, max(coarse.shape) / 3 if radius else 1.0))
    return functional.interpolate(blurred[None, None], size=image.shape, mode="bilinear", align_corners=False)[0, 0]


def scatter_to_primary(thickness_g_cm2: float, field_cm2: float, grid: float) -> float:
    """Scatter over primary behind the grid at the middle of the field.

    Args:
        thickness_g_cm2: of the patient there.
        field_cm2: irradiated area at the detector; the ratio saturates with it.
        grid: selectivity of the grid relative to a usual 12:1 one; above 1 lets more scatter through.

    Source: about 0.4-0.6 behind 20-25 cm (AP) and 0.8-1.2 behind 30 cm and more (lateral); the quadratic is ours.
    """
    return grid * 1.1e-3 * thickness_g_cm2**2 * 1.3 * field_cm2 / (field_cm2 + 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Scatter, blur and noise of one exposure.

    Attributes:
        scatter_to_primary: ratio behind the grid at the middle of the field (0.4-0.6 AP, 0.8-1.2 lateral).
        quanta: mean count a pixel at the middle of the field, set by automatic exposure.
        blur_px: sigma of focal spot and scintillator together.
        spacing_mm: pixel size at the detector.
    """

    scatter_to_primary: float
    quanta: float
    blur_px: float
    spacing_mm: float


def detect_signal(
    primary: Tensor, thickness_g_cm2: Tensor, acquisition: Acquisition, generator: torch.Generator
) -> Tensor:
    """Signal with post-grid scatter, blur and quantum noise; exposure is set on the middle of the field.

    Args:
        primary: (H, W) relative to the open beam.
        thickness_g_cm2: (H, W) areal density; scatter follows its broad shape.
        acquisition: scatter, quanta and blur.
        generator: source of the noise.
    """
    total = scattered_signal(primary, thickness_g_cm2, acquisition)
    level = _level(primary)
    count = (total / level * acquisition.quanta).clamp_min(1.0)
    noise = torch.randn(total.shape, generator=generator, device=total.device)
    return (total * (1 + 1.1 * noise / count.sqrt())).clamp_min(1e-6 * float(level))


def scattered_signal(primary: Tensor, thickness_g_cm2: Tensor, acquisition: Acquisition) -> Tensor:
    """Signal with post-grid scatter and blur, without noise.

    Args:
        primary: (H, W) relative to the open beam.
        thickness_g_cm2: (H, W) areal density; scatter follows its broad shape.
        acquisition: scatter and blur.
    """
    rows, columns = primary.shape
    level = _level(primary)
    relative = thickness_g_cm2 / thickness_g_cm2[rows // 2, columns // 2].clamp_min(1.0)
    source = primary.clamp(max=float(level) * 4) * relative.clamp(0, 1.4)
    scatter = wide_blur(source, 35.0 / acquisition.spacing_mm)
    reference = scatter[rows // 4 : rows * 3 // 4, columns * 2 // 5 : columns * 3 // 5].mean().clamp_min(1e-9)
    return gaussian_blur(primary + scatter * (acquisition.scatter_to_primary * level / reference), acquisition.blur_px)


def _level(primary: Tensor) -> Tensor:
    """Mean primary signal at the middle of the field."""
    rows, columns = primary.shape
    return primary[rows // 4 : rows * 3 // 4, columns * 2 // 5 : columns * 3 // 5].mean().clamp_min(1e-9)
