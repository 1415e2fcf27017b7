"""Bones into density: signed distances placed in the patient, cortical shell, trabecular core with texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cohort.spine import LEVELS, VertebralLevel
from phantom.bones.anatomy import Anatomy, Bone, Vector
from phantom.bones.osteophytes_and_implants import aortic_plaques, implants, osteophyte_bones, sacral_bridges
from phantom.bones.placement import BEHIND_MM, Placement
from phantom.bones.posture import Posture
from phantom.geometry import Volume
from phantom.subject.pathology import Pathology
from phantom.subject.population import Person

CORTICAL_G_CM3 = 1.15
"""Mineral of the porous thin shell, hydroxyapatite."""

SPINE_STEP_MM = 1.0
FRAME_STEP_MM = 2.0

UNNAMED = len(LEVELS)
"""Owner of a vertebra that has no name, such as the sixth lumbar one."""


@dataclass(slots=True, kw_only=True)
class _Canvas:
    """Nearest signed distance, shell factor and owner on a patient grid."""

    origin: Vector
    step: float
    distance: Tensor
    shell: Tensor
    owner: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Mineral of one patient.

    Attributes:
        spine: T10 to L5 on a fine grid.
        frame: sacrum, hips, ribs and calcified aorta on a coarse grid.
        owner: int8 (nx, ny, nz) of the spine: index of the level's name in LEVELS, UNNAMED, or -1 outside.
        posterior: bool, same shape: behind the body's back wall.
        implants: screws or cement as hydroxyapatite of equal attenuation, or None.
    """

    spine: Volume
    frame: Volume
    owner: Tensor
    posterior: Tensor
    implants: Volume | None = None


def build_skeleton(
    person: Person, pathology: Pathology, anatomy: Anatomy, posture: Posture, generator: torch.Generator
) -> Skeleton:
    """Place all bones and give them density.

    The shell is thicker at the endplates and their rims, the posterior elements and by a smooth random field; the core
    is log-normal texture, longer along z, coarser and stronger the lower the density.

    Args:
        person: whose density and shell it has.
        pathology: fractures, osteophytes, implants, plaques and the number of vertebrae.
        anatomy: shapes of the bones.
        posture: where they stand.
        generator: source of texture; its device is the skeleton's.
    """
    device = generator.device
    spine = _canvas(_extent(anatomy, posture), SPINE_STEP_MM, device)
    for body, placement in posture.vertebrae.items():
        vertebra, name = anatomy.vertebrae[body], pathology.name_of(body)
        owner = LEVELS.index(name) if name else UNNAMED
        _splat(spine, vertebra.bone, placement, owner, vertebra.size_mm, person.posterior_factor)
        for spur in osteophyte_bones(pathology, body, vertebra.size_mm, placement):
            _splat(spine, spur, replace(placement, scale=np.ones(3)), owner, None, 1.0)
    top = posture.vertebrae[VertebralLevel.T10].centre[2] + 30
    frame = _canvas((np.array([-175.0, -150.0, -300.0]), np.array([175.0, 110.0, float(top)])), FRAME_STEP_MM, device)
    for number, bone in enumerate(anatomy.pelvis.bones):
        _splat(frame, bone, posture.pelvis if number == 0 else posture.hips, 0, None, 1.0)
    lowest = posture.vertebrae[VertebralLevel.L5]
    for bridge in sacral_bridges(pathology, lowest):
        _splat(frame, bridge, Placement(rotation=lowest.rotation, centre=lowest.centre, scale=np.ones(3)), 0, None, 1.0)
    for body, ribs in anatomy.ribs.items():
        if pathology.lumbar_count == 6 and body is VertebralLevel.T12:
            continue
        carrier = posture.vertebrae[body]
        scale = np.full(3, carrier.scale[0] * posture.rib_scale)
        loose = Placement(rotation=carrier.rotation, centre=carrier.centre, scale=scale)
        for rib in ribs:
            _splat(frame, rib, loose, 0, None, 1.0)
    core = person.vbmd_mg_cm3 / 1000
    posterior = spine.owner >= 64
    named = torch.where(posterior, spine.owner - 64, spine.owner)
    bones = _mineral(frame, max(0.9, person.shell_mm * 2.6), core * 0.8 + 0.02, generator)
    calcified = aortic_plaques(pathology, posture, bones)
    return Skeleton(
        spine=_mineral(spine, person.shell_mm * anatomy.shell_factor, core, generator),
        frame=calcified,
        owner=named,
        posterior=posterior,
        implants=implants(pathology, posture, device),
    )


def faded(skeleton: Skeleton, fraction: float) -> Skeleton:
    """The same bones with this fraction of mineral left in sacrum, hips and ribs; the spine is untouched."""
    frame = skeleton.frame
    return replace(skeleton, frame=Volume(frame.density * fraction, frame.origin_mm, frame.step_mm))


def _extent(anatomy: Anatomy, posture: Posture) -> tuple[Vector, Vector]:
    corners = np.concatenate([_corners(anatomy.vertebrae[k].bone, p) for k, p in posture.vertebrae.items()])
    return corners.min(0), corners.max(0)


def _corners(bone: Bone, placement: Placement) -> Vector:
    edges = np.array(np.meshgrid(*[[0, n - 1] for n in bone.sdf.shape], indexing="ij")).reshape(3, -1).T
    local = (bone.origin + edges * bone.step_mm - bone.centre) @ bone.axes
    return np.asarray(placement.centre + (local * placement.scale) @ placement.rotation.T)


def _canvas(extent: tuple[Vector, Vector], step: float, device: torch.device) -> _Canvas:
    low, high = extent
    shape = tuple(int(n) for n in np.ceil((high - low) / step).astype(int) + 1)
    return _Canvas(
        origin=low,
        step=step,
        distance=torch.full(shape, 9.0, device=device),
        shell=torch.ones(shape, device=device),
        owner=torch.full(shape, -1, dtype=torch.int8, device=device),
    )


def _splat(
    canvas: _Canvas,
    bone: Bone,
    placement: Placement,
    owner: int,
    body_mm: tuple[float, float, float] | None,
    posterior_factor: float,
) -> None:
    """Resample one bone into the canvas, keeping the nearest surface; owner + 64 marks posterior elements.

    Coordinates are affine in each patient axis, so they are sums of three lines and no (n, 3) point list is made.
    """
    device = canvas.distance.device
    corners = _corners(bone, placement)
    first = np.clip(np.floor((corners.min(0) - canvas.origin) / canvas.step), 0, None).astype(int)
    last = np.minimum(np.ceil((corners.max(0) - canvas.origin) / canvas.step).astype(int) + 1, canvas.distance.shape)
    if (last <= first).any():
        return
    lines = [
        torch.arange(a, b, device=device, dtype=torch.float32) * canvas.step + float(o)
        for a, b, o in zip(first, last, canvas.origin - placement.centre, strict=True)
    ]
    q = [_affine(lines, placement.rotation[:, k], 0.0) for k in range(3)]
    if body_mm is not None:
        q = _unbent(q, placement)
    scale = placement.scale
    to_index = bone.axes.T / scale[:, None] / bone.step_mm
    shift = (bone.centre - bone.origin) / bone.step_mm
    grid = torch.empty((*q[0].shape, 3), device=device)
    for axis, size in enumerate(bone.sdf.shape):
        index = q[0] * float(to_index[0, axis])
        index.add_(q[1], alpha=float(to_index[1, axis])).add_(q[2], alpha=float(to_index[2, axis]))
        torch.mul(index, 2 / (size - 1), out=grid[..., 2 - axis])
        grid[..., 2 - axis].add_(2 * float(shift[axis]) / (size - 1) - 1)
    sdf = torch.from_numpy(bone.sdf).to(device)[None, None]
    distance = functional.grid_sample(sdf, grid[None], align_corners=True, padding_mode="border")[0, 0]
    distance *= float(np.mean(scale))
    distance.masked_fill_(grid.abs().amax(-1) > 1, 9.0)
    window = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    nearer = distance < canvas.distance[window]
    canvas.distance[window] = torch.where(nearer, distance, canvas.distance[window])
    mark: Tensor | float = float(owner)
    if body_mm is not None:
        behind = q[1] > body_mm[1] / 2 * float(scale[1])
        canvas.shell[window] = torch.where(
            nearer, torch.where(behind, posterior_factor, _body_shell(q, placement)), canvas.shell[window]
        )
        mark = torch.where(behind, owner + 64.0, float(owner))
    nearer &= distance < canvas.step
    canvas.owner[window] = torch.where(nearer, mark, canvas.owner[window].float()).to(torch.int8)


def _affine(lines: list[Tensor], weights: Vector, shift: float) -> Tensor:
    x, y, z = (line * float(w) for line, w in zip(lines, weights, strict=True))
    return (x[:, None] + (y + shift)[None])[:, :, None] + z[None, None]


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
    thickness = (1 + 0.22 * patch).clamp_(0.45, 1.7).mul_(canvas.shell).mul_(shell_mm)
    inside = (0.5 - d / h).clamp_(0, 1)
    inner = (0.5 - (d + thickness) / h).clamp_(0, 1)
    texture = _texture(shape, core_g_cm3, h, generator, d.device)
    mineral = (inside - inner) * CORTICAL_G_CM3 + inner * texture * core_g_cm3
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
