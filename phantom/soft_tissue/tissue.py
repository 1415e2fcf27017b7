"""Soft tissue: muscle and fat densities around the spine, with gas, lungs and liver; built in or from one CT."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phantom.geometry import Volume
from phantom.soft_tissue.habitus import SLICE_MM, CtTissue, Habitus, SkinShape
from phantom.subject.population import Person
from phantom.subject.random_streams import RandomStreams

STEP_MM = 4.0
LOW_MM = (-236.0, -250.0, -310.0)
SHAPE = (119, 91, 134)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTissue:
    """Muscle and adipose density and where the skin lies.

    Attributes:
        muscle: water-like tissue, g/cm3.
        adipose: fat, g/cm3.
        back_mm: y of the back's skin at L3.
        side_mm: x of the left skin at L3.
        habitus: whose shape it has.
    """

    muscle: Volume
    adipose: Volume
    back_mm: float
    side_mm: float
    habitus: str = "oval"


def body_half_axes_mm(person: Person, scatter: tuple[float, float]) -> tuple[float, float]:
    """Half lateral and half AP diameter of the abdomen.

    Source: effective diameter 0.76 BMI + 9.4 cm (Eur Radiol Exp 2018, s41747-018-0070-5); AP/lateral about 0.70.
    """
    effective = 10 * (0.76 * person.bmi_kg_m2 + 9.4)
    return effective * 1.20 / 2 * scatter[0], effective * 0.84 / 2 * scatter[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trunk:
    """Grid and trunk: coordinates (nx, ny, nz) in mm, half axes, back's skin, and the skin's shape or None."""

    x: Tensor
    y: Tensor
    z: Tensor
    a: float = 0.0
    b: float = 0.0
    back: float = 0.0
    skin: SkinShape | None = None


def sample_tissue(person: Person, habitus: Habitus, streams: RandomStreams) -> SoftTissue:
    """Soft tissue of one person: the oval, a given skin or the CT, each about as often as the others."""
    rng = streams.numbers
    half_width, half_depth = body_half_axes_mm(person, (rng.normal(1, 0.05), rng.normal(1, 0.06)))
    back = float(np.clip(0.52 * half_depth + rng.normal(14, 6), 55, 130))
    x, y, z = _grid(streams.device)
    choices: list[CtTissue | SkinShape | None] = [None, *habitus.skins]
    if habitus.ct is not None:
        choices += [habitus.ct] * max(1, len(habitus.skins))
    chosen = choices[int(rng.integers(len(choices)))]
    skin = chosen if isinstance(chosen, SkinShape) else None
    trunk = _Trunk(x=x, y=y, z=z, a=half_width, b=half_depth, back=back, skin=skin)
    if isinstance(chosen, CtTissue):
        muscle, adipose, name = *_from_ct(chosen, trunk, rng), "ct"
    else:
        muscle, adipose, name = *_built_in(trunk, streams), chosen.name if chosen else "oval"
    muscle, adipose = _add_organs(muscle, adipose, trunk, streams)
    return SoftTissue(
        muscle=Volume(muscle, LOW_MM, STEP_MM),
        adipose=Volume(adipose, LOW_MM, STEP_MM),
        back_mm=back,
        side_mm=half_width,
        habitus=name,
    )


def _grid(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    lines = [LOW_MM[a] + STEP_MM * torch.arange(SHAPE[a], device=device) for a in range(3)]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    return x, y, z


def _hollow(keep: Tensor, t: _Trunk, at: tuple[float, ...], radii: tuple[float, ...]) -> None:
    """Take a gas bubble out of what is kept, in place, near the bubble alone."""
    window = []
    for axis in range(3):
        reach = radii[axis] * (1 + 14.0 / min(radii))
        first = (at[axis] - reach - LOW_MM[axis]) / STEP_MM
        last = (at[axis] + reach - LOW_MM[axis]) / STEP_MM
        window.append(slice(max(0, int(first)), max(0, int(last) + 2)))
    part = tuple(window)
    bubble = _ellipse(t.x[part], t.y[part], t.z[part], at, radii)
    keep[part] = torch.minimum(keep[part], 1 - 0.97 * _soft(bubble, 1.8))


def _soft(edge: Tensor, width: float) -> Tensor:
    """1 inside (negative distance), 0 outside, with a soft border."""
    return torch.sigmoid(-edge / width)


def _ellipse(x: Tensor, y: Tensor, z: Tensor, centre: tuple[float, ...], radii: tuple[float, ...]) -> Tensor:
    q = torch.sqrt(
        ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 + ((z - centre[2]) / radii[2]) ** 2
    )
    return (q - 1) * min(radii)


def _skin_distance(t: _Trunk) -> Tensor:
    """Signed distance to the trunk's skin: the given shape stretched to size, or an oval that widens at the hips."""
    middle = t.back - t.b
    if t.skin is None:
        waist = 1 + 0.04 * torch.cos((t.z + 20) / 90) + 0.10 * ((-t.z - 60) / 150).clamp(0, 1)
        return (((t.x.abs() / (t.a * waist)) ** 2.5 + ((t.y - middle).abs() / t.b) ** 2.5) ** 0.4 - 1) * min(t.a, t.b)
    x, y = t.x[:, :, 0] * (t.skin.half_width_mm / t.a), (t.y[:, :, 0] - middle) * (t.skin.half_depth_mm / t.b)
    radius = t.skin.radius_mm.to(t.x.device)
    turn = (torch.atan2(y, x) + np.pi) / (2 * np.pi)
    height = (t.z[0, 0] - t.skin.low_mm) / (SLICE_MM * (len(radius) - 1))
    around = torch.cat((radius, radius[:, :1]), 1)[None, None]
    shape = (*turn.shape, len(height))
    where = torch.stack((turn[..., None].expand(shape), height.expand(shape)), -1) * 2 - 1
    skin_radius = functional.grid_sample(around, where.flatten(0, 1)[None], align_corners=True, padding_mode="border")
    return (torch.hypot(x, y)[..., None] / skin_radius.reshape(shape) - 1) * min(t.a, t.b)


def _built_in(t: _Trunk, streams: RandomStreams) -> tuple[Tensor, Tensor]:
    """A trunk filled in: subcutaneous fat, a muscle wall, viscera in fat, kidneys, psoas and back muscles."""
    rng = streams.numbers
    x, y, z = t.x, t.y, t.z
    oval = _skin_distance(t)
    skin = _soft(oval, 1.5)
    fat_layer = float(np.clip(rng.normal(0.16 * t.a, 5), 8, 45))
    inside_fat = _soft(oval + fat_layer, 2.0)
    cavity = _soft(oval + fat_layer + 14, 3.0)
    lump = functional.interpolate(
        torch.randn((1, 1, 12, 10, 14), generator=streams.fields, device=x.device), size=x.shape, mode="trilinear"
    )[0, 0]
    viscera = (0.62 + 0.16 * lump).clamp(0.15, 1.0)
    fraction = inside_fat * (1 - cavity) + cavity * viscera
    spread = ((-z + 60) / 160).clamp(0.3, 1.2)
    for side in (-1, 1):
        psoas = _ellipse(x, y, z * 0, (side * (30 + 0.0), 2.0, 0.0), (17.0, 20.0, 1e6)) / spread
        erector = _ellipse(x, y, z * 0, (side * 34, 52.0, 0.0), (31.0, 24.0, 1e6))
        fraction = torch.maximum(fraction, _soft(psoas, 3.0))
        fraction = torch.maximum(fraction, _soft(erector, 4.0) * inside_fat)
        kidney = _ellipse(x, y, z, (side * 62.0, 28.0, 22.0 + 8 * side + rng.normal(0, 9)), (25.0, 21.0, 53.0))
        fraction = torch.maximum(fraction, _soft(kidney, 3.0))
    spine = _ellipse(x, y, z * 0, (0.0, 14.0, 0.0), (30.0, 40.0, 1e6))
    fraction = torch.maximum(fraction, _soft(spine, 5.0))
    return skin * fraction * 1.05, skin * (1 - fraction) * 0.95


def _from_ct(ct: CtTissue, t: _Trunk, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The CT stretched to the person's trunk, mirrored half of the time."""
    sx = ct.half_width_mm / t.a * (-1 if rng.random() < 0.5 else 1)
    sy = ct.half_depth_mm / t.b
    centre = (ct.centre_mm[0], ct.centre_mm[1], ct.centre_mm[2] + rng.normal(0, 12))
    where = torch.stack((t.x * sx + centre[0], t.y * sy + centre[1], t.z * rng.normal(1, 0.06) + centre[2]), -1)
    size = torch.tensor([n - 1 for n in ct.densities.shape[1:]], device=t.x.device) * ct.step_mm
    grid = (2 * where / size - 1).flip(-1)[None]
    densities = ct.densities[None].to(t.x.device)
    both = functional.grid_sample(densities, grid, align_corners=True, padding_mode="reflection")[0]
    skin = _soft(_skin_distance(t), 1.5)
    return both[0] * skin, both[1] * skin


def _add_organs(muscle: Tensor, adipose: Tensor, t: _Trunk, streams: RandomStreams) -> tuple[Tensor, Tensor]:
    """Liver on the right, lung bases at the top, bowel gas in clusters in the front half, stool in the colon."""
    rng = streams.numbers
    x, y, z, a, b, back = t.x, t.y, t.z, t.a, t.b, t.back
    front = back - 1.35 * b
    side = 1 if rng.random() < 0.03 else -1
    liver = _ellipse(x, y, z, (side * 0.45 * a, back - b, 85 + rng.normal(0, 15)), (0.42 * a, 0.7 * b, 70.0))
    inside = _soft(liver, 4.0) * ((muscle + adipose) > 0.5)
    muscle, adipose = torch.maximum(muscle, inside * 1.07), adipose * (1 - inside)
    keep = torch.ones_like(muscle)
    base = rng.normal(128, 22)
    for lung in (-1, 1):
        dome = _ellipse(
            x, y, z, (lung * 0.48 * a, back - 0.9 * b, base + 190 + rng.normal(0, 6)), (0.40 * a, 0.80 * b, 190.0)
        )
        keep = torch.minimum(keep, 1 - 0.72 * _soft(dome, 3.0))
    for _ in range(rng.integers(2, 9)):
        cx, cz = rng.uniform(-0.62 * a, 0.62 * a), rng.uniform(-190, 90)
        cy = front + rng.normal(0, 0.12 * b)
        for _ in range(rng.integers(1, 6)):
            at = (cx + rng.normal(0, 22), cy + rng.normal(0, 12), cz + rng.normal(0, 18))
            radii = (rng.uniform(6, 24), rng.uniform(6, 20), rng.uniform(6, 24))
            _hollow(keep, t, at, radii)
    keep = keep * _stool(t, front, streams)
    return muscle * keep, adipose * keep


def _stool(t: _Trunk, front: float, streams: RandomStreams) -> Tensor:
    """Mottled gas in parts of the colon along the flanks and across: what is left of the density, (nx, ny, nz)."""
    rng = streams.numbers
    keep = torch.ones_like(t.x)
    speckle = torch.rand(t.x.shape, generator=streams.fields, device=t.x.device)
    speckle = functional.avg_pool3d(speckle[None, None], 3, 1, 1)[0, 0]
    for _ in range(rng.integers(0, 4)):
        side = rng.choice([-0.62, 0.62, 0.0], p=[0.45, 0.35, 0.20])
        at = (side * t.a + rng.normal(0, 8), front + rng.normal(20, 12), rng.uniform(-150, 30) if side else 45.0)
        radii = (rng.uniform(16, 26), rng.uniform(16, 24), rng.uniform(30, 70))
        part = _soft(_ellipse(t.x, t.y, t.z, at, radii), 2.5)
        keep = torch.minimum(keep, 1 - part * ((speckle - 0.47) * 6).clamp(0, 0.85))
    return keep


def with_pelvic_gas(tissue: SoftTissue, rng: np.random.Generator) -> SoftTissue:
    """The same tissue with bowel gas in front of the sacrum and the lower lumbar bodies."""
    device = tissue.muscle.density.device
    x, y, z = _grid(device)
    grid = _Trunk(x=x, y=y, z=z)
    keep = torch.ones_like(grid.x)
    for _ in range(rng.integers(1, 9)):
        at = (rng.normal(0, 40), rng.uniform(-90, -40), rng.uniform(-190, -40))
        radii = (rng.uniform(6, 26), rng.uniform(6, 18), rng.uniform(5, 22))
        _hollow(keep, grid, at, radii)
    volumes = [Volume(v.density * keep, LOW_MM, STEP_MM) for v in (tissue.muscle, tissue.adipose)]
    return replace(tissue, muscle=volumes[0], adipose=volumes[1])
