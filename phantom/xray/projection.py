"""Cone-beam projection of density volumes: every slice is resampled to the detector by its own magnification."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Volume:
    """Density in g/cm3 on a regular grid in patient axes (x left, y back, z head).

    Attributes:
        density: float32 (nx, ny, nz).
        origin_mm: position of voxel (0, 0, 0).
        step_mm: voxel edge.
    """

    density: Tensor
    origin_mm: tuple[float, float, float]
    step_mm: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """A point source, a flat detector and the pixels on it.

    Attributes:
        beam_axis: patient axis along the beam: 1 for AP (front to back), 0 for lateral.
        source_mm: source position along the beam axis; the beam runs in the positive direction.
        distance_mm: source to detector.
        centre_mm: central ray's position on the two other axes (across, z).
        u_mm: pixel centres across, on the detector, relative to the central ray.
        v_mm: pixel centres along z, likewise, descending from the head.
    """

    beam_axis: int
    source_mm: float
    distance_mm: float
    centre_mm: tuple[float, float]
    u_mm: Tensor
    v_mm: Tensor

    @property
    def across_axis(self) -> int:
        """Patient axis along the detector's rows."""
        return 1 - self.beam_axis

    @property
    def spacing_mm(self) -> float:
        """Pixel size at the detector."""
        return round(float(self.u_mm[1] - self.u_mm[0]), 4)

    def project_points(self, points: Tensor) -> Tensor:
        """Patient points (n, 3) in mm to continuous pixel coordinates (n, 2) as (column, row)."""
        scale = self.distance_mm / (points[:, self.beam_axis] - self.source_mm)
        u = (points[:, self.across_axis] - self.centre_mm[0]) * scale
        v = (points[:, 2] - self.centre_mm[1]) * scale
        column = (u - self.u_mm[0]) / (self.u_mm[1] - self.u_mm[0])
        row = (v - self.v_mm[0]) / (self.v_mm[1] - self.v_mm[0])
        return torch.stack((column, row), 1)


SLICES_A_STEP = 24
"""Slices projected together; bounds the memory."""


def project(volume: Volume, geometry: Geometry, merge: int = 1) -> Tensor:
    """Line integrals in g/cm2 at every pixel, (rows, columns).

    Each slice across the beam is linearly interpolated to the detector as two small matrix products, so the same
    code is fast on CPU and GPU. Cost: slices x rows x columns x voxels across, about 15 GFLOP for one spine.

    Args:
        volume: what is projected.
        geometry: source and detector.
        merge: neighbouring slices that are added first and share a magnification. One mm along a metre of beam moves
            a ray by 0.15 mm at 150 mm from the axis, so 2 is right for a grid of 1 mm.
    """
    axes = (geometry.beam_axis, 2, geometry.across_axis)
    density = volume.density.permute(*axes)
    if merge > 1:
        spare = -density.shape[0] % merge
        padded = torch.nn.functional.pad(density, (0, 0, 0, 0, 0, spare))
        density = padded.reshape(-1, merge, *padded.shape[1:]).sum(1)
    _, heights, widths = density.shape
    origin = [volume.origin_mm[a] for a in axes]
    device = density.device
    u, v = geometry.u_mm.to(device), geometry.v_mm.to(device)
    out = torch.zeros(len(v), len(u), device=device)
    used = torch.nonzero(density.abs().amax((1, 2)) > 0).flatten().tolist()
    for start in range(0, len(used), SLICES_A_STEP):
        index = torch.tensor(used[start : start + SLICES_A_STEP], device=device)
        along = origin[0] + (index * merge + (merge - 1) / 2) * volume.step_mm - geometry.source_mm
        shrink = (along / geometry.distance_mm)[:, None]
        across = (geometry.centre_mm[0] + u[None] * shrink - origin[2]) / volume.step_mm
        height = (geometry.centre_mm[1] + v[None] * shrink - origin[1]) / volume.step_mm
        pick_u = _hat(across, widths)
        pick_v = _hat(height, heights)
        out += torch.bmm(torch.bmm(pick_v, density[index]), pick_u.transpose(1, 2)).sum(0)
    slant = torch.sqrt(1 + (u[None] ** 2 + v[:, None] ** 2) / geometry.distance_mm**2)
    return out * slant * (volume.step_mm * 0.1)


def _hat(position: Tensor, size: int) -> Tensor:
    """Linear interpolation weights (slices, pixels, size) for fractional positions (slices, pixels)."""
    nodes = torch.arange(size, dtype=torch.float32, device=position.device)
    return (1 - (position[..., None] - nodes).abs()).clamp_min(0)
