"""Simulation of single patients in several processes."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import torch
from pydicom.uid import generate_uid

from cohort.covariates import Sex
from cohort.spine import VertebralLevel
from osteolens.allocator import keep_freed_memory
from osteolens.processes import end_with_parent, spawn_context
from phantom.bones.anatomy import Anatomy
from phantom.bones.meshes import load_anatomies
from phantom.patient import Hospital, SimulatedPatient, build_body, scan, simulate_patient
from phantom.plan import SimulationPlan
from phantom.records import PatientRecord, PatientRow, image_record, write_record
from phantom.soft_tissue.habitus import Habitus, load_habitus
from phantom.subject.population import YoungAdult, sample_person
from phantom.xray.dicom import StudyHeader, write_radiographs
from phantom.xray.drawn_systems import systems_of
from phantom.xray.system import SimulatedSite

_LOADED: dict[Path | None, tuple[tuple[Anatomy, ...], Habitus]] = {}
"""Bones and soft tissue by their folder, for `load_sources`."""

AHEAD = 8
"""Tasks by which each process works ahead."""

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PatientTask:
    """One patient to simulate and write."""

    plan: SimulationPlan
    index: int
    site: SimulatedSite


@dataclass(frozen=True, slots=True)
class ScanTask:
    """One young adult to scan."""

    plan: SimulationPlan
    index: int
    age_years: float
    sex: Sex


def in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Results in order, from processes of one thread each; a single job stays in this process.

    Processes work ahead of who takes the results by `AHEAD` tasks each, so that results that lie on the disk do not
    fill it.
    """
    if jobs == 1 or len(tasks) < 2:
        keep_freed_memory()
        for task in tasks:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                result = function(task)
            finally:
                torch.set_num_threads(threads)  # who takes the result has all of them
            yield result
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), spawn_context(), _start, (pickle.dumps(_LOADED),)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _start(loaded: bytes) -> None:
    """Begin a process with one thread and the parent's bones, which take seconds to build; it ends with the parent."""
    end_with_parent()
    keep_freed_memory()
    torch.set_num_threads(1)
    _LOADED.update(pickle.loads(loaded))


def load_sources(anatomy: Path | None) -> tuple[tuple[Anatomy, ...], Habitus]:
    """Bones and soft tissue to choose from; those of the last folder are kept.

    Raises:
        AnatomyError: the folder cannot be used.
        MissingExtra: a package that reads it is not installed.
    """
    if anatomy not in _LOADED:
        sources = load_anatomies(anatomy), load_habitus(anatomy)
        _LOADED.clear()
        _LOADED[anatomy] = sources
    return _LOADED[anatomy]


def simulate_and_write(task: PatientTask) -> None:
    """Simulate one patient and write its folder; patient.json comes last."""
    plan = task.plan
    person = sample_person(task.index, plan.seed, plan.options.population)
    systems = systems_of(task.site, plan.options.drawn_systems, plan.seed)
    with torch.inference_mode():
        patient = simulate_patient(person, _hospital(plan), systems)
    folder = plan.out / person.patient_id
    folder.mkdir(parents=True, exist_ok=True)
    header = StudyHeader(
        patient_id=person.patient_id,
        study_uid=generate_uid(entropy_srcs=[person.patient_id, "study"]),
        study_date=date(2020, 1, 1) + timedelta(days=person.seed % 700),
        system=patient.system,
        person=person,
    )
    write_radiographs(folder, header, patient.images)
    images = {view: image_record(view, image, person.seed) for view, image in patient.images.items()}
    write_record(PatientRecord(row=_row(patient, header, task.site), images=images), folder)


def scan_young_adult(task: ScanTask) -> YoungAdult:
    """DXA of one young adult, without radiographs."""
    plan = task.plan
    seed = plan.seed + 90000 + (task.sex is Sex.MALE)
    person = sample_person(task.index, seed, plan.options.population, task.age_years, task.sex)
    with torch.inference_mode():
        measurement = scan(build_body(person, _hospital(plan)))
    return YoungAdult(
        sex=task.sex,
        age_years=person.age_years,
        vbmd_mg_cm3=round(person.vbmd_mg_cm3, 1),
        bmd_g_cm2=measurement.result.bmd_g_cm2,
    )


def _hospital(plan: SimulationPlan) -> Hospital:
    anatomies, habitus = load_sources(plan.options.anatomy)
    return Hospital(
        anatomies=anatomies,
        habitus=habitus,
        device=torch.device(plan.options.device),
        population=plan.options.population,
        variety=plan.options.variety,
        spacing_mm=plan.options.spacing_mm,
    )


def _row(patient: SimulatedPatient, header: StudyHeader, site: SimulatedSite) -> PatientRow:
    person, measurement, pathology = patient.person, patient.dxa, patient.pathology
    dxa = measurement.result
    by_level = dxa.t_score_by_level
    return PatientRow(
        patient_id=person.patient_id,
        study_uid=header.study_uid,
        site=site,
        machine=patient.system.name,
        study_date=header.study_date,
        age_years=person.age_years,
        sex=person.sex,
        height_cm=person.height_cm,
        weight_kg=person.weight_kg,
        menopause_age_years=person.menopause_age_years,
        t_score=dxa.t_score,
        bmd_g_cm2=dxa.bmd_g_cm2,
        t_score_L1=by_level.get(VertebralLevel.L1),
        t_score_L2=by_level.get(VertebralLevel.L2),
        t_score_L3=by_level.get(VertebralLevel.L3),
        t_score_L4=by_level.get(VertebralLevel.L4),
        dxa_date=header.study_date + timedelta(days=person.dxa_interval_days),
        dxa_reference=dxa.reference,
        implant=pathology.implant,
        fracture_grade=pathology.fracture_grade,
        fractures=" ".join(
            f"{pathology.name_of(body) or 'L6'}:{deformity.kind}:{deformity.loss:.2f}"
            for body, deformity in pathology.fractures
        ),
        cobb_deg=round(patient.cobb_deg, 1),
        exposure=pathology.exposure,
        lumbar_count=pathology.lumbar_count,
        sacralised=round(pathology.sacralised, 2),
        osteophytes=len(pathology.osteophytes),
        aortic_plaques=len(pathology.plaques),
        vbmd_mg_cm3=round(person.vbmd_mg_cm3, 1),
        shell_mm=round(person.shell_mm, 4),
        posterior_factor=round(person.posterior_factor, 4),
        bone_size=round(person.size, 4),
        true_bmd_g_cm2=round(measurement.true_bmd_g_cm2, 4),
        posterior_share=round(measurement.posterior_fraction, 3),
        anatomy=patient.anatomy,
        habitus=patient.habitus,
    )
