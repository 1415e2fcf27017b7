"""Whose soft tissue a patient is given: an oval, one real CT, or the skin surfaces of a woman and a man."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from cohort.errors import AnatomyError, MissingExtra
from phantom.meshes import TO_LPS, load_scene

L3_ABOVE_SACRUM_MM = 88.0
"""From the top of the sacrum to the centre of L3: two and a half bodies of 27 mm and two and a half discs."""

ANGLES = 72
SLICE_MM = 20.0


@dataclass(frozen=True, slots=True)
class CtTissue:
    """Soft tissue of one CT on a regular grid: fractions (2, nx, ny, nz) of muscle and fat, centred on L3."""

    densities: Tensor
    step_mm: float
    centre_mm: tuple[float, float, float]
    half_width_mm: float
    half_depth_mm: float


@dataclass(frozen=True, slots=True)
class SkinShape:
    """A trunk's outline: radius in mm (n, ANGLES) round the middle of L3's slice, one row every SLICE_MM from `low_mm`.

    Attributes:
        name: where it comes from.
        radius_mm: angles run from the left (+x) towards the back (+y).
        low_mm: height of the first row above L3's centre.
        half_width_mm, half_depth_mm: of L3's slice.
    """

    name: str
    radius_mm: Tensor
    low_mm: float
    half_width_mm: float
    half_depth_mm: float


@dataclass(frozen=True, slots=True)
class Habitus:
    """What soft tissue can be drawn from beside the built-in oval."""

    ct: CtTissue | None = None
    skins: tuple[SkinShape, ...] = ()


def load_habitus(folder: Path | None) -> Habitus:
    """The CT and the skins of an anatomy folder, each where it stands; nothing without a folder.

    Raises:
        AnatomyError: a source is there but cannot be used.
        MissingExtra: nibabel or trimesh is not installed.
    """
    if folder is None:
        return Habitus()
    source = folder / "hubmap_vh"
    skins = tuple(
        load_skin(source / f"VH_{letter}_Skin.glb", source / f"VH_{letter}_Pelvis.glb")
        for letter in "FM"
        if (source / f"VH_{letter}_Skin.glb").is_file() and (source / f"VH_{letter}_Pelvis.glb").is_file()
    )
    return Habitus(load_ct(folder), skins)


def load_skin(skin: Path, pelvis: Path) -> SkinShape:
    """Outline of the trunk from a skin surface, with L3 placed above the sacrum of the same body.

    Raises:
        AnatomyError: no sacrum, or no closed outline round the trunk.
    """
    axes, unit = TO_LPS["hubmap_vh"]
    parts = load_scene(pelvis)
    sacra = [part.vertices for name, part in parts.items() if "sacrum" in name]
    if not sacra:
        raise AnatomyError(f"{pelvis}: no part named sacrum; found {', '.join(parts)}")
    sacrum = np.concatenate(sacra) @ axes.T * unit
    third = float(sacrum[:, 2].max()) + L3_ABOVE_SACRUM_MM
    surface = next(iter(load_scene(skin).values())).copy()
    surface.vertices = surface.vertices @ axes.T * unit
    middle_x = float(sacrum[:, 0].mean())
    outline = _trunk_outline(surface, third, middle_x, skin)
    low, high = outline.min(0), outline.max(0)
    centre = (low + high) / 2
    heights = np.arange(-300.0, 241.0, SLICE_MM)
    rows = [_radii(_trunk_outline(surface, third + h, middle_x, skin) - centre) for h in heights]
    half_width, half_depth = (high - low) / 2
    radius = torch.tensor(np.stack(rows), dtype=torch.float32)
    return SkinShape(skin.stem, radius, float(heights[0]), float(half_width), float(half_depth))


def _trunk_outline(surface: object, height: float, middle_x: float, path: Path) -> np.ndarray:
    """Points (n, 2) of the largest closed loop at one height that holds the midline; legs join below the groin."""
    section = surface.section(plane_origin=[0, 0, height], plane_normal=[0, 0, 1])  # type: ignore[attr-defined]
    loops = [] if section is None else [np.asarray(line)[:, :2] for line in section.discrete]
    trunk = [p for p in loops if p[:, 0].min() < middle_x + 120 and p[:, 0].max() > middle_x - 120]
    if not trunk:
        raise AnatomyError(f"{path}: no outline of a trunk at height {height:.0f} mm; expected a closed skin")
    return np.concatenate(trunk)


def _radii(points: np.ndarray) -> np.ndarray:
    """Radius of an outline at ANGLES directions round the origin."""
    angle = np.arctan2(points[:, 1], points[:, 0])
    radius = np.hypot(points[:, 0], points[:, 1])
    order = np.argsort(angle)
    wanted = -np.pi + 2 * np.pi * np.arange(ANGLES) / ANGLES
    found = np.interp(wanted, angle[order], radius[order], period=2 * np.pi)
    return ndimage.median_filter(found, 5, mode="wrap")


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
