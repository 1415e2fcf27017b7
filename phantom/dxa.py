"""DXA of the simulated bones: mineral projected from front to back, bone edges found, T-score of L1-L4."""

from __future__ import annotations

import numpy as np
import torch

from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel
from cohort.study import DxaResult, Sex
from phantom.skeleton import Skeleton

YOUNG_ADULT_BMD: dict[Sex, tuple[float, float]] = {Sex.FEMALE: (0.990, 0.100), Sex.MALE: (0.980, 0.116)}
"""Mean and SD of L1-L4 areal BMD, g/cm2, Hologic. Source: women, Lynn 2005 (Hong Kong); men, Tan 2007 (Changsha)."""

REFERENCE = "Hologic young Chinese adults: Lynn 2005 (women), Tan 2007 (men)"

BONE_EDGE_G_CM2 = 0.20
"""Areal mineral above which a pixel counts as bone."""

PRECISION = 0.012
"""Coefficient of variation of a repeated measurement (1 to 1.5 %)."""


def measure_dxa(skeleton: Skeleton, sex: Sex, rng: np.random.Generator) -> DxaResult:
    """Areal BMD of L1-L4 by level and together, and T-scores, from the very volume that the radiographs show."""
    spine = skeleton.spine
    step_cm = spine.step_mm / 10
    mass, area = 0.0, 0.0
    bmd: dict[VertebralLevel, float] = {}
    for level in TARGET_LEVELS:
        own = skeleton.owner == LEVELS.index(level)
        areal = torch.where(own, spine.density, 0.0).sum(1) * step_cm
        bone = areal > BONE_EDGE_G_CM2
        level_mass = float(areal[bone].sum()) * step_cm**2
        level_area = float(bone.sum()) * step_cm**2
        bmd[level] = level_mass / max(level_area, 1e-6)
        mass, area = mass + level_mass, area + level_area
    error = 1 + PRECISION * rng.standard_normal()
    total = mass / max(area, 1e-6) * error
    mean, sd = YOUNG_ADULT_BMD[sex]
    return DxaResult(
        round((total - mean) / sd, 2),
        round(total, 4),
        {level: round((value * error - mean) / sd, 2) for level, value in bmd.items()},
        None,
        REFERENCE,
    )


def posterior_share(skeleton: Skeleton) -> float:
    """Share of the mineral of L1-L4 that lies behind the back wall of the bodies (published for L3: 51 +- 4 %)."""
    wanted = torch.zeros_like(skeleton.posterior)
    for level in TARGET_LEVELS:
        wanted |= skeleton.owner == LEVELS.index(level)
    total = skeleton.spine.density[wanted].sum()
    return float(skeleton.spine.density[wanted & skeleton.posterior].sum() / total)
