"""Bones of known place in a patient's grid: the nearest surface, and what a voxel belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phantom.bones.anatomy import Anatomy, Bone, Vector
from phantom.bones.placement import BEHIND_MM, Placement
from phantom.bones.posture import Posture

FAR_MM = 9.0
"""Distance where no bone is near."""

BLOCK = 4
"""Voxels along each side of a block that is placed as one."""


@dataclass(slots=True, kw_only=True)
class Canvas:
    """Nearest signed distance, shell factor and owner on a patient grid."""

    origin: Vector
    step: float
    distance: Tensor
    shell: Tensor
    owner: Tensor


def extent_of(anatomy: Anatomy, posture: Posture) -> tuple[Vector, Vector]:
    """Lowest and highest coordinates of all vertebrae, mm."""
    corners = np.concatenate([_corners(anatomy.vertebrae[k].bone, p) for k, p in posture.vertebrae.items()])
    return corners.min(0), corners.max(0)


def _corners(bone: Bone, placement: Placement) -> Vector:
    edges = np.array(np.meshgrid(*[[0, n - 1] for n in bone.sdf.shape], indexing="ij")).reshape(3, -1).T
    local = (bone.origin + edges * bone.step_mm - bone.centre) @ bone.axes
    return np.asarray(placement.centre + (local * placement.scale) @ placement.rotation.T)


def canvas_of(extent: tuple[Vector, Vector], step: float, device: torch.device) -> Canvas:
    """An empty grid.

    Args:
        extent: lowest and highest coordinates, mm.
        step: voxel edge, mm.
        device: of the tensors.
    """
    low, high = extent
    shape = tuple(int(n) for n in np.ceil((high - low) / step).astype(int) + 1)
    return Canvas(
        origin=low,
        step=step,
        distance=torch.full(shape, FAR_MM, device=device),
        shell=torch.ones(shape, device=device),
        owner=torch.full(shape, -1, dtype=torch.int8, device=device),
    )


def splat(
    canvas: Canvas,
    bone: Bone,
    placement: Placement,
    owner: int,
    body_mm: tuple[float, float, float] | None,
    posterior_factor: float,
) -> None:
    """Resample one bone into the canvas, keeping the nearest surface; owner + 64 marks posterior elements.

    Only blocks of voxels that the bone can reach are computed, and only voxels that it fills or borders are kept. A
    block's middle is placed first: its distance, less what that can change within a block, decides.
    """
    device, shape = canvas.distance.device, canvas.distance.shape
    corners = _corners(bone, placement)
    first = np.clip(np.floor((corners.min(0) - canvas.origin) / canvas.step), 0, None).astype(int)
    last = np.minimum(np.ceil((corners.max(0) - canvas.origin) / canvas.step).astype(int) + 1, shape)
    if (last <= first).any():
        return
    voxels = [
        torch.arange(a, a + BLOCK * -(-(b - a) // BLOCK), device=device).reshape(-1, BLOCK)
        for a, b in zip(first, last, strict=True)
    ]
    offset = [float(o) for o in canvas.origin - placement.centre]
    middles = [v.float().mean(1) * canvas.step + o for v, o in zip(voxels, offset, strict=True)]
    blocks = _reached(bone, placement, middles, canvas.step, bends=body_mm is not None).unbind(1)
    lines = [v[k].float() * canvas.step + o for v, k, o in zip(voxels, blocks, offset, strict=True)]
    q = [_affine(lines, placement.rotation[:, k]) for k in range(3)]
    if body_mm is not None:
        q = _unbent(q, placement)
    distance = _distance(bone, placement, q)
    x, y, z = (v[k] for v, k in zip(voxels, blocks, strict=True))
    place = (x[:, :, None, None] * shape[1] + y[:, None, :, None]) * shape[2] + z[:, None, None, :]
    held = (x < last[0])[:, :, None, None] & (y < last[1])[:, None, :, None] & (z < last[2])[:, None, None, :]
    kept = torch.nonzero(((distance < canvas.step) & held).flatten()).flatten()
    place, distance = place.flatten()[kept], distance.flatten()[kept]
    nearer = distance < canvas.distance.view(-1)[place]
    kept, place, distance = kept[nearer], place[nearer], distance[nearer]
    canvas.distance.view(-1)[place] = distance
    at = [v.flatten()[kept] for v in q]
    if body_mm is None:
        canvas.owner.view(-1)[place] = owner
        canvas.shell.view(-1)[place] = _body_shell(at, placement)
        return
    behind = at[1] > body_mm[1] / 2 * float(placement.scale[1])
    canvas.shell.view(-1)[place] = torch.where(behind, posterior_factor, _body_shell(at, placement))
    canvas.owner.view(-1)[place] = torch.where(behind, owner + 64, owner).to(torch.int8)


def _distance(bone: Bone, placement: Placement, q: list[Tensor]) -> Tensor:
    """Signed distance in mm to a placed bone's surface of unbent points, far off outside its grid."""
    grid = _grid(bone, placement, q)
    return (_signed(bone, grid) * float(np.mean(placement.scale))).masked_fill_(grid.abs().amax(-1) > 1, FAR_MM)


def _grid(bone: Bone, placement: Placement, q: list[Tensor]) -> Tensor:
    """Unbent points in a bone's grid (..., 3), -1 to 1 from its first to its last voxel, the last axis first."""
    to_index = bone.axes.T / placement.scale[:, None] / bone.step_mm
    shift = (bone.centre - bone.origin) / bone.step_mm
    grid = torch.empty((*q[0].shape, 3), device=q[0].device)
    for axis, size in enumerate(bone.sdf.shape):
        index = q[0] * float(to_index[0, axis])
        index.add_(q[1], alpha=float(to_index[1, axis])).add_(q[2], alpha=float(to_index[2, axis]))
        torch.mul(index, 2 / (size - 1), out=grid[..., 2 - axis])
        grid[..., 2 - axis].add_(2 * float(shift[axis]) / (size - 1) - 1)
    return grid


def _signed(bone: Bone, grid: Tensor) -> Tensor:
    """Interpolated signed distances in mm of the bone as it is; outside its grid that of the border."""
    sdf = torch.from_numpy(bone.sdf).to(grid.device)[None, None]
    points = grid.reshape(1, 1, 1, -1, 3)
    return functional.grid_sample(sdf, points, align_corners=True, padding_mode="border").reshape(grid.shape[:-1])


def _reached(bone: Bone, placement: Placement, middles: list[Tensor], step_mm: float, *, bends: bool) -> Tensor:
    """Numbers (n, 3) of the blocks with these middles that a bone can fill or border."""
    q = [_affine([m[None] for m in middles], placement.rotation[:, k]) for k in range(3)]
    stretch = 1 / float(np.min(placement.scale))
    if bends:
        q, stretch = _unbent(q, placement), stretch * placement.greatest_stretch
    radius_mm = (BLOCK - 1) / 2 * step_mm * np.sqrt(3) * stretch
    scale = float(np.mean(placement.scale))
    return torch.nonzero(_signed(bone, _grid(bone, placement, q))[0] < step_mm / scale + bone.steepest * radius_mm)


def _affine(lines: list[Tensor], weights: Vector) -> Tensor:
    """A weighted sum (n, nx, ny, nz) of coordinates along three lines (n, nx), (n, ny), (n, nz)."""
    x, y, z = (line * float(w) for line, w in zip(lines, weights, strict=True))
    return (x[:, :, None] + y[:, None])[..., None] + z[:, None, None]


def _unbent(q: list[Tensor], placement: Placement) -> list[Tensor]:
    """Undo bend (to first order) and loss of height: patient offsets in the body's axes to scaled source mm."""
    halves = (placement.half_width, placement.half_depth, placement.half_height)
    x, y, z = ((v / h).clamp_(-1.5, 1.5) for v, h in zip(q, halves, strict=True))
    terms = (x * y, y * z, z * x, z * z)
    straight = []
    for axis in range(3):
        moved = q[axis].clone()
        for term, weight in zip(terms, placement.bend[axis], strict=True):
            moved.add_(term, alpha=-float(weight))
        straight.append(moved)
    x, y = straight[0] / placement.half_width, straight[1] / placement.half_depth
    factor = 1 - placement.wedge * (0.5 + 0.5 * (-y).clamp(-1, 1))
    if placement.dish:
        factor -= placement.dish * (1 - (x * x + y * y).clamp(0, 1))
    if placement.crush:
        factor -= placement.crush * ((placement.half_depth + BEHIND_MM - straight[1]) / BEHIND_MM).clamp(0, 1)
    straight[2] = straight[2] / factor
    return straight


def _body_shell(q: list[Tensor], placement: Placement) -> Tensor:
    """Relative thickness of the body's shell: 1 at the waist, 1.5 at the endplates, more at their rims.

    Source: the rim is 3 to 7 mm wide (Wang 2012, PMC3481085); the factors are ours.
    """
    height = (q[2] / placement.half_height).abs()
    endplate = ((height - 0.75) / 0.2).clamp_(0, 1)
    rim = (((q[0] / placement.half_width) ** 2 + (q[1] / placement.half_depth) ** 2 - 0.55) / 0.3).clamp_(0, 1)
    return 1 + endplate * (0.42 + 0.25 * rim)
