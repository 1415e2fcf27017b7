"""Bones as signed distance grids, each with the frame of its vertebral body.

Axes are the patient's, as in DICOM: x to the left, y to the back, z to the head, all in mm.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from cohort.spine import VertebralLevel
from osteolens.errors import AnatomyError

Grid = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bone:
    """One bone as a signed distance in mm (negative inside) on a regular grid of its source's frame.

    Attributes:
        name: what it is, for messages.
        sdf: float32 (nx, ny, nz).
        origin: position of voxel (0, 0, 0), mm.
        step_mm: voxel edge.
        axes: rotation (3, 3); its columns are the body frame's x, y, z in the source's frame.
        centre: the body frame's origin in the source's frame, mm.
    """

    name: str
    sdf: Grid
    origin: Vector
    step_mm: float
    axes: Vector = field(default_factory=lambda: np.eye(3))
    centre: Vector = field(default_factory=lambda: np.zeros(3))

    @cached_property
    def steepest(self) -> float:
        """Bound of the change of the interpolated signed distance per mm; about 1 for a true distance."""
        squares: Grid = np.zeros(1, np.float32)
        for axis in range(3):
            edges = np.abs(np.diff(self.sdf, axis=axis))
            for other in {0, 1, 2} - {axis}:
                edges = np.maximum(np.delete(edges, -1, other), np.delete(edges, 0, other))
            squares = squares + edges**2
        return float(np.sqrt(np.max(squares))) / self.step_mm


@dataclass(frozen=True, slots=True)
class Vertebra:
    """A vertebra in the frame of its body: origin at the body's centre, z along the mean endplate normal.

    Attributes:
        bone: the whole vertebra, its axes and centre set to the body frame.
        size_mm: (width, depth, height) of the body.
        body_points: (n, 3) points on the body's surface, in the body frame, mm.
    """

    bone: Bone
    size_mm: tuple[float, float, float]
    body_points: Vector


@dataclass(frozen=True, slots=True)
class Pelvis:
    """Sacrum and hips in the frame of the S1 endplate: origin at its centre, z along its normal.

    Attributes:
        bones: sacrum first, then hips; their axes and centre set to the endplate frame.
        slope_deg: tilt of the endplate in the source's posture (sacral slope).
        endplate_mm: (width, depth) of the S1 endplate.
    """

    bones: tuple[Bone, ...]
    slope_deg: float
    endplate_mm: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """Bones of one source: vertebrae, pelvis and ribs.

    Attributes:
        name: where it comes from; written into the cohort's provenance.
        vertebrae: T10 to L5.
        pelvis: sacrum and hips.
        ribs: for T10, T11 and T12, rib bones whose frame is that vertebra's body frame.
        shell_factor: correction of the shell's thickness for this source's shapes.
    """

    name: str
    vertebrae: dict[VertebralLevel, Vertebra]
    pelvis: Pelvis
    ribs: dict[VertebralLevel, tuple[Bone, ...]]
    shell_factor: float = 1.0


def voxel_centres(bone: Bone) -> Vector:
    """Centres of all voxels of a bone in its source's frame, (nx, ny, nz, 3) mm."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in bone.sdf.shape], indexing="ij"), -1)
    return np.asarray(bone.origin + index * bone.step_mm)


def rotation_x(degrees: float) -> Vector:
    """Rotation about the left-right axis; positive turns +y (back) towards +z (head)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def vertebra_from_bone(bone: Bone) -> Vertebra:
    """Find the body of an upright vertebra and give the vertebra in its body's frame.

    The body is the foremost component of the mid-sagittal section, which the vertebral foramen parts from the
    spinous process. Straight lines through its upper and lower edge give the tilt, the front half the width.

    Raises:
        AnatomyError: the section shows no body of plausible size.
    """
    points = voxel_centres(bone)
    inside = bone.sdf < 0
    if not inside.any():
        raise AnatomyError(f"{bone.name}: the mesh encloses no volume; expected a closed vertebra")
    middle = float(np.median(points[..., 0][inside]))
    slab = np.abs(points[:, 0, 0, 0] - middle) <= 3.0
    section = inside[slab].mean(0) > 0.5
    labels, count = ndimage.label(section)
    if count == 0:
        raise AnatomyError(f"{bone.name}: no bone in the mid-sagittal plane; expected a vertebra lying along z")
    front = int(np.nonzero(section.any(1))[0][0])
    body = labels == labels[front][labels[front] > 0][0]
    y = bone.origin[1] + np.arange(section.shape[0]) * bone.step_mm
    z = bone.origin[2] + np.arange(section.shape[1]) * bone.step_mm
    columns = np.nonzero(body.any(1))[0]
    span = y[columns[-1]] - y[columns[0]]
    keep = columns[(y[columns] > y[columns[0]] + 0.2 * span) & (y[columns] < y[columns[0]] + 0.8 * span)]
    top = np.array([z[np.nonzero(body[c])[0][-1]] for c in keep])
    bottom = np.array([z[np.nonzero(body[c])[0][0]] for c in keep])
    slope = (np.polyfit(y[keep], top, 1)[0] + np.polyfit(y[keep], bottom, 1)[0]) / 2
    tilt = float(np.degrees(np.arctan(slope)))
    axes = rotation_x(tilt)
    section_points = np.array([[0.0, y[i], z[j]] for i, j in np.argwhere(body)]) @ axes
    low, high = section_points.min(0), section_points.max(0)
    depth = float(high[1] - low[1])
    height = float(np.mean(top - bottom)) * float(np.cos(np.radians(tilt)))
    centre_in_frame = np.array([0.0, (low[1] + high[1]) / 2, float(np.mean(section_points[:, 2]))])
    centre = axes @ centre_in_frame + np.array([middle, 0.0, 0.0])
    if not (15 < depth < 60 and 12 < height < 45):
        raise AnatomyError(f"{bone.name}: body of {depth:.0f} x {height:.0f} mm (depth x height) is implausible")
    local = (points - centre) @ axes
    front_half = inside & (local[..., 1] < -0.12 * depth) & (np.abs(local[..., 2]) < 0.6 * height)
    width = float(2 * np.abs(local[..., 0][front_half]).max() + bone.step_mm)
    surface = (
        (np.abs(bone.sdf) < 0.6 * bone.step_mm)
        & (local[..., 1] < depth / 2)
        & (np.abs(local[..., 0]) < 0.515 * width)
        & (np.abs(local[..., 2]) < 0.5 * height + 4)
    )
    body_points = local[surface]
    chosen = np.random.default_rng(0).permutation(len(body_points))[:2400]
    return Vertebra(replace(bone, axes=axes, centre=centre), (width, depth, height), body_points[chosen])


def pelvis_from_bones(sacrum: Bone, hips: tuple[Bone, ...]) -> Pelvis:
    """Find the S1 endplate, the flattest face that looks up and forward, and give the pelvis in its frame.

    Raises:
        AnatomyError: no endplate of plausible size is found.
    """
    points = voxel_centres(sacrum)
    inside = sacrum.sdf < 0
    middle = float(np.median(points[..., 0][inside]))
    slab = (np.abs(sacrum.sdf) < 0.7 * sacrum.step_mm) & (np.abs(points[..., 0] - middle) < 9.0)
    surface = points[slab]
    best: tuple[float, float, Vector] = (-1.0, 0.0, surface)
    for slope in np.arange(5.0, 75.0, 1.0):
        heights = surface @ rotation_x(slope)[:, 2]
        contact = surface[heights > np.percentile(heights, 99.0) - 2.0]
        if len(contact) > best[0]:
            best = (len(contact), float(slope), contact)
    _, slope, contact = best
    axes = rotation_x(slope)
    local = contact @ axes
    low, high = np.percentile(local, 2, axis=0), np.percentile(local, 98, axis=0)
    depth = float(high[1] - low[1])
    if not 18 < depth < 60:
        raise AnatomyError(f"{sacrum.name}: S1 endplate of {depth:.0f} mm depth is implausible; expected 18 to 60 mm")
    centre = axes @ np.array([0.0, (low[1] + high[1]) / 2, high[2]]) + np.array([middle, 0.0, 0.0])
    bones = tuple(replace(bone, axes=axes, centre=centre) for bone in (sacrum, *hips))
    return Pelvis(bones, slope, (1.45 * depth, depth))
