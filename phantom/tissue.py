"""Soft tissue: muscle and fat densities around the spine, with gas, lungs and liver; built in or from one CT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from cohort.errors import AnatomyError, MissingExtra
from phantom.population import Person
from phantom.projector import Volume

STEP_MM = 4.0
LOW_MM = (-236.0, -250.0, -310.0)
SHAPE = (119, 91, 134)


@dataclass(frozen=True, slots=True)
class SoftTissue:
    """Muscle and adipose density and where the skin lies.

    Attributes:
        muscle: water-like tissue, g/cm3.
        adipose: fat, g/cm3.
        back_mm: y of the back's skin at L3.
        side_mm: x of the left skin at L3.
    """

    muscle: Volume
    adipose: Volume
    back_mm: float
    side_mm: float


@dataclass(frozen=True, slots=True)
class CtTissue:
    """Soft tissue of one CT on a regular grid: fractions (2, nx, ny, nz) of muscle and fat, centred on L3."""

    densities: Tensor
    step_mm: float
    centre_mm: tuple[float, float, float]
    half_width_mm: float
    half_depth_mm: float


def body_half_axes_mm(person: Person, scatter: tuple[float, float]) -> tuple[float, float]:
    """Half lateral and half AP diameter of the abdomen.

    Source: effective diameter 0.76 BMI + 9.4 cm (Eur Radiol Exp 2018, s41747-018-0070-5); AP/lateral about 0.70.
    """
    effective = 10 * (0.76 * person.bmi_kg_m2 + 9.4)
    return effective * 1.20 / 2 * scatter[0], effective * 0.84 / 2 * scatter[1]


def draw_tissue(
    person: Person, ct: CtTissue | None, rng: np.random.Generator, generator: torch.Generator, device: torch.device
) -> SoftTissue:
    """Soft tissue of one person, half of the time from the CT where one is given."""
    half_width, half_depth = body_half_axes_mm(person, (rng.normal(1, 0.05), rng.normal(1, 0.06)))
    back = float(np.clip(0.52 * half_depth + rng.normal(14, 6), 55, 130))
    lines = [LOW_MM[a] + STEP_MM * torch.arange(SHAPE[a], device=device) for a in range(3)]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    if ct is not None and rng.random() < 0.5:
        muscle, adipose = _from_ct(ct, x, y, z, half_width, half_depth, back, rng)
    else:
        muscle, adipose = _built_in(x, y, z, half_width, half_depth, back, rng, generator)
    muscle, adipose = _add_organs(muscle, adipose, x, y, z, half_width, half_depth, back, rng)
    return SoftTissue(Volume(muscle, LOW_MM, STEP_MM), Volume(adipose, LOW_MM, STEP_MM), back, half_width)


def _soft(edge: Tensor, width: float) -> Tensor:
    """1 inside (negative distance), 0 outside, with a soft border."""
    return torch.sigmoid(-edge / width)


def _ellipse(
    x: Tensor, y: Tensor, z: Tensor, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Tensor:
    q = torch.sqrt(
        ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 + ((z - centre[2]) / radii[2]) ** 2
    )
    return (q - 1) * min(radii)


def _trunk(x: Tensor, y: Tensor, z: Tensor, a: float, b: float, middle: float) -> Tensor:
    """Signed distance to an oval trunk that widens at the hips; half axes a (lateral) and b (AP)."""
    waist = 1 + 0.04 * torch.cos((z + 20) / 90) + 0.10 * ((-z - 60) / 150).clamp(0, 1)
    return (((x.abs() / (a * waist)) ** 2.5 + ((y - middle).abs() / b) ** 2.5) ** 0.4 - 1) * min(a, b)


def _built_in(
    x: Tensor,
    y: Tensor,
    z: Tensor,
    a: float,
    b: float,
    back: float,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """An oval trunk: subcutaneous fat, a muscle wall, viscera in fat, psoas and back muscles."""
    oval = _trunk(x, y, z, a, b, back - b)
    skin = _soft(oval, 1.5)
    fat_layer = float(np.clip(rng.normal(0.16 * a, 5), 8, 45))
    inside_fat = _soft(oval + fat_layer, 2.0)
    cavity = _soft(oval + fat_layer + 14, 3.0)
    lump = functional.interpolate(
        torch.randn((1, 1, 12, 10, 14), generator=generator, device=x.device), size=x.shape, mode="trilinear"
    )[0, 0]
    viscera = (0.62 + 0.16 * lump).clamp(0.15, 1.0)
    fraction = inside_fat * (1 - cavity) + cavity * viscera
    spread = ((-z + 60) / 160).clamp(0.3, 1.2)
    for side in (-1, 1):
        psoas = _ellipse(x, y, z * 0, (side * (30 + 0.0), 2.0, 0.0), (17.0, 20.0, 1e6)) / spread
        erector = _ellipse(x, y, z * 0, (side * 34, 52.0, 0.0), (31.0, 24.0, 1e6))
        fraction = torch.maximum(fraction, _soft(psoas, 3.0))
        fraction = torch.maximum(fraction, _soft(erector, 4.0) * inside_fat)
    spine = _ellipse(x, y, z * 0, (0.0, 14.0, 0.0), (30.0, 40.0, 1e6))
    fraction = torch.maximum(fraction, _soft(spine, 5.0))
    return skin * fraction * 1.05, skin * (1 - fraction) * 0.95


def _from_ct(
    ct: CtTissue, x: Tensor, y: Tensor, z: Tensor, a: float, b: float, back: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The CT stretched to the person's trunk, mirrored half of the time."""
    sx = ct.half_width_mm / a * (-1 if rng.random() < 0.5 else 1)
    sy = ct.half_depth_mm / b
    centre = (ct.centre_mm[0], ct.centre_mm[1], ct.centre_mm[2] + rng.normal(0, 12))
    where = torch.stack((x * sx + centre[0], y * sy + centre[1], z * rng.normal(1, 0.06) + centre[2]), -1)
    size = torch.tensor([n - 1 for n in ct.densities.shape[1:]], device=x.device) * ct.step_mm
    grid = (2 * where / size - 1).flip(-1)[None]
    both = functional.grid_sample(ct.densities[None].to(x.device), grid, align_corners=True, padding_mode="reflection")[
        0
    ]
    skin = _soft(_trunk(x, y, z, a, b, back - b), 1.5)
    return both[0] * skin, both[1] * skin


def _add_organs(
    muscle: Tensor,
    adipose: Tensor,
    x: Tensor,
    y: Tensor,
    z: Tensor,
    a: float,
    b: float,
    back: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Liver on the right, lung bases at the top, bowel gas in clusters in the front half."""
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
            bubble = _ellipse(x, y, z, at, radii)
            keep = torch.minimum(keep, 1 - 0.97 * _soft(bubble, 1.8))
    return muscle * keep, adipose * keep


def with_pelvic_gas(tissue: SoftTissue, rng: np.random.Generator) -> SoftTissue:
    """The same tissue with bowel gas in front of the sacrum and the lower lumbar bodies."""
    device = tissue.muscle.density.device
    lines = [LOW_MM[a] + STEP_MM * torch.arange(SHAPE[a], device=device) for a in range(3)]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    keep = torch.ones_like(x)
    for _ in range(rng.integers(1, 9)):
        at = (rng.normal(0, 40), rng.uniform(-90, -40), rng.uniform(-190, -40))
        radii = (rng.uniform(6, 26), rng.uniform(6, 18), rng.uniform(5, 22))
        keep = torch.minimum(keep, 1 - 0.97 * _soft(_ellipse(x, y, z, at, radii), 1.8))
    volumes = [Volume(v.density * keep, LOW_MM, STEP_MM) for v in (tissue.muscle, tissue.adipose)]
    return replace(tissue, muscle=volumes[0], adipose=volumes[1])


def load_ct(folder: Path | None) -> CtTissue | None:
    """Soft tissue of `totalseg_ct` in an anatomy folder: bones and metal replaced by muscle; None without one.

    Raises:
        AnatomyError: the labels hold no L3.
        MissingExtra: nibabel is not installed.
    """
    if folder is None or not (folder / "totalseg_ct" / "example_ct.nii.gz").is_file():
        return None
    try:
        import nibabel
    except ImportError as error:
        raise MissingExtra("simulate --anatomy", "nibabel") from error
    image = nibabel.as_closest_canonical(nibabel.load(folder / "totalseg_ct" / "example_ct.nii.gz"))
    hu = np.asarray(image.dataobj, np.float32)[::-1, ::-1]
    stored = nibabel.load(folder / "totalseg_ct" / "example_seg_fast_force_split.nii.gz")
    label = np.asarray(nibabel.as_closest_canonical(stored).dataobj).astype(np.uint8)[::-1, ::-1]
    step = float(image.header.get_zooms()[0])
    third = np.argwhere(label == 29)
    if len(third) == 0:
        raise AnatomyError(f"{folder / 'totalseg_ct'}: label 29 (L3) is absent; expected TotalSegmentator labels")
    body = ndimage.binary_opening(hu > -300, iterations=2)
    parts, _ = ndimage.label(body)
    body = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    bone = np.isin(label, [*range(25, 51), 75, 76, 77, 78, *range(92, 118)]) | (hu > 180)
    bone = ndimage.binary_dilation(bone, iterations=1)
    soft = np.where(bone & body, 45.0, hu)
    soft = np.where(body, np.clip(soft, -1000, 120), -1000)
    lung = np.isin(label, [10, 11, 12, 13, 14]).sum((0, 1))
    cut = int(np.nonzero(lung > 20)[0][0]) - 1 if (lung > 20).any() else soft.shape[2]
    soft = soft[:, :, :cut]
    gas = 1 / (1 + np.exp((soft + 500) / 60))
    lean = np.clip((soft + 110) / 155, 0, 1.15)
    densities = np.stack(((1 - gas) * lean * 1.05, (1 - gas) * np.clip(1 - lean, 0, 1) * 0.95)).astype(np.float32)
    centre = third.mean(0) * step
    middle = int(third[:, 2].mean())
    wide = np.nonzero(body[:, :, middle].any(1))[0]
    deep = np.nonzero(body[:, :, middle].any(0))[0]
    return CtTissue(
        torch.from_numpy(densities),
        step,
        (float(centre[0]), float(centre[1]) - 20.0, float(centre[2])),
        float(np.ptp(wide)) * step / 2,
        float(np.ptp(deep)) * step / 2,
    )
