"""One simulated patient: bones, tissue, both radiographs, DXA and truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from cohort.roi import roi_boxes
from cohort.spine import DETECTED_LEVELS, LEVELS, VertebraBox, VertebralLevel, View
from cohort.study import DxaResult
from phantom.anatomy import Anatomy, Vector
from phantom.dxa import measure_dxa, posterior_share
from phantom.machine import Machine, present
from phantom.physics import beam_table, detect_signal, transmission
from phantom.population import Person
from phantom.posture import Posture, Variety, draw_posture
from phantom.projector import Geometry, Volume, project
from phantom.skeleton import Skeleton, build_skeleton, faded
from phantom.tissue import CtTissue, SoftTissue, draw_tissue, with_pelvic_gas

SOURCE_TO_DETECTOR_MM = 1150.0


@dataclass(frozen=True, slots=True)
class SimulatedImage:
    """One radiograph and its truth.

    Attributes:
        stored: uint16 (rows, columns), 12 bits, bright = dense.
        window: (centre, width) of the display window in stored units.
        spacing_mm: pixel size at the detector.
        kvp: tube voltage.
        boxes: ROI of T11 to S1 by the paper's rule, in pixels, clipped to no border.
    """

    stored: npt.NDArray[np.uint16]
    window: tuple[float, float]
    spacing_mm: float
    kvp: int
    boxes: tuple[VertebraBox, ...]


@dataclass(frozen=True, slots=True)
class SimulatedPatient:
    """Everything the simulated hospital knows of one patient."""

    person: Person
    anatomy: str
    images: dict[View, SimulatedImage]
    dxa: DxaResult
    posterior_share: float


def simulate_patient(
    person: Person,
    anatomies: tuple[Anatomy, ...],
    ct: CtTissue | None,
    machine: Machine,
    spacing_mm: float,
    device: torch.device,
    variety: Variety = Variety.USUAL,
) -> SimulatedPatient:
    """Image one person in both views and measure DXA on the same bones; deterministic in the person's seed."""
    rng = np.random.default_rng(person.seed)
    generator = torch.Generator(device=device).manual_seed(person.seed)
    anatomy = anatomies[int(rng.integers(len(anatomies)))]
    posture = draw_posture(person, anatomy, rng, variety)
    skeleton = build_skeleton(person, anatomy, posture, generator, device)
    tissue = draw_tissue(person, ct, rng, generator, device)
    if variety is Variety.FAINT:
        fading = np.random.default_rng([person.seed, 3])
        skeleton = faded(skeleton, float(fading.uniform(0.25, 1.0)))
        tissue = with_pelvic_gas(tissue, fading)
    images = {}
    for view in View:
        geometry = _geometry(view, tissue, spacing_mm, rng)
        if variety is not Variety.USUAL and view is View.AP:
            geometry = _abdominal_field(geometry, spacing_mm, np.random.default_rng([person.seed, 2]))
        images[view] = _image(view, anatomy, posture, skeleton, tissue, machine, geometry, rng, generator)
    return SimulatedPatient(
        person, anatomy.name, images, measure_dxa(skeleton, person.sex, rng), posterior_share(skeleton)
    )


def _geometry(view: View, tissue: SoftTissue, spacing_mm: float, rng: np.random.Generator) -> Geometry:
    """Field and centring: from a narrow lumbar strip to a whole abdomen, aimed near L3 with a positioning error."""
    if view is View.AP:
        detector = tissue.back_mm + rng.uniform(50, 75)
        width, height = rng.uniform(200, 350), rng.uniform(310, 425)
        aim = (rng.normal(0, 9), rng.normal(-12, 16) - (0.28 * (height - 330) if rng.random() < 0.6 else 0))
    else:
        detector = tissue.side_mm + rng.uniform(35, 60)
        width, height = rng.uniform(170, 300), rng.uniform(310, 420)
        aim = (rng.normal(8, 14), rng.normal(-12, 16))
    columns, rows = round(width / spacing_mm), round(height / spacing_mm)
    u = (torch.arange(columns) - (columns - 1) / 2) * spacing_mm
    v = -(torch.arange(rows) - (rows - 1) / 2) * spacing_mm
    axis = 1 if view is View.AP else 0
    return Geometry(axis, detector - SOURCE_TO_DETECTOR_MM, SOURCE_TO_DETECTOR_MM, aim, u, v)


def _abdominal_field(geometry: Geometry, spacing_mm: float, rng: np.random.Generator) -> Geometry:
    """Half of the time a whole abdomen instead: T12 near the upper border, the hips at the lower one."""
    if rng.random() < 0.5:
        return geometry
    top, height, width = rng.normal(105, 22), rng.uniform(330, 430), rng.uniform(270, 370)
    columns, rows = round(width / spacing_mm), round(height / spacing_mm)
    u = (torch.arange(columns) - (columns - 1) / 2) * spacing_mm
    v = -(torch.arange(rows) - (rows - 1) / 2) * spacing_mm
    return replace(geometry, centre_mm=(geometry.centre_mm[0], float(top - height / 2)), u_mm=u, v_mm=v)


def _image(
    view: View,
    anatomy: Anatomy,
    posture: Posture,
    skeleton: Skeleton,
    tissue: SoftTissue,
    machine: Machine,
    geometry: Geometry,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> SimulatedImage:
    spacing_mm = geometry.spacing_mm
    mineral = _project_spine(skeleton, geometry) + _project_coarse(skeleton.frame, geometry, 3)
    muscle = _project_coarse(tissue.muscle, geometry, 5)
    adipose = _project_coarse(tissue.adipose, geometry, 5)
    muscle = (muscle - 0.35 * mineral).clamp_min(0)
    beam = beam_table(machine.kvp[view], str(mineral.device))
    primary = transmission(muscle, adipose, mineral, beam)
    ratio = rng.uniform(0.4, 0.65) if view is View.AP else rng.uniform(0.7, 1.2)
    quanta = rng.uniform(2500, 6000) * (spacing_mm / 0.3) ** 2 * (1.0 if view is View.AP else 0.6)
    signal = detect_signal(
        primary, muscle + adipose + mineral, ratio, quanta, rng.uniform(0.25, 0.45) / spacing_mm, spacing_mm, generator
    )
    image, centre, width = present(signal, machine, spacing_mm)
    stored = (image * 4095).round().to(torch.int32).cpu().numpy().astype(np.uint16)
    boxes = _truth(anatomy, posture, geometry, view, spacing_mm)
    return SimulatedImage(stored, (centre * 4095, width * 4095), spacing_mm, machine.kvp[view], boxes)


def _project_coarse(volume: Volume, geometry: Geometry, factor: int) -> torch.Tensor:
    """Project at every factor-th pixel and interpolate; for volumes much coarser than the detector."""
    rows, columns = len(geometry.v_mm), len(geometry.u_mm)
    u = torch.linspace(float(geometry.u_mm[0]), float(geometry.u_mm[-1]), columns // factor + 2)
    v = torch.linspace(float(geometry.v_mm[0]), float(geometry.v_mm[-1]), rows // factor + 2)
    coarse = project(
        volume, Geometry(geometry.beam_axis, geometry.source_mm, geometry.distance_mm, geometry.centre_mm, u, v)
    )
    return torch.nn.functional.interpolate(
        coarse[None, None], size=(rows, columns), mode="bicubic", align_corners=True
    )[0, 0].clamp_min(0)


def _project_spine(skeleton: Skeleton, geometry: Geometry) -> torch.Tensor:
    """Project the fine grid on the columns that it can reach, zero elsewhere."""
    volume = skeleton.spine
    axis = geometry.across_axis
    low = volume.origin_mm[axis]
    high = low + volume.density.shape[axis] * volume.step_mm
    near = volume.origin_mm[geometry.beam_axis] - geometry.source_mm
    scale = geometry.distance_mm / near
    reach = sorted(((edge - geometry.centre_mm[0]) * scale) for edge in (low, high))
    wanted = (geometry.u_mm >= min(reach[0], 0)) & (geometry.u_mm <= max(reach[1], 0))
    strip = Geometry(
        geometry.beam_axis,
        geometry.source_mm,
        geometry.distance_mm,
        geometry.centre_mm,
        geometry.u_mm[wanted],
        geometry.v_mm,
    )
    out = torch.zeros(len(geometry.v_mm), len(geometry.u_mm), device=volume.density.device)
    out[:, wanted] = project(volume, strip)
    return out


def _truth(
    anatomy: Anatomy, posture: Posture, geometry: Geometry, view: View, spacing_mm: float
) -> tuple[VertebraBox, ...]:
    outlines: dict[VertebralLevel, Vector] = {}
    for level, placement in posture.vertebrae.items():
        points = anatomy.vertebrae[level].body_points
        pixels = geometry.project_points(torch.from_numpy(placement.to_patient(points.copy())).float())
        outlines[level] = pixels.numpy().astype(np.float64)
    half_width, half_depth = np.array(anatomy.pelvis.endplate_mm) / 2
    corners = np.array(
        [[x, y, z] for x in (-half_width, half_width) for y in (-half_depth, half_depth) for z in (0.0, -27.0)]
    )
    corners[corners[:, 2] < -1, 1] *= 0.75
    corners[corners[:, 2] < -1, 0] *= 0.85
    pixels = geometry.project_points(torch.from_numpy(posture.pelvis.to_patient(corners)).float())
    outlines[VertebralLevel.S1] = pixels.numpy().astype(np.float64)
    boxes = roi_boxes({k: outlines[k] for k in LEVELS}, (spacing_mm, spacing_mm))
    rows, columns = len(geometry.v_mm), len(geometry.u_mm)
    kept = []
    for box in boxes:
        seen = max(0.0, min(box.x1, columns) - max(box.x0, 0)) * max(0.0, min(box.y1, rows) - max(box.y0, 0))
        if box.level in DETECTED_LEVELS and seen >= 0.75 * (box.x1 - box.x0) * (box.y1 - box.y0):
            kept.append(
                VertebraBox(box.level, max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, columns), min(box.y1, rows))
            )
    return tuple(kept)
