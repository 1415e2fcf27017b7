"""One simulated patient: bones, tissue, both radiographs, DXA and truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from cohort.spine import View
from phantom.bones.anatomy import Anatomy
from phantom.bones.density import Skeleton, build_skeleton, faded
from phantom.bones.posture import Posture, sample_posture
from phantom.dxa import DxaMeasurement, measure_dxa
from phantom.ground_truth import body_truth
from phantom.soft_tissue.habitus import Habitus
from phantom.soft_tissue.tissue import SoftTissue, sample_tissue, with_pelvic_gas
from phantom.subject.pathology import Pathology, sample_pathology
from phantom.subject.population import DEFAULT_POPULATION, Person, PopulationConfig
from phantom.variety import Variety
from phantom.xray.radiograph import SimulatedImage, sample_field, take_radiograph
from phantom.xray.system import XraySystem


@dataclass(frozen=True, slots=True)
class Body:
    """What is imaged: one person's bones and soft tissue."""

    person: Person
    pathology: Pathology
    anatomy: Anatomy
    posture: Posture
    skeleton: Skeleton
    tissue: SoftTissue


@dataclass(frozen=True, slots=True)
class SimulatedPatient:
    """Everything the simulated hospital knows of one patient."""

    person: Person
    pathology: Pathology
    anatomy: str
    habitus: str
    system: XraySystem
    cobb_deg: float
    images: dict[View, SimulatedImage]
    dxa: DxaMeasurement


@dataclass(frozen=True, slots=True)
class Hospital:
    """What all patients of a simulated hospital share.

    Attributes:
        anatomies: bones to draw from.
        habitus: soft tissue to draw from.
        device: where it is computed.
        population: who comes.
        variety: how widely posture, field and contrast are drawn.
        spacing_mm: wanted detector pixel.
    """

    anatomies: tuple[Anatomy, ...]
    habitus: Habitus
    device: torch.device
    population: PopulationConfig = DEFAULT_POPULATION
    variety: Variety = Variety.NONE
    spacing_mm: float = 0.6


def build_body(person: Person, hospital: Hospital) -> Body:
    """Bones and soft tissue of one person; deterministic in the person's seed."""
    rng, device = np.random.default_rng([person.seed, 0]), hospital.device
    generator = torch.Generator(device=device).manual_seed(person.seed)
    anatomy = hospital.anatomies[int(rng.integers(len(hospital.anatomies)))]
    pathology = sample_pathology(person, hospital.population)
    posture = sample_posture(person, pathology, anatomy, rng, hospital.variety)
    skeleton = build_skeleton(person, pathology, anatomy, posture, generator, device)
    tissue = sample_tissue(person, hospital.habitus, rng, generator, device)
    return Body(person, pathology, anatomy, posture, skeleton, tissue)


def simulate_patient(person: Person, hospital: Hospital, systems: tuple[XraySystem, ...]) -> SimulatedPatient:
    """Image one person in both views on one of the systems and measure DXA on the same bones."""
    body = build_body(person, hospital)
    dxa = scan(body)
    if hospital.variety is Variety.FADED:
        fading = np.random.default_rng([person.seed, 3])
        body = replace(
            body,
            skeleton=faded(body.skeleton, float(fading.uniform(0.25, 1.0))),
            tissue=with_pelvic_gas(body.tissue, fading),
        )
    system = systems[person.seed % len(systems)]
    images = {view: _image(view, body, system, hospital) for view in View}
    return SimulatedPatient(
        person, body.pathology, body.anatomy.name, body.tissue.habitus, system, body.posture.cobb_deg, images, dxa
    )


def scan(body: Body) -> DxaMeasurement:
    """DXA of one body."""
    rng = np.random.default_rng([body.person.seed, 4])
    return measure_dxa(body.skeleton, body.tissue, body.posture, body.pathology, body.person.sex, rng)


def _image(view: View, body: Body, system: XraySystem, hospital: Hospital) -> SimulatedImage:
    seed = [body.person.seed, 5 if view is View.AP else 6]
    rng = np.random.default_rng(seed)
    generator = torch.Generator(device=hospital.device).manual_seed(body.person.seed * 2 + seed[1] - 5)
    spacing_mm = system.spacing_mm(hospital.spacing_mm)
    geometry = sample_field(view, body.tissue, system, spacing_mm, hospital.variety, rng)
    image, (right, down) = take_radiograph(
        view, body.skeleton, body.tissue, system, geometry, body.pathology.exposure, rng, generator
    )
    boxes, outlines = body_truth(body.anatomy, body.posture, body.pathology, geometry)
    moved = tuple(box.moved(right, down) for box in boxes)
    shift = np.array([right, down], np.float32)
    return replace(image, boxes=moved, outlines={level: line + shift for level, line in outlines.items()})
