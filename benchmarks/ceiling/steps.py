"""Crops of the bodies of one simulated patient at every step from bone to display."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from classify.config import PreprocessSpec
from classify.crop import roi_corners
from cohort.covariates import Sex
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from osteolens.atomic import whole_file
from phantom.geometry import Geometry
from phantom.ground_truth import body_truth
from phantom.patient import Body, Hospital, build_body, scan
from phantom.plan import SimulationPlan
from phantom.processes import load_sources
from phantom.subject.population import sample_person
from phantom.subject.random_streams import RandomStreams
from phantom.variety import Variety
from phantom.xray.display import present
from phantom.xray.drawn_systems import drawn_systems
from phantom.xray.physics import beam_table, detect_signal, scattered_signal, transmission
from phantom.xray.radiograph import ImagedBody, Layers, projected_layers, sample_acquisition, sample_field
from phantom.xray.system import SYSTEMS, XraySystem

SPACING_MM = 0.6
"""Detector pixel."""

SIDE = 48
"""Pixels along each side of a crop."""

PHYSICS = ("mineral", "attenuation", "scatter", "noise")
"""Steps before a display: areal density of bone alone; noise-free logarithm of the primary signal; with scatter and
blur; with quantum noise."""

SHIPPED = tuple({system.name: system for systems in SYSTEMS.values() for system in systems}.values())
"""Displays of training (A, B, E) and of the test sites (C, D)."""

DRAWN, DRAWN_OF_PATIENT = 64, 2
"""Systems drawn by parameters, and how many of them show each patient."""

DRAWN_STEPS = tuple(f"drawn {k}" for k in range(DRAWN_OF_PATIENT))
STEPS = (*PHYSICS, *(system.name for system in SHIPPED), *DRAWN_STEPS)

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class StepsTask:
    """One patient, and the file to write."""

    plan: SimulationPlan
    index: int

    @property
    def path(self) -> Path:
        """Of the patient's crops."""
        return self.plan.out / f"{self.index:05}.npz"


def write_steps(task: StepsTask) -> None:
    """Simulate a patient and write the crops (steps, views, levels, SIDE, SIDE), DXA and what the oracle is given.

    A patient with a level outside a field is written as empty.
    """
    person = sample_person(task.index, task.plan.seed, task.plan.options.population)
    anatomies, habitus = load_sources(task.plan.options.anatomy)
    hospital = Hospital(anatomies=anatomies, habitus=habitus, device=torch.device("cpu"))
    with torch.inference_mode():
        body = build_body(person, hospital)
        result = scan(body).result
        views = [_of_view(view, body) for view in View]
    known = [person.age_years, float(person.sex is Sex.MALE), person.bmi_kg_m2]
    bones = [person.vbmd_mg_cm3, person.shell_mm, person.size]
    shown = [view for view in views if view is not None]
    crops = np.stack(shown, 1) if len(shown) == len(views) else np.zeros(0)
    with whole_file(task.path) as unfinished, unfinished.open("wb") as stream:
        np.savez(
            stream, crops=crops.astype(np.float16), t_score=np.float64(result.t_score or np.nan), covariates=known,
            bones=bones,
        )  # fmt: skip


def _of_view(view: View, body: Body) -> Floats | None:
    """Crops (steps, levels, SIDE, SIDE) of one view; every step has the same field."""
    seed, number = body.person.seed, list(View).index(view)
    rng = np.random.default_rng([seed, 5 + number])
    geometry = sample_field(view, body.tissue, SHIPPED[0], SPACING_MM, Variety.NONE, rng)
    boxes, _ = body_truth(body.anatomy, body.posture, body.pathology, geometry)
    if not set(TARGET_LEVELS) <= {box.level for box in boxes} or any(_cut(box, geometry.shape) for box in boxes):
        return None
    imaged = ImagedBody(body.skeleton, body.tissue, body.pathology.exposure)
    layers = projected_layers(imaged, geometry, rng)
    kvp = SHIPPED[0].kvp[view]
    primary = transmission(layers.muscle, layers.adipose, layers.mineral, beam_table(kvp))
    acquisition = sample_acquisition(imaged, SHIPPED[0], geometry, layers.thickness, np.random.default_rng([seed, 30]))
    noise = torch.Generator().manual_seed(seed * 2 + number)
    scattered = scattered_signal(primary, layers.thickness, acquisition)
    signal = detect_signal(primary, layers.thickness, acquisition, noise)
    images = [layers.mineral, *(-torch.log(step.clamp_min(1e-8)) for step in (primary, scattered, signal))]
    drawn = drawn_systems(DRAWN, 0)
    systems = [*SHIPPED, *(drawn[(seed * DRAWN_OF_PATIENT + k) % DRAWN] for k in range(DRAWN_OF_PATIENT))]
    for place, system in enumerate(systems):
        streams = RandomStreams(
            np.random.default_rng([seed, 31, number, place]),
            torch.Generator().manual_seed(seed * 64 + place * 2 + number),
        )
        images.append(_displayed(view, imaged, layers, system, geometry, streams))
    target = tuple(box for box in boxes if box.level in TARGET_LEVELS)
    places = roi_corners(geometry.shape, SpineDetection(view, target, geometry.shape), PreprocessSpec(roi="vertebra"))
    return np.stack([[_crop(image.numpy(), corners) for corners in places] for image in images])


def _cut(box: VertebraBox, shape: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = box.corners
    return box.level in TARGET_LEVELS and (x0 <= 0 or y0 <= 0 or x1 >= shape[1] - 1 or y1 >= shape[0] - 1)


def _displayed(
    view: View, imaged: ImagedBody, layers: Layers, system: XraySystem, geometry: Geometry, streams: RandomStreams
) -> Tensor:
    """An image as a system's window shows it, in [0, 1]."""
    primary = transmission(layers.muscle, layers.adipose, layers.mineral, beam_table(system.kvp[view]))
    acquisition = sample_acquisition(imaged, system, geometry, layers.thickness, streams.numbers)
    signal = detect_signal(primary, layers.thickness, acquisition, streams.fields)
    shown = present(signal, system, geometry.spacing_mm, streams.numbers)
    centre, width = shown.window
    return ((shown.unit - centre) / width + 0.5).clamp(0, 1)


def _crop(image: Floats, corners: tuple[float, float, float, float]) -> Floats:
    """A rectangle resampled to SIDE x SIDE."""
    x0, y0, x1, y1 = corners
    part = image[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))].astype(np.float32)
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
