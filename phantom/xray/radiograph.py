"""One radiograph of a patient: field and centring, exposure, projection, detector, display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cohort.spine import VertebraBox, VertebralLevel, View
from phantom.bones.density import Skeleton
from phantom.geometry import Geometry, Outline, Volume
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.pathology import Exposure
from phantom.subject.random_streams import RandomStreams
from phantom.variety import Variety
from phantom.xray.artefacts import finish, sample_clothing, sample_table
from phantom.xray.display import present
from phantom.xray.physics import Acquisition, beam_table, detect_signal, scatter_to_primary, transmission
from phantom.xray.projection import project
from phantom.xray.system import XraySystem

SOURCE_TO_DETECTOR_MM = 1150.0

QUANTA_MM2_UGY = 3.0e4
"""Photons a mm2 and uGy at the detector (RQA5, FACTS); 60 % of them count."""


@dataclass(frozen=True, slots=True)
class ImagedBody:
    """One body in the beam, and its exposure."""

    skeleton: Skeleton
    tissue: SoftTissue
    exposure: Exposure = Exposure.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedImage:
    """One radiograph and its truth.

    Attributes:
        stored: uint16 (rows, columns), 12 bits, bright = dense.
        window: (centre, width) of the display window in stored units.
        spacing_mm: pixel size at the detector.
        kvp: tube voltage.
        shift_px: (columns, rows) by which kept borders move the field's coordinates.
        boxes: ROI of T11 to S1 by the paper's rule, in pixels, cut at the border of the field.
        outlines: (n, 2) x, y in pixels of each body in `boxes` but S1.
    """

    stored: npt.NDArray[np.uint16]
    window: tuple[float, float]
    spacing_mm: float
    kvp: int
    shift_px: tuple[int, int] = (0, 0)
    boxes: tuple[VertebraBox, ...] = ()
    outlines: dict[VertebralLevel, Outline] = field(default_factory=dict)

    def with_truth(
        self, boxes: Sequence[VertebraBox], outlines: Mapping[VertebralLevel, Outline] = MappingProxyType({})
    ) -> SimulatedImage:
        """The same image with boxes and outlines of the field, moved by the image's borders."""
        shift = np.array(self.shift_px, np.float32)
        return replace(
            self,
            boxes=tuple(box.moved(*self.shift_px) for box in boxes),
            outlines={level: line + shift for level, line in outlines.items()},
        )


def sample_field(
    view: View, tissue: SoftTissue, system: XraySystem, spacing_mm: float, variety: Variety, rng: np.random.Generator
) -> Geometry:
    """Field and centring: from a narrow lumbar strip to a wide field, aimed near L3 with a positioning error.

    Half of the AP fields of a widened variety hold a whole abdomen: T12 near the upper border, the hips at the lower.

    Args:
        view: AP or lateral.
        tissue: whose skin the detector stays clear of.
        system: whose detector bounds the field.
        spacing_mm: pixel size at the detector.
        variety: how far fields are spread.
        rng: source of size and aim.
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


def take_radiograph(body: ImagedBody, system: XraySystem, geometry: Geometry, streams: RandomStreams) -> SimulatedImage:
    """The stored image of a body, without truth.

    Args:
        body: bones, soft tissue and exposure.
        system: tube, detector and display processing.
        geometry: view, field and centring.
        streams: source of clothing, exposure, noise, display and borders.
    """
    view, spacing_mm, rng = geometry.view, geometry.spacing_mm, streams.numbers
    layers = projected_layers(body, geometry, rng)
    primary = transmission(
        layers.muscle, layers.adipose, layers.mineral, beam_table(system.kvp[view], str(layers.mineral.device))
    )
    acquisition = sample_acquisition(body, system, geometry, layers.thickness, rng)
    signal = detect_signal(primary, layers.thickness, acquisition, streams.fields)
    if body.exposure is Exposure.OVER:
        signal = signal.clamp(max=float(_middle(signal).median()) * float(rng.uniform(0.75, 1.05)))
    displayed = present(signal, system, spacing_mm, rng)
    stored = (displayed.unit * 4095).round().to(torch.int32).cpu().numpy().astype(np.uint16)
    finished = finish(stored, view, system, spacing_mm, rng)
    centre, width = displayed.window
    return SimulatedImage(
        stored=finished.stored,
        window=(centre * 4095, width * 4095),
        spacing_mm=spacing_mm,
        kvp=system.kvp[view],
        shift_px=finished.shift_px,
    )


class Layers(NamedTuple):
    """Areal densities (rows, columns) in g/cm2; the thickness is the patient's, without metal, clothing and table."""

    muscle: Tensor
    adipose: Tensor
    mineral: Tensor
    thickness: Tensor


def projected_layers(body: ImagedBody, geometry: Geometry, rng: np.random.Generator) -> Layers:
    """Areal densities of the patient, of metal, and in some images of clothing and a table's edge.

    Args:
        body: bones and soft tissue.
        geometry: view, field and centring.
        rng: source of clothing and table.
    """
    skeleton, tissue = body.skeleton, body.tissue
    mineral = _project_spine(skeleton.spine, geometry) + _project_coarse(skeleton.frame, geometry, 3)
    muscle = _project_coarse(tissue.muscle, geometry, 5)
    adipose = _project_coarse(tissue.adipose, geometry, 5)
    muscle = (muscle - 0.35 * mineral).clamp_min(0)
    thickness = muscle + adipose + mineral
    if skeleton.implants is not None:
        mineral = mineral + _project_spine(skeleton.implants, geometry)
    clothing = sample_clothing(geometry.shape, geometry.spacing_mm, rng)
    mineral = mineral + torch.from_numpy(clothing).to(mineral.device)
    muscle = muscle + torch.from_numpy(sample_table(geometry.shape, rng)).to(mineral.device)
    return Layers(muscle, adipose, mineral, thickness)


def _middle(image: Tensor) -> Tensor:
    """The part of an image where the spine is."""
    rows, columns = image.shape
    return image[rows // 3 : 2 * rows // 3, columns * 2 // 5 : columns * 3 // 5]


def sample_acquisition(
    body: ImagedBody, system: XraySystem, geometry: Geometry, thickness: Tensor, rng: np.random.Generator
) -> Acquisition:
    """Scatter, quanta and blur of one exposure; lateral images are taken with less at the detector.

    Args:
        body: whose back sets the magnification, and whose exposure may be poor.
        system: grid and focal spot.
        geometry: view and field.
        thickness: (H, W) of the patient in g/cm2.
        rng: source of scatter, exposure and blur.
    """
    spacing_mm, (rows, columns) = geometry.spacing_mm, geometry.shape
    scatter = scatter_to_primary(float(_middle(thickness).mean()), rows * columns * spacing_mm**2 / 100, system.grid)
    scatter *= float(np.exp(rng.normal(0, 0.12)))
    kerma_ugy = rng.uniform(2.5, 5.0) * (1.0 if geometry.view is View.AP else 0.7)
    if body.exposure is Exposure.UNDER:
        kerma_ugy *= rng.uniform(0.001, 0.008)
    magnification = SOURCE_TO_DETECTOR_MM / (SOURCE_TO_DETECTOR_MM - 60 - body.tissue.back_mm)
    blur_mm = float(np.hypot(system.focal_mm * (magnification - 1) / 2.35, 0.20 + abs(rng.normal(0, 0.12))))
    return Acquisition(
        scatter_to_primary=scatter,
        quanta=0.6 * QUANTA_MM2_UGY * kerma_ugy * spacing_mm**2,
        blur_px=blur_mm / spacing_mm,
        spacing_mm=spacing_mm,
    )


def _project_coarse(volume: Volume, geometry: Geometry, factor: int) -> Tensor:
    """Project at every factor-th pixel and interpolate; for volumes much coarser than the detector."""
    rows, columns = geometry.shape
    u = torch.linspace(float(geometry.u_mm[0]), float(geometry.u_mm[-1]), columns // factor + 2)
    v = torch.linspace(float(geometry.v_mm[0]), float(geometry.v_mm[-1]), rows // factor + 2)
    coarse = project(volume, replace(geometry, u_mm=u, v_mm=v))
    return torch.nn.functional.interpolate(
        coarse[None, None], size=(rows, columns), mode="bicubic", align_corners=True
    )[0, 0].clamp_min(0)


def _project_spine(volume: Volume, geometry: Geometry) -> Tensor:
    """Project a fine grid on the columns that it can reach, zero elsewhere."""
    axis = geometry.across_axis
    low = volume.origin_mm[axis]
    high = low + volume.density.shape[axis] * volume.step_mm
    scale = geometry.distance_mm / (volume.origin_mm[geometry.beam_axis] - geometry.source_mm)
    left, right = ((edge - geometry.centre_mm[0]) * scale for edge in (low, high))
    reached = (geometry.u_mm >= min(left, 0)) & (geometry.u_mm <= max(right, 0))
    out = torch.zeros(geometry.shape, device=volume.density.device)
    out[:, reached] = project(volume, replace(geometry, u_mm=geometry.u_mm[reached]), merge=2)
    return out
