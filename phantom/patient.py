"""One simulated patient: bones, tissue, both radiographs, DXA and truth."""

from __future__ import annotations

from collections.abc import Sequence
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
from phantom.subject.random_streams import RandomStreams
from phantom.variety import Variety
from phantom.xray.radiograph import ImagedBody, SimulatedImage, sample_field, take_radiograph
from phantom.xray.system import XraySystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One person's bones and soft tissue."""

    person: Person
    pathology: Pathology
    anatomy: Anatomy
    posture: Posture
    skeleton: Skeleton
    tissue: SoftTissue


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPatient:
    """Radiographs, DXA and truth of one patient."""

    person: Person
    pathology: Pathology
    anatomy: str
    habitus: str
    system: XraySystem
    cobb_deg: float
    images: dict[View, SimulatedImage]
    dxa: DxaMeasurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """Bones, soft tissue and settings of all patients of a simulated hospital.

    Attributes:
        anatomies: bones to choose from.
        habitus: soft tissue to choose from.
        device: where it is computed.
        population: who comes.
        variety: how far posture, field and contrast are spread.
        spacing_mm: requested detector pixel.
    """

    anatomies: tuple[Anatomy, ...]
    habitus: Habitus
    device: torch.device
    population: PopulationConfig = DEFAULT_POPULATION
    variety: Variety = Variety.NONE
    spacing_mm: float = 0.6


def build_body(person: Person, hospital: Hospital) -> Body:
    """Bones and soft tissue of one person; deterministic in the person's seed."""
    device = hospital.device
    streams = RandomStreams(
        np.random.default_rng([person.seed, 0]), torch.Generator(device=device).manual_seed(person.seed)
    )
    anatomy = hospital.anatomies[int(streams.numbers.integers(len(hospital.anatomies)))]
    pathology = sample_pathology(person, hospital.population)
    posture = sample_posture(person, pathology, anatomy, streams.numbers, hospital.variety)
    return Body(
        person=person,
        pathology=pathology,
        anatomy=anatomy,
        posture=posture,
        skeleton=build_skeleton(person, pathology, anatomy, posture, streams.fields),
        tissue=sample_tissue(person, hospital.habitus, streams),
    )


def simulate_patient(person: Person, hospital: Hospital, systems: Sequence[XraySystem]) -> SimulatedPatient:
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
    return SimulatedPatient(
        person=person,
        pathology=body.pathology,
        anatomy=body.anatomy.name,
        habitus=body.tissue.habitus,
        system=system,
        cobb_deg=body.posture.cobb_deg,
        images={view: _image(view, body, system, hospital) for view in View},
        dxa=dxa,
    )


def scan(body: Body) -> DxaMeasurement:
    """DXA of one body."""
    rng = np.random.default_rng([body.person.seed, 4])
    return measure_dxa(body.skeleton, body.tissue, body.posture, body.pathology, body.person.sex, rng)


def _image(view: View, body: Body, system: XraySystem, hospital: Hospital) -> SimulatedImage:
    number = 0 if view is View.AP else 1
    streams = RandomStreams(
        np.random.default_rng([body.person.seed, 5 + number]),
        torch.Generator(device=hospital.device).manual_seed(body.person.seed * 2 + number),
    )
    spacing_mm = system.spacing_mm(hospital.spacing_mm)
    geometry = sample_field(view, body.tissue, system, spacing_mm, hospital.variety, streams.numbers)
    imaged = ImagedBody(body.skeleton, body.tissue, body.pathology.exposure)
    image = take_radiograph(imaged, system, geometry, streams)
    return image.with_truth(*body_truth(body.anatomy, body.posture, body.pathology, geometry))
