"""Bones into density: signed distances placed in the patient, cortical shell, trabecular core with texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cohort.spine import LEVELS, VertebralLevel
from phantom.anatomy import Anatomy, Bone, Vector
from phantom.population import Person
from phantom.posture import Placement, Posture
from phantom.projector import Volume

CORTICAL_G_CM3 = 1.15
"""Mineral of the porous thin shell, hydroxyapatite."""

SPINE_STEP_MM = 1.0
PELVIS_STEP_MM = 2.0


@dataclass(slots=True)
class _Canvas:
    """Nearest signed distance, shell factor and owner on a patient grid."""

    origin: Vector
    step: float
    distance: Tensor
    shell: Tensor
    owner: Tensor


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Mineral of one patient.

    Attributes:
        spine: T10 to L5 on a fine grid.
        frame: sacrum, hips and ribs on a coarse grid.
        owner: int8 (nx, ny, nz) of the spine: index into LEVELS, -1 outside.
        posterior: bool, same shape: behind the body's back wall.
    """

    spine: Volume
    frame: Volume
    owner: Tensor
    posterior: Tensor


def build_skeleton(
    person: Person, anatomy: Anatomy, posture: Posture, generator: torch.Generator, device: torch.device
) -> Skeleton:
    """Place all bones and give them density.

    The shell is thicker at the endplates, the posterior elements and by a smooth random field; the core is log-normal
    texture, longer along z, coarser and stronger the lower the density.
    """
    spine = _canvas(_extent(anatomy, posture), SPINE_STEP_MM, device)
    for level, placement in posture.vertebrae.items():
        vertebra = anatomy.vertebrae[level]
        _splat(spine, vertebra.bone, placement, LEVELS.index(level), vertebra.size_mm, person.posterior_factor)
    low, high = _bounds(posture)
    frame = _canvas((low, high), PELVIS_STEP_MM, device)
    for number, bone in enumerate(anatomy.pelvis.bones):
        carrier = posture.pelvis if number == 0 else posture.hips
        _splat(frame, bone, carrier, LEVELS.index(VertebralLevel.S1), None, 1.0)
    for level, ribs in anatomy.ribs.items():
        carrier = posture.vertebrae[level]
        loose = Placement(carrier.rotation, carrier.centre, np.full(3, carrier.scale[0] * posture.rib_scale), 1e6, 1e6)
        for rib in ribs:
            _splat(frame, rib, loose, LEVELS.index(level), None, 1.0)
    core = person.vbmd_mg_cm3 / 1000
    posterior = spine.owner >= 64
    owner = torch.where(spine.owner >= 64, spine.owner - 64, spine.owner)
    return Skeleton(
        _mineral(spine, person.shell_mm, core, generator),
        _mineral(frame, max(0.9, person.shell_mm * 2.6), core * 0.8 + 0.02, generator),
        owner,
        posterior,
    )


def faded(skeleton: Skeleton, share: float) -> Skeleton:
    """The same bones with this share of mineral left in sacrum, hips and ribs; the spine and its DXA are untouched."""
    frame = skeleton.frame
    return replace(skeleton, frame=Volume(frame.density * share, frame.origin_mm, frame.step_mm))


def _extent(anatomy: Anatomy, posture: Posture) -> tuple[Vector, Vector]:
    corners = np.concatenate([_corners(anatomy.vertebrae[k].bone, p) for k, p in posture.vertebrae.items()])
    return corners.min(0), corners.max(0)


def _bounds(posture: Posture) -> tuple[Vector, Vector]:
    top = posture.vertebrae[VertebralLevel.T10].centre[2] + 30
    return np.array([-175.0, -150.0, -300.0]), np.array([175.0, 110.0, float(top)])


def _corners(bone: Bone, placement: Placement) -> Vector:
    edges = np.array(np.meshgrid(*[[0, n - 1] for n in bone.sdf.shape], indexing="ij")).reshape(3, -1).T
    local = (bone.origin + edges * bone.step_mm - bone.centre) @ bone.axes
    return np.asarray(placement.centre + (local * placement.scale) @ placement.rotation.T)


def _canvas(extent: tuple[Vector, Vector], step: float, device: torch.device) -> _Canvas:
    low, high = extent
    shape = tuple(int(n) for n in np.ceil((high - low) / step).astype(int) + 1)
    return _Canvas(
        low,
        step,
        torch.full(shape, 9.0, device=device),
        torch.ones(shape, device=device),
        torch.full(shape, -1, dtype=torch.int8, device=device),
    )


def _splat(
    canvas: _Canvas,
    bone: Bone,
    placement: Placement,
    owner: int,
    body_mm: tuple[float, float, float] | None,
    posterior_factor: float,
) -> None:
    """Resample one bone into the canvas, keeping the nearest surface; owner + 64 marks posterior elements."""
    device = canvas.distance.device
    corners = _corners(bone, placement)
    first = np.clip(np.floor((corners.min(0) - canvas.origin) / canvas.step), 0, None).astype(int)
    last = np.minimum(np.ceil((corners.max(0) - canvas.origin) / canvas.step).astype(int) + 1, canvas.distance.shape)
    if (last <= first).any():
        return
    lines = [
        torch.arange(a, b, device=device, dtype=torch.float32) * canvas.step + float(o)
        for a, b, o in zip(first, last, canvas.origin, strict=True)
    ]
    points = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
    rotation = torch.tensor(placement.rotation, dtype=torch.float32, device=device)
    q = (points - torch.tensor(placement.centre, dtype=torch.float32, device=device)) @ rotation
    relative_z = None
    if body_mm is not None:
        forward = (-q[..., 1] / placement.half_depth).clamp(-1, 1)
        radius = ((q[..., 0] / placement.half_width) ** 2 + (q[..., 1] / placement.half_depth) ** 2).clamp(0, 1)
        factor = 1 - placement.wedge * (0.5 + 0.5 * forward) - placement.dish * (1 - radius)
        q[..., 2] /= factor
        relative_z = (q[..., 2] / (placement.scale[2] * body_mm[2] / 2)).abs()
    q = q / torch.tensor(placement.scale, dtype=torch.float32, device=device)
    shifted = torch.tensor((bone.centre - bone.origin) / bone.step_mm, dtype=torch.float32, device=device)
    index = q @ torch.tensor(bone.axes.T / bone.step_mm, dtype=torch.float32, device=device) + shifted
    size = torch.tensor([n - 1 for n in bone.sdf.shape], dtype=torch.float32, device=device)
    grid = (2 * index / size - 1).flip(-1)[None]
    sdf = torch.from_numpy(bone.sdf).to(device)[None, None]
    distance = functional.grid_sample(sdf, grid, align_corners=True, padding_mode="border")[0, 0]
    outside = (grid[0].abs() > 1).any(-1)
    distance = torch.where(outside, 9.0, distance * float(np.mean(placement.scale)))
    window = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    nearer = distance < canvas.distance[window]
    canvas.distance[window] = torch.where(nearer, distance, canvas.distance[window])
    mark = torch.full_like(distance, owner, dtype=torch.int8)
    if body_mm is not None and relative_z is not None:
        behind = q[..., 1] > body_mm[1] / 2
        shell = torch.where(behind, posterior_factor, 1 + 0.5 * ((relative_z - 0.75) / 0.2).clamp(0, 1))
        canvas.shell[window] = torch.where(nearer, shell, canvas.shell[window])
        mark = torch.where(behind, mark + 64, mark)
    canvas.owner[window] = torch.where(nearer & (distance < canvas.step), mark, canvas.owner[window])


def _mineral(canvas: _Canvas, shell_mm: float, core_g_cm3: float, generator: torch.Generator) -> Volume:
    """Shell with partial volume around a textured core, hydroxyapatite g/cm3."""
    d, h = canvas.distance, canvas.step
    shape = tuple(d.shape)
    patch = functional.interpolate(
        torch.randn(_coarse(shape, h), generator=generator, device=d.device),
        size=shape,
        mode="trilinear",
        align_corners=True,
    )[0, 0]
    thickness = shell_mm * canvas.shell * (1 + 0.22 * patch).clamp(0.45, 1.7)
    inside = (0.5 - d / h).clamp(0, 1)
    inner = (0.5 - (d + thickness) / h).clamp(0, 1)
    texture = _texture(shape, core_g_cm3, h, generator, d.device)
    mineral = (inside - inner) * CORTICAL_G_CM3 + inner * core_g_cm3 * texture
    x, y, z = (float(v) for v in canvas.origin)
    return Volume(mineral, (x, y, z), h)


def _coarse(shape: tuple[int, ...], step: float) -> tuple[int, ...]:
    return (1, 1, *[max(2, int(n * step / 9)) for n in shape])


def _texture(
    shape: tuple[int, ...], core_g_cm3: float, step: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Log-normal trabecular modulation of mean 1, tiled; plates along z that coarsen as density falls."""
    n = 96
    noise = torch.randn((n, n, n), generator=generator, device=device)
    k = torch.fft.fftfreq(n, step, device=device)
    kz = torch.fft.rfftfreq(n, step, device=device)
    stretch = 2.0 + 8.0 * max(0.0, 0.16 - core_g_cm3)
    radius = torch.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + (stretch * kz[None, None]) ** 2)
    cutoff = 0.32 + 1.2 * core_g_cm3
    gain = torch.exp(-((radius / cutoff) ** 2)) / (radius**0.8 + 0.08)
    gain[0, 0, 0] = 0
    field = torch.fft.irfftn(torch.fft.rfftn(noise) * gain, s=(n, n, n))
    field = torch.exp((0.95 - 1.5 * core_g_cm3) * field / field.std())
    field = field / field.mean()
    repeats = [-(-s // n) for s in shape]
    return field.repeat(*repeats)[: shape[0], : shape[1], : shape[2]]
