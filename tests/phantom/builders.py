"""Small bodies, views and volumes that several tests of the phantom build."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from cohort.spine import View
from phantom.bones.anatomy import Anatomy
from phantom.bones.builtin import procedural_anatomy
from phantom.bones.density import Skeleton, build_skeleton
from phantom.bones.posture import Posture, sample_posture
from phantom.geometry import Geometry, Volume
from phantom.patient import Hospital, SimulatedPatient, simulate_patient
from phantom.soft_tissue.habitus import Habitus
from phantom.subject.pathology import Pathology
from phantom.subject.population import Person, sample_person
from phantom.variety import Variety
from phantom.xray.system import SYSTEMS, SimulatedSite

ANATOMY: Anatomy = procedural_anatomy()

CT_STEP_MM = 4.0
BODY_VOXELS = (11, 7, 7)
PITCH_VOXELS = 9
"""Voxel, size and distance of the blocks of the test's CT."""


def hospital(spacing_mm: float = 0.6) -> Hospital:
    """A hospital with the built-in anatomy on the CPU."""
    return Hospital(anatomies=(ANATOMY,), habitus=Habitus(), device=torch.device("cpu"), spacing_mm=spacing_mm)


def simulated(person: Person, spacing_mm: float = 1.2) -> SimulatedPatient:
    """A patient of the training site."""
    with torch.inference_mode():
        return simulate_patient(person, hospital(spacing_mm), SYSTEMS[SimulatedSite.TRAINING])


def stand(pathology: Pathology, index: int = 1) -> Posture:
    """The posture of one person with given findings."""
    return sample_posture(sample_person(index, 5), pathology, ANATOMY, np.random.default_rng(3), Variety.NONE)


@lru_cache(maxsize=4)
def plain_bones() -> Skeleton:
    """The skeleton without findings, built once; not to be changed."""
    return bones(Pathology(), stand(Pathology()))


def bones(pathology: Pathology, posture: Posture | None = None) -> Skeleton:
    """The skeleton of one person with given findings."""
    generator = torch.Generator().manual_seed(0)
    return build_skeleton(sample_person(1, 5), pathology, ANATOMY, posture or stand(pathology), generator)


def wide_view(view: View) -> Geometry:
    """A field that holds the whole spine."""
    line = (torch.arange(420) - 209.5) * 1.2
    return Geometry(view=view, source_mm=-1000.0, distance_mm=1150.0, centre_mm=(0.0, -10.0), u_mm=line, v_mm=-line)


def view_geometry(view: View = View.AP, pixels: int = 81, pitch: float = 2.0) -> Geometry:
    """A square field centred on the origin."""
    line = (torch.arange(pixels) - (pixels - 1) / 2) * pitch
    return Geometry(view=view, source_mm=-1000.0, distance_mm=1150.0, centre_mm=(0.0, 0.0), u_mm=line, v_mm=-line)


def sphere(radius: float, density: float, step: float = 2.0, centre: tuple[float, float, float] = (0, 0, 0)) -> Volume:
    """A ball of even density with a soft border."""
    line = torch.arange(-60, 60 + step, step)
    x, y, z = torch.meshgrid(line, line, line, indexing="ij")
    distance = torch.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    return Volume(density * (0.5 - (distance - radius) / step).clamp(0, 1), (-60.0, -60.0, -60.0), step)
