"""DXA of the simulated bones: two energies from front to back, bone edges, T-score of L1-L4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from cohort.bmd import REFERENCES, YOUNG_CHINESE, DxaResult
from cohort.covariates import Sex
from cohort.spine import TARGET_LEVELS, VertebralLevel
from phantom.bones.anatomy import Vector
from phantom.bones.density import Skeleton
from phantom.bones.placement import Placement
from phantom.bones.posture import Posture
from phantom.geometry import Volume
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.pathology import BODIES, Pathology
from phantom.xray.physics import gaussian_blur, mass_attenuation

ENERGIES_KEV = (45.0, 80.0)
"""Effective energies behind the patient; pulsed 100 and 140 kVp. Ours."""

SCAN_HALF_WIDTH_MM = 62
"""The scan is about 12 cm wide, so that soft tissue beside the spine is seen."""

BONE_EDGE_G_CM2 = 0.20
"""Areal mineral above which a pixel counts as bone."""

BESIDE_BODY_MM = 4.0
"""How far beyond the bodies' edges bone still counts; transverse processes are left out."""

PRECISION = 0.012
"""Coefficient of variation of a repeated measurement (1 to 1.5 %)."""


@dataclass(frozen=True, slots=True)
class DxaMeasurement:
    """DXA of one person, and the true areal BMD of the same bones.

    Attributes:
        result: areal BMD and T-scores as the scanner reports them.
        posterior_fraction: fraction of L1-L4 mineral behind the back walls (published for L3: 51 +- 4 %; Lee 2009).
        true_bmd_g_cm2: areal BMD in the same edges without fat and precision error.
    """

    result: DxaResult
    posterior_fraction: float
    true_bmd_g_cm2: float


def measure_dxa(
    skeleton: Skeleton, tissue: SoftTissue, posture: Posture, pathology: Pathology, sex: Sex, rng: np.random.Generator
) -> DxaMeasurement:
    """Areal BMD of L1-L4 by level and together, and T-scores, from the volumes that the radiographs show.

    Mineral is separated from soft tissue with the ratio of attenuations beside the bone; where the fat over the spine
    differs from that beside it, the result is wrong by the fat error of real scanners. Whatever lies before or behind
    the bodies counts: spinous processes of the level above, osteophytes, aortic plaques. Metal is left out.

    Args:
        skeleton: mineral of the patient.
        tissue: muscle and fat around it.
        posture: where the bodies are.
        pathology: which of them are named L1 to L4.
        sex: whose reference gives the T-score.
        rng: source of the precision error.
    """
    spine = skeleton.spine
    centre = posture.vertebrae[VertebralLevel.L3].centre[0]
    x = torch.arange(-SCAN_HALF_WIDTH_MM, SCAN_HALF_WIDTH_MM + 1.0) + float(centre)
    z = torch.arange(spine.density.shape[2]) * spine.step_mm + spine.origin_mm[2]
    spinal = _areal(spine, x, z)
    mineral = spinal + _areal(skeleton.frame, x, z)
    muscle = (_areal(tissue.muscle, x, z) - 0.35 * mineral).clamp_min(0)
    level = _levels(posture, pathology, x, z).to(mineral.device)
    measured = _two_energy_bone(muscle, _areal(tissue.adipose, x, z), mineral, level)
    measured = gaussian_blur(measured, 1.0)
    bone = (measured > BONE_EDGE_G_CM2) & (level >= 0)
    error = 1 + PRECISION * rng.standard_normal()
    mean, sd = REFERENCES[YOUNG_CHINESE][sex]
    by_level = {}
    for k, name in enumerate(TARGET_LEVELS):
        part = bone & (level == k)
        if part.any():
            by_level[name] = round((float(measured[part].mean()) * error - mean) / sd, 2)
    total = float(measured[bone].mean()) * error
    behind = _areal(Volume(spine.density * skeleton.posterior, spine.origin_mm, spine.step_mm), x, z)
    return DxaMeasurement(
        result=DxaResult(
            t_score=round((total - mean) / sd, 2),
            bmd_g_cm2=round(total, 4),
            t_score_by_level=by_level,
            reference=YOUNG_CHINESE,
        ),
        posterior_fraction=float(behind[bone].sum() / spinal[bone].sum()),
        true_bmd_g_cm2=float(mineral[bone].mean()),
    )


def _areal(volume: Volume, x: Tensor, z: Tensor) -> Tensor:
    """Mass per area in g/cm2 along y at the scan's points, (z, x); parallel rays."""
    flat = volume.density.sum(1) * (volume.step_mm / 10)
    u = 2 * (x.to(flat.device) - volume.origin_mm[0]) / (volume.step_mm * (flat.shape[0] - 1)) - 1
    v = 2 * (z.to(flat.device) - volume.origin_mm[2]) / (volume.step_mm * (flat.shape[1] - 1)) - 1
    grid = torch.stack((u[None].expand(len(v), -1), v[:, None].expand(-1, len(u))), -1)[None]
    return functional.grid_sample(flat.T[None, None], grid, align_corners=True, padding_mode="zeros")[0, 0]


def _levels(posture: Posture, pathology: Pathology, x: Tensor, z: Tensor) -> Tensor:
    """Index into TARGET_LEVELS of every scan point, -1 elsewhere: between slanted mid-disc lines, near the bodies."""
    points = np.stack(np.meshgrid(x.numpy(), z.numpy()), -1).astype(float)
    places = [BODIES.index(body) for body in pathology.target_bodies]
    stack = [posture.vertebrae[body] for body in BODIES]
    below = [_above_disc(points, stack[k], stack[k + 1]) for k in range(places[0] - 1, places[-1] + 1)]
    heights = [p.centre[2] for p in reversed(stack)]
    middle = np.interp(z.numpy(), heights, [p.centre[0] for p in reversed(stack)])[:, None]
    width = np.interp(z.numpy(), heights, [p.half_width for p in reversed(stack)])[:, None]
    beside = np.abs(points[..., 0] - middle) <= width + BESIDE_BODY_MM
    level = np.full(points.shape[:2], -1)
    for k in range(len(places)):
        level[~below[k] & below[k + 1] & beside] = k
    return torch.from_numpy(level)


def _above_disc(points: Vector, upper: Placement, lower: Placement) -> npt.NDArray[np.bool_]:
    """Whether (x, z) points lie above the middle of the disc between two bodies."""
    low = upper.centre - upper.rotation[:, 2] * upper.half_height * (1 - 0.5 * upper.wedge - upper.crush)
    high = lower.centre + lower.rotation[:, 2] * lower.half_height * (1 - 0.5 * lower.wedge - lower.crush)
    at, normal = (low + high) / 2, upper.rotation[:, 2] + lower.rotation[:, 2]
    return np.asarray((points[..., 0] - at[0]) * normal[0] + (points[..., 1] - at[2]) * normal[2] > 0)


def _two_energy_bone(muscle: Tensor, adipose: Tensor, mineral: Tensor, level: Tensor) -> Tensor:
    """Areal mineral as two energies show it, with the soft-tissue ratio taken beside the bone of each level."""
    low, high = (mass_attenuation(kev) for kev in ENERGIES_KEV)
    seen = [m[0] * muscle + m[1] * adipose + m[2] * mineral for m in (low, high)]
    soft = mineral < 0.03
    measured = torch.zeros_like(mineral)
    rows = [((level == k).any(1)) for k in range(len(TARGET_LEVELS))]
    for k, band in enumerate(rows):
        beside = soft & band[:, None]
        reference = beside if beside.any() else soft
        ratio = seen[0][reference].sum() / seen[1][reference].sum()
        bone = (seen[0] - ratio * seen[1]) / (low[2] - ratio * high[2])
        measured = torch.where(level == k, bone, measured)
    return measured
