"""Bones into density: signed distances placed in the patient, cortical shell, trabecular core with texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cohort.spine import LEVELS, VertebralLevel
from phantom.bones.anatomy import Anatomy
from phantom.bones.canvas import Canvas, canvas_of, extent_of, splat
from phantom.bones.osteophytes_and_implants import aortic_plaques, implants, osteophyte_bones, sacral_bridges
from phantom.bones.placement import Placement
from phantom.bones.posture import Posture
from phantom.geometry import Volume
from phantom.subject.pathology import Pathology
from phantom.subject.population import Person

CORTICAL_G_CM3 = 1.15
"""Mineral of the porous thin shell, hydroxyapatite."""

SPINE_STEP_MM = 1.0
FRAME_STEP_MM = 2.0

TEXTURE = 96
"""Voxels along each side of the tile of texture."""

UNNAMED = len(LEVELS)
"""Owner of a vertebra that has no name, such as the sixth lumbar one."""


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
    spine = canvas_of(extent_of(anatomy, posture), SPINE_STEP_MM, device)
    for body, placement in posture.vertebrae.items():
        vertebra, name = anatomy.vertebrae[body], pathology.name_of(body)
        owner = LEVELS.index(name) if name else UNNAMED
        splat(spine, vertebra.bone, placement, owner, vertebra.size_mm, person.posterior_factor)
        for spur in osteophyte_bones(pathology, body, vertebra.size_mm, placement):
            splat(spine, spur, replace(placement, scale=np.ones(3)), owner, None, 1.0)
    top = posture.vertebrae[VertebralLevel.T10].centre[2] + 30
    frame = canvas_of((np.array([-175.0, -150.0, -300.0]), np.array([175.0, 110.0, float(top)])), FRAME_STEP_MM, device)
    for number, bone in enumerate(anatomy.pelvis.bones):
        splat(frame, bone, posture.pelvis if number == 0 else posture.hips, 0, None, 1.0)
    lowest = posture.vertebrae[VertebralLevel.L5]
    for bridge in sacral_bridges(pathology, lowest):
        splat(frame, bridge, Placement(rotation=lowest.rotation, centre=lowest.centre, scale=np.ones(3)), 0, None, 1.0)
    for body, ribs in anatomy.ribs.items():
        if pathology.lumbar_count == 6 and body is VertebralLevel.T12:
            continue
        carrier = posture.vertebrae[body]
        scale = np.full(3, carrier.scale[0] * posture.rib_scale)
        loose = Placement(rotation=carrier.rotation, centre=carrier.centre, scale=scale)
        for rib in ribs:
            splat(frame, rib, loose, 0, None, 1.0)
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


def _mineral(canvas: Canvas, shell_mm: float, core_g_cm3: float, generator: torch.Generator) -> Volume:
    """Shell with partial volume around a textured core, hydroxyapatite g/cm3."""
    d, h = canvas.distance, canvas.step
    shape = tuple(d.shape)
    patch = functional.interpolate(
        torch.randn(_coarse(shape, h), generator=generator, device=d.device),
        size=shape,
        mode="trilinear",
        align_corners=True,
    )
    texture = _texture(core_g_cm3, h, generator, d.device)
    bone = torch.nonzero(d.flatten() < 0.5 * h).flatten()
    distance = d.flatten()[bone]
    thickness = (1 + 0.22 * patch.flatten()[bone]).clamp_(0.45, 1.7).mul_(canvas.shell.flatten()[bone]).mul_(shell_mm)
    inside = (0.5 - distance / h).clamp_(0, 1)
    inner = (0.5 - (distance + thickness) / h).clamp_(0, 1)
    core = texture[tuple(place % TEXTURE for place in torch.unravel_index(bone, shape))]
    mineral = torch.zeros_like(d)
    mineral.view(-1)[bone] = (inside - inner) * CORTICAL_G_CM3 + inner * core * core_g_cm3
    x, y, z = (float(v) for v in canvas.origin)
    return Volume(mineral, (x, y, z), h)


def _coarse(shape: tuple[int, ...], step: float) -> tuple[int, ...]:
    return (1, 1, *[max(2, int(n * step / 9)) for n in shape])


def _texture(core_g_cm3: float, step: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """Log-normal trabecular modulation of mean 1, a tile of TEXTURE voxels a side; plates along z that coarsen as
    density falls."""
    n = TEXTURE
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
    return field / field.mean()
