"""Volumes in the patient, the source and detector around them, and outlines on the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cohort.spine import View

Outline = npt.NDArray[np.float32]
"""Points (n, 2) of a body's border on the image, x and y in pixels."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A point source, a flat detector and the pixels on it.

    Attributes:
        view: AP has the beam along y (front to back), LATERAL along x.
        source_mm: source position along the beam axis; the beam runs in the positive direction.
        distance_mm: source to detector.
        centre_mm: central ray's position on the two other axes (across, z).
        u_mm: pixel centres across, on the detector, relative to the central ray.
        v_mm: pixel centres along z, likewise, descending from the head.
    """

    view: View
    source_mm: float
    distance_mm: float
    centre_mm: tuple[float, float]
    u_mm: Tensor
    v_mm: Tensor

    @property
    def beam_axis(self) -> int:
        """Patient axis along the beam: 1 for AP, 0 for lateral."""
        return 1 if self.view is View.AP else 0

    @property
    def across_axis(self) -> int:
        """Patient axis along the detector's rows."""
        return 1 - self.beam_axis

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return len(self.v_mm), len(self.u_mm)

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
