"""Taking a radiograph: field and centring, exposure, projection, detector, display."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from cohort.spine import VertebraBox, VertebralLevel, View
from phantom.bones.density import Skeleton
from phantom.geometry import Geometry, Outline, Volume
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.pathology import Exposure
from phantom.variety import Variety
from phantom.xray.artefacts import finish, sample_clothing, sample_table
from phantom.xray.physics import beam_table, detect_signal, scatter_to_primary, transmission
from phantom.xray.projection import project
from phantom.xray.system import XraySystem, present

SOURCE_TO_DETECTOR_MM = 1150.0

QUANTA_MM2_UGY = 3.0e4
"""Photons a mm2 and uGy at the detector (RQA5, FACTS); 60 % of them count."""


@dataclass(frozen=True, slots=True)
class SimulatedImage:
    """One radiograph and its truth.

    Attributes:
        stored: uint16 (rows, columns), 12 bits, bright = dense.
        window: (centre, width) of the display window in stored units.
        spacing_mm: pixel size at the detector.
        kvp: tube voltage.
        boxes: ROI of T11 to S1 by the paper's rule, in pixels, cut at the border of the field.
        outlines: (n, 2) x, y in pixels of each body in `boxes` but S1.
    """

    stored: npt.NDArray[np.uint16]
    window: tuple[float, float]
    spacing_mm: float
    kvp: int
    boxes: tuple[VertebraBox, ...] = ()
    outlines: dict[VertebralLevel, Outline] = field(default_factory=dict)


def sample_field(
    view: View, tissue: SoftTissue, system: XraySystem, spacing_mm: float, variety: Variety, rng: np.random.Generator
) -> Geometry:
    """Field and centring: from a narrow lumbar strip to a wide field, aimed near L3 with a positioning error.

    Half of the AP fields of a widened variety hold a whole abdomen: T12 near the upper border, the hips at the lower.
    """
    if view is View.AP:
        detector = tissue.back_mm + rng.uniform(50, 75)
        width, height = rng.uniform(200, 350), rng.uniform(310, 425)
        aim = (rng.normal(0, 9), rng.normal(-12, 16) - (0.28 * (height - 330) if rng.random() < 0.6 else 0))
    else:
        detector = tissue.side_mm + rng.uniform(35, 60)
        width, height = rng.uniform(170, 300), rng.uniform(310, 420)
        aim = (rng.normal(8, 14), rng.normal(-12, 16))
    if variety is not Variety.NONE and view is View.AP and rng.random() < 0.5:
        top, height, width = rng.normal(105, 22), rng.uniform(330, 430), rng.uniform(270, 370)
        aim = (aim[0], float(top - height / 2))
    columns, rows = (round(min(side, system.field_mm) / spacing_mm) for side in (width, height))
    u = (torch.arange(columns) - (columns - 1) / 2) * spacing_mm
    v = -(torch.arange(rows) - (rows - 1) / 2) * spacing_mm
    return Geometry(
        view=view,
        source_mm=detector - SOURCE_TO_DETECTOR_MM,
        distance_mm=SOURCE_TO_DETECTOR_MM,
        centre_mm=aim,
        u_mm=u,
        v_mm=v,
    )


def take_radiograph(
    view: View,
    skeleton: Skeleton,
    tissue: SoftTissue,
    system: XraySystem,
    geometry: Geometry,
    exposure: Exposure,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[SimulatedImage, tuple[int, int]]:
    """The stored image without truth, and (columns, rows) by which its borders move coordinates."""
    spacing_mm, rows, columns = geometry.spacing_mm, len(geometry.v_mm), len(geometry.u_mm)
    mineral = _project_spine(skeleton.spine, geometry) + _project_coarse(skeleton.frame, geometry, 3)
    muscle = _project_coarse(tissue.muscle, geometry, 5)
    adipose = _project_coarse(tissue.adipose, geometry, 5)
    muscle = (muscle - 0.35 * mineral).clamp_min(0)
    thickness = muscle + adipose + mineral
    if skeleton.implants is not None:
        mineral = mineral + _project_spine(skeleton.implants, geometry)
    mineral = mineral + torch.from_numpy(sample_clothing(rows, columns, spacing_mm, rng)).to(mineral.device)
    muscle = muscle + torch.from_numpy(sample_table(rows, columns, rng)).to(mineral.device)
    primary = transmission(muscle, adipose, mineral, beam_table(system.kvp[view], str(mineral.device)))
    middle = float(thickness[rows // 3 : 2 * rows // 3, columns * 2 // 5 : columns * 3 // 5].mean())
    scatter = scatter_to_primary(middle, rows * columns * spacing_mm**2 / 100, system.grid)
    scatter *= float(np.exp(rng.normal(0, 0.12)))
    kerma_ugy = rng.uniform(2.5, 5.0) * (1.0 if view is View.AP else 0.7)
    if exposure is Exposure.UNDER:
        kerma_ugy *= rng.uniform(0.001, 0.008)
    magnification = SOURCE_TO_DETECTOR_MM / (SOURCE_TO_DETECTOR_MM - 60 - tissue.back_mm)
    blur_mm = float(np.hypot(system.focal_mm * (magnification - 1) / 2.35, 0.20 + abs(rng.normal(0, 0.12))))
    quanta = 0.6 * QUANTA_MM2_UGY * kerma_ugy * spacing_mm**2
    signal = detect_signal(primary, thickness, scatter, quanta, blur_mm / spacing_mm, spacing_mm, generator)
    if exposure is Exposure.OVER:
        centre = signal[rows // 3 : 2 * rows // 3, columns * 2 // 5 : columns * 3 // 5]
        signal = signal.clamp(max=float(centre.median()) * float(rng.uniform(0.75, 1.05)))
    image, window_centre, window_width = present(signal, system, spacing_mm, rng)
    stored = (image * 4095).round().to(torch.int32).cpu().numpy().astype(np.uint16)
    done = finish(stored, view, system, spacing_mm, rng)
    window = (window_centre * 4095, window_width * 4095)
    return SimulatedImage(done.stored, window, spacing_mm, system.kvp[view]), done.shift_px


def _project_coarse(volume: Volume, geometry: Geometry, factor: int) -> torch.Tensor:
    """Project at every factor-th pixel and interpolate; for volumes much coarser than the detector."""
    rows, columns = len(geometry.v_mm), len(geometry.u_mm)
    u = torch.linspace(float(geometry.u_mm[0]), float(geometry.u_mm[-1]), columns // factor + 2)
    v = torch.linspace(float(geometry.v_mm[0]), float(geometry.v_mm[-1]), rows // factor + 2)
    coarse = project(volume, replace(geometry, u_mm=u, v_mm=v))
    return torch.nn.functional.interpolate(
        coarse[None, None], size=(rows, columns), mode="bicubic", align_corners=True
    )[0, 0].clamp_min(0)


def _project_spine(volume: Volume, geometry: Geometry) -> torch.Tensor:
    """Project a fine grid on the columns that it can reach, zero elsewhere."""
    axis = geometry.across_axis
    low = volume.origin_mm[axis]
    high = low + volume.density.shape[axis] * volume.step_mm
    scale = geometry.distance_mm / (volume.origin_mm[geometry.beam_axis] - geometry.source_mm)
    left, right = ((edge - geometry.centre_mm[0]) * scale for edge in (low, high))
    wanted = (geometry.u_mm >= min(left, 0)) & (geometry.u_mm <= max(right, 0))
    out = torch.zeros(len(geometry.v_mm), len(geometry.u_mm), device=volume.density.device)
    out[:, wanted] = project(volume, replace(geometry, u_mm=geometry.u_mm[wanted]), merge=2)
    return out
