"""Sources of a patient's soft tissue: an oval, one real CT, or the skin surfaces of a woman and a man."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from osteolens.errors import AnatomyError, MissingExtra
from phantom.bones.anatomy import Vector
from phantom.bones.meshes import TO_LPS, Surface, cross_section, load_scene

L3_ABOVE_SACRUM_MM = 88.0
"""From the top of the sacrum to the centre of L3: two and a half bodies of 27 mm and two and a half discs."""

L3_LABEL = 29
"""L3 among TotalSegmentator's labels; one more is a level higher."""

ANGLES = 72
SLICE_MM = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CtTissue:
    """Soft tissue of one CT on a regular grid: fractions (2, nx, ny, nz) of muscle and fat, centred on L3."""

    densities: Tensor
    step_mm: float
    centre_mm: tuple[float, float, float]
    half_width_mm: float
    half_depth_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """What soft tissue can be chosen from beside the built-in oval."""

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
    stored = next(iter(load_scene(skin).values()))
    surface = Surface(stored.vertices @ axes.T * unit, stored.faces)
    middle_x = float(sacrum[:, 0].mean())
    outline = _trunk_outline(surface, third, middle_x, skin)
    low, high = outline.min(0), outline.max(0)
    centre = (low + high) / 2
    heights = np.arange(-300.0, 241.0, SLICE_MM)
    rows = [_radii(_trunk_outline(surface, third + h, middle_x, skin) - centre) for h in heights]
    half_width, half_depth = (high - low) / 2
    radius = torch.tensor(np.stack(rows), dtype=torch.float32)
    return SkinShape(
        name=skin.stem,
        radius_mm=radius,
        low_mm=float(heights[0]),
        half_width_mm=float(half_width),
        half_depth_mm=float(half_depth),
    )


def _trunk_outline(surface: Surface, height: float, middle_x: float, path: Path) -> Vector:
    """Points (n, 2) of the closed loops at one height that hold the midline; legs join below the groin."""
    loops = cross_section(surface, height)
    trunk = [p for p in loops if p[:, 0].min() < middle_x + 120 and p[:, 0].max() > middle_x - 120]
    if not trunk:
        raise AnatomyError(f"{path}: no outline of a trunk at height {height:.0f} mm; expected a closed skin")
    return np.concatenate(trunk)


def _radii(points: Vector) -> Vector:
    """Radius of an outline at ANGLES directions round the origin."""
    angle = np.arctan2(points[:, 1], points[:, 0])
    radius = np.hypot(points[:, 0], points[:, 1])
    order = np.argsort(angle)
    directions = -np.pi + 2 * np.pi * np.arange(ANGLES) / ANGLES
    radii = np.interp(directions, angle[order], radius[order], period=2 * np.pi)
    return ndimage.median_filter(radii, 5, mode="wrap")


@dataclass(frozen=True, slots=True)
class LabelledCt:
    """A CT in patient axes (x left, y back, z head) with TotalSegmentator's labels.

    Attributes:
        hu: float32 (nx, ny, nz), Hounsfield units.
        label: uint8, same shape; 26 S1, 27 to 31 L5 to L1, 32 T12, 33 T11, 79 spinal canal.
        inside: bool, same shape: the patient without the table.
        step_mm: voxel edge.
    """

    hu: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]
    step_mm: float

    @property
    def third_lumbar(self) -> npt.NDArray[np.float64]:
        """Middle of L3 in voxels."""
        return np.asarray(np.argwhere(self.label == L3_LABEL).mean(0))


def read_ct(ct: Path, labels: Path) -> LabelledCt:
    """A CT and its labels on the same isotropic grid.

    Raises:
        AnatomyError: unreadable, another grid, or no L3 among the labels.
        MissingExtra: nibabel is not installed.
    """
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError as error:
        raise MissingExtra("simulate", "nibabel") from error
    try:
        image, stored = (nibabel.as_closest_canonical(nibabel.load(path)) for path in (ct, labels))
    except (OSError, ImageFileError) as error:
        raise AnatomyError(f"{ct} and {labels}: cannot be read as NIfTI ({error})") from error
    steps = np.array(image.header.get_zooms()[:3])
    if image.shape != stored.shape or np.ptp(steps) > 0.01 * steps.mean():
        raise AnatomyError(
            f"{ct}: grid {image.shape} of {steps} mm, labels {stored.shape}; expected one isotropic grid for both"
        )
    hu = np.asarray(image.dataobj, np.float32)[::-1, ::-1]
    label = np.asarray(stored.dataobj).astype(np.uint8)[::-1, ::-1]
    if not (label == L3_LABEL).any():
        raise AnatomyError(f"{labels}: label {L3_LABEL} (L3) is absent; expected TotalSegmentator labels")
    body = ndimage.binary_opening(hu > -300, iterations=2)
    parts, _ = ndimage.label(body)
    body = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return LabelledCt(hu, label, body, float(image.header.get_zooms()[0]))


def soft_densities(hu: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Muscle and fat density (2, nx, ny, nz) in g/cm3 of voxels without bone."""
    gas = 1 / (1 + np.exp((hu + 500) / 60))
    lean = np.clip((hu + 110) / 155, 0, 1.15)
    return np.stack(((1 - gas) * lean * 1.05, (1 - gas) * np.clip(1 - lean, 0, 1) * 0.95)).astype(np.float32)


def load_ct(folder: Path | None) -> CtTissue | None:
    """Soft tissue of `totalseg_ct` in an anatomy folder: bones and metal replaced by muscle; None without one.

    Raises:
        AnatomyError: the CT cannot be used.
        MissingExtra: nibabel is not installed.
    """
    if folder is None or not (folder / "totalseg_ct" / "example_ct.nii.gz").is_file():
        return None
    source = folder / "totalseg_ct"
    ct = read_ct(source / "example_ct.nii.gz", source / "example_seg_fast_force_split.nii.gz")
    bone = np.isin(ct.label, [*range(25, 51), 75, 76, 77, 78, *range(92, 118)]) | (ct.hu > 180)
    bone = ndimage.binary_dilation(bone, iterations=1)
    soft = np.where(bone & ct.inside, 45.0, ct.hu)
    soft = np.where(ct.inside, np.clip(soft, -1000, 120), -1000)
    lung = np.isin(ct.label, [10, 11, 12, 13, 14]).sum((0, 1))
    cut = int(np.nonzero(lung > 20)[0][0]) - 1 if (lung > 20).any() else soft.shape[2]
    densities = soft_densities(soft[:, :, :cut])
    centre = ct.third_lumbar * ct.step_mm
    half_width, half_depth = half_size_mm(ct)
    return CtTissue(
        densities=torch.from_numpy(densities),
        step_mm=ct.step_mm,
        centre_mm=(float(centre[0]), float(centre[1]) - 20.0, float(centre[2])),
        half_width_mm=half_width,
        half_depth_mm=half_depth,
    )


def half_size_mm(ct: LabelledCt) -> tuple[float, float]:
    """Half width and half depth of the patient at L3."""
    middle = ct.inside[:, :, int(ct.third_lumbar[2])]
    wide, deep = (np.nonzero(middle.any(axis))[0] for axis in (1, 0))
    return float(np.ptp(wide)) * ct.step_mm / 2, float(np.ptp(deep)) * ct.step_mm / 2
