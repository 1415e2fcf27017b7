"""Simulate a cohort and write it as a hospital's folder: DICOM DX and tables; resumable, in several processes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from pydicom.uid import generate_uid

from cohort.covariates import Sex
from cohort.in_silico import IN_SILICO_NOTICE
from cohort.spine import VertebraBox, View
from osteolens.errors import ConfigError
from phantom.bones.anatomy import Anatomy
from phantom.bones.meshes import load_anatomies
from phantom.patient import Hospital, SimulatedPatient, build_body, scan, simulate_patient
from phantom.readers import sample_reader_rois
from phantom.soft_tissue.habitus import Habitus, load_habitus
from phantom.subject.population import DEFAULT_POPULATION, PopulationConfig, sample_person
from phantom.tables import write_tables
from phantom.variety import Variety
from phantom.xray.dicom import radiograph_dataset
from phantom.xray.radiograph import SimulatedImage
from phantom.xray.system import SYSTEMS

YOUNG_YEARS = (20.0, 40.0)
"""Ages of the young adults whose areal BMD checks the simulator against the DXA reference."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        out: cohort folder.
        patients: number of patients; with counts in `site` it must be their sum.
        seed: seed of the cohort; another seed is another population.
        site: one of SYSTEMS, "mixed" for all in turn, or counts such as "training:2000,test1:300".
        spacing_mm: wanted detector pixel; each system bins its own elements to about it.
        anatomy: folder of meshes, or None for the built-in anatomy.
        device: torch device.
        variety: USUAL draws people as they are, WIDE and FAINT further apart, to train a detector on.
        jobs: processes, each with one thread, so that their number changes no bit.
        population: who comes to the hospital.
    """

    out: Path
    patients: int
    seed: int = 0
    site: str = "mixed"
    spacing_mm: float = 0.6
    anatomy: Path | None = None
    device: str = "cpu"
    variety: Variety = Variety.NONE
    jobs: int = 1
    population: PopulationConfig = DEFAULT_POPULATION


def simulate_cohort(plan: SimulationPlan, done: Callable[[int], None] = lambda _: None) -> int:
    """Simulate and write every patient that is not written yet; returns how many were simulated now.

    A patient counts as written once its `patient.json` stands, so an interrupted run goes on where it stopped.

    Raises:
        ConfigError: unknown site, no patients, or a folder of another plan.
        AnatomyError: the anatomy folder cannot be used.
    """
    sites = assign_sites(plan)
    _loaded(plan.anatomy)
    _claim_folder(plan)
    open_tasks = [
        (plan, index, site)
        for index, site in enumerate(sites)
        if not (plan.out / sample_person(index, plan.seed, plan.population).patient_id / "patient.json").is_file()
    ]
    stood = len(sites) - len(open_tasks)
    done(stood)
    for number, _ in enumerate(_mapped(_simulate_one, open_tasks, plan.jobs), start=1):
        done(stood + number)
    write_tables(plan.out)
    return len(open_tasks)


def young_adults(
    plan: SimulationPlan, count: int, done: Callable[[int], None] = lambda _: None
) -> list[dict[str, Any]]:
    """DXA alone of `count` women and as many men of 20 to 40 years: sex, age_years, vbmd_mg_cm3, bmd_g_cm2."""
    ages = [YOUNG_YEARS[0] + (YOUNG_YEARS[1] - YOUNG_YEARS[0]) * (k + 0.5) / count for k in range(count)]
    tasks = [(plan, k, ages[k], sex) for sex in Sex for k in range(count)]
    rows = []
    for number, row in enumerate(_mapped(_scan_one, tasks, plan.jobs), start=1):
        rows.append(row)
        done(number)
    return rows


def assign_sites(plan: SimulationPlan) -> list[str]:
    """The site of every patient of a plan.

    Raises:
        ConfigError: unknown site, no patients, counts that do not add up, no process, or an absurd pixel.
    """
    if plan.patients < 1 or not 0.1 <= plan.spacing_mm <= 2.0 or plan.jobs < 1:
        raise ConfigError(
            f"simulate: got {plan.patients} patients at {plan.spacing_mm} mm in {plan.jobs} processes; "
            "expected >= 1, 0.1-2.0 mm and >= 1"
        )
    names: list[str] = []
    for part in plan.site.split(","):
        name, colon, count = part.strip().partition(":")
        if name not in SYSTEMS and not (name == "mixed" and not colon):
            known = ", ".join(SYSTEMS)
            raise ConfigError(f"site {name!r} is unknown; choose mixed, one of {known}, or counts such as training:200")
        if colon and not count.isdigit():
            raise ConfigError(f"site {part!r}: expected a count after the colon, such as {name}:200")
        if name == "mixed":
            names += [list(SYSTEMS)[k % len(SYSTEMS)] for k in range(plan.patients)]
        else:
            names += [name] * (int(count) if colon else plan.patients)
    if len(names) != plan.patients:
        raise ConfigError(
            f"site {plan.site!r} names {len(names)} patients, --patients {plan.patients}; make them agree"
        )
    return names


def _mapped(function: Callable[[Any], Any], tasks: list[Any], jobs: int) -> Iterator[Any]:
    """Results in order, from processes of one thread each; a single job stays in this process."""
    if jobs == 1 or len(tasks) < 2:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(function, tasks)
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(function, tasks)


@lru_cache(maxsize=1)
def _loaded(folder: Path | None) -> tuple[tuple[Anatomy, ...], Habitus]:
    return load_anatomies(folder), load_habitus(folder)


def _hospital(plan: SimulationPlan) -> Hospital:
    anatomies, habitus = _loaded(plan.anatomy)
    return Hospital(anatomies, habitus, torch.device(plan.device), plan.population, plan.variety, plan.spacing_mm)


def _simulate_one(task: tuple[SimulationPlan, int, str]) -> None:
    plan, index, site = task
    person = sample_person(index, plan.seed, plan.population)
    with torch.inference_mode():
        patient = simulate_patient(person, _hospital(plan), SYSTEMS[site])
    _write_patient(plan.out / person.patient_id, patient, site)


def _scan_one(task: tuple[SimulationPlan, int, float, Sex]) -> dict[str, Any]:
    plan, index, age_years, sex = task
    person = sample_person(index, plan.seed + 90000 + (sex is Sex.MALE), plan.population, age_years, sex)
    with torch.inference_mode():
        dxa = scan(build_body(person, _hospital(plan)))
    return {
        "sex": str(sex),
        "age_years": person.age_years,
        "vbmd_mg_cm3": round(person.vbmd_mg_cm3, 1),
        "bmd_g_cm2": dxa.result.bmd_g_cm2,
    }


def _claim_folder(plan: SimulationPlan) -> None:
    stated = {
        "notice": IN_SILICO_NOTICE,
        "seed": plan.seed,
        "site": plan.site,
        "spacing_mm": plan.spacing_mm,
        "variety": str(plan.variety),
        "anatomies": "built-in" if plan.anatomy is None else "built-in and meshes",
        "population": plan.population.model_dump(),
    }
    path = plan.out / "simulation.json"
    if path.is_file():
        found = json.loads(path.read_text())
        if found != stated:
            raise ConfigError(
                f"{path}: found a cohort of {found}, expected {stated}; give another --out or the same settings"
            )
        return
    plan.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stated, indent=1))


def _write_patient(folder: Path, patient: SimulatedPatient, site: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    person, dxa, pathology = patient.person, patient.dxa.result, patient.pathology
    study_uid = generate_uid(entropy_srcs=[person.patient_id, "study"])
    study_date = date(2020, 1, 1) + timedelta(days=person.seed % 700)
    for view, image in patient.images.items():
        dataset = radiograph_dataset(person.patient_id, view, image, patient.system, study_uid, study_date, person)
        dataset.save_as(folder / f"{view}.dcm", enforce_file_format=True)
    row = {
        "patient_id": person.patient_id,
        "study_uid": study_uid,
        "site": site,
        "machine": patient.system.name,
        "study_date": study_date.isoformat(),
        "age_years": person.age_years,
        "sex": str(person.sex),
        "height_cm": person.height_cm,
        "weight_kg": person.weight_kg,
        "menopause_age_years": person.menopause_age_years,
        "t_score": dxa.t_score,
        "bmd_g_cm2": dxa.bmd_g_cm2,
        **{f"t_score_{level}": value for level, value in dxa.t_score_by_level.items()},
        "dxa_date": (study_date + timedelta(days=person.dxa_interval_days)).isoformat(),
        "dxa_reference": dxa.reference,
        "implant": str(pathology.implant),
        "fracture_grade": pathology.fracture_grade,
        "fractures": " ".join(
            f"{pathology.name_of(body) or 'L6'}:{deformity.kind}:{deformity.loss:.2f}"
            for body, deformity in pathology.fractures
        ),
        "cobb_deg": round(patient.cobb_deg, 1),
        "exposure": str(pathology.exposure),
        "lumbar_count": pathology.lumbar_count,
        "sacralised": round(pathology.sacralised, 2),
        "osteophytes": len(pathology.osteophytes),
        "aortic_plaques": len(pathology.plaques),
        "vbmd_mg_cm3": round(person.vbmd_mg_cm3, 1),
        "shell_mm": round(person.shell_mm, 4),
        "posterior_factor": round(person.posterior_factor, 4),
        "bone_size": round(person.size, 4),
        "true_bmd_g_cm2": round(patient.dxa.true_bmd_g_cm2, 4),
        "posterior_share": round(patient.dxa.posterior_share, 3),
        "anatomy": patient.anatomy,
        "habitus": patient.habitus,
    }
    record = {"row": row, "images": {str(v): image_record(v, i, person.seed) for v, i in patient.images.items()}}
    write_record(record, folder)


def write_record(record: dict[str, Any], folder: Path) -> None:
    """patient.json, whole or not at all; `write_tables` collects them."""
    partial = folder / "patient.json.partial"
    partial.write_text(json.dumps(record))
    partial.replace(folder / "patient.json")


def image_record(view: View, image: SimulatedImage, seed: int) -> dict[str, Any]:
    """Truth and readings of one image as they stand in patient.json."""

    def corners(boxes: Sequence[VertebraBox]) -> dict[str, list[float]]:
        return {str(b.level): [round(float(v), 1) for v in b.corners] for b in boxes}

    readings = sample_reader_rois(image.boxes, view, image.spacing_mm, seed)
    return {
        "shape": list(image.stored.shape),
        "boxes": corners(image.boxes),
        "outlines": {str(k): [[round(float(c), 1) for c in p] for p in line] for k, line in image.outlines.items()},
        "readers": {name: corners(own) for name, own in readings.items()},
    }
