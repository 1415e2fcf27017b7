"""The plan of a simulation, and simulation.json, which records it in the cohort folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from cohort.in_silico import IN_SILICO_NOTICE, PLAN_FILE, FreshFor
from cohort.io.tables.cohort_tables import read_cohort_csv
from osteolens.atomic import make_folder, write_whole
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError
from phantom.records import FILE_NAME, Record
from phantom.subject.population import DEFAULT_POPULATION, PopulationConfig
from phantom.variety import Variety
from phantom.xray.drawn_systems import MOST_SYSTEMS
from phantom.xray.system import SimulatedSite

MIXED = "mixed"
"""Patients go to all sites in turn."""

SPACING_MM = 0.1, 2.0
"""Smallest and largest detector pixel that can be asked for."""

TABLES = ("cohort.csv", "rois.csv", "readers.csv", "annotations.json")
"""Tables that a simulation writes into its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """How a cohort is simulated.

    Attributes:
        spacing_mm: requested detector pixel; each system bins its own elements to about it.
        anatomy: folder of meshes, or None for the built-in anatomy.
        device: torch device.
        variety: how far patients are spread; WIDE and FADED are for the training of detectors.
        population: who comes to the hospital.
        jobs: processes, each with one thread, so that their number changes no bit.
        resume: leave the patients that an earlier run wrote; False simulates them again.
        fresh_for: weights that the cohort is to judge, whose seed it takes; None for every other cohort.
        drawn_systems: X-ray systems drawn for each of training and validation; 0 takes those of the sites.
    """

    spacing_mm: float = 0.6
    anatomy: Path | None = None
    device: str = "cpu"
    variety: Variety = Variety.NONE
    population: PopulationConfig = DEFAULT_POPULATION
    jobs: int = 1
    resume: bool = True
    fresh_for: FreshFor | None = None
    drawn_systems: int = 0


DEFAULT_OPTIONS = SimulationOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        out: cohort folder.
        patients: number of patients; None takes the sum of the counts in `sites`, or 10.
        seed: seed of the cohort; another seed is another population.
        sites: one site, `mixed` for all in turn, or counts such as `training:2000,test1:300`.
        options: how it is simulated.
    """

    out: Path
    patients: int | None = None
    seed: int = 0
    sites: str = MIXED
    options: SimulationOptions = field(default=DEFAULT_OPTIONS)


class PlanRecord(Record):
    """simulation.json: the settings of a plan that change simulated patients."""

    format: Literal[2] = 2
    notice: str = IN_SILICO_NOTICE
    seed: int
    sites: str
    spacing_mm: float
    variety: Variety
    anatomies: Literal["built-in", "built-in and meshes"]
    population: PopulationConfig
    fresh_for: FreshFor | None = None
    drawn_systems: int = 0


def assign_sites(plan: SimulationPlan) -> list[SimulatedSite]:
    """The site of every patient of a plan.

    Raises:
        ConfigError: unknown site, no patients, counts that do not add up, no process, an absurd pixel, or too many
            drawn systems.
    """
    parts = [part.strip().partition(":") for part in plan.sites.split(",")]
    for name, colon, count in parts:
        if name not in list(SimulatedSite) and not (name == MIXED and not colon):
            raise ConfigError(
                f"site {name!r} is unknown; choose {MIXED}, one of {', '.join(SimulatedSite)}, or counts such as "
                "training:200"
            )
        if colon and not count.isdigit():
            raise ConfigError(f"site '{name}:{count}': expected a count after the colon, such as {name}:200")
    fresh = plan.options.fresh_for
    if fresh is not None and plan.seed != fresh.seed:
        raise ConfigError(f"seed {plan.seed} is not {fresh.seed}, which weights {fresh.release} give; leave it out")
    patients = plan.patients
    if patients is None:
        patients = sum(int(count) for _, _, count in parts if count) or 10
    low, high = SPACING_MM
    if patients < 1 or not low <= plan.options.spacing_mm <= high or plan.options.jobs < 1:
        raise ConfigError(
            f"simulate: got {patients} patients at {plan.options.spacing_mm} mm in {plan.options.jobs} processes; "
            f"expected >= 1, {low:g}-{high:g} mm and >= 1"
        )
    if not 0 <= plan.options.drawn_systems <= MOST_SYSTEMS:
        raise ConfigError(f"simulate: got {plan.options.drawn_systems} drawn systems; expected 0 to {MOST_SYSTEMS}")
    order = list(SimulatedSite)
    sites: list[SimulatedSite] = []
    for name, _, count in parts:
        if name == MIXED:
            sites += [order[k % len(order)] for k in range(patients)]
        else:
            sites += [SimulatedSite(name)] * (int(count) if count else patients)
    if len(sites) != patients:
        raise ConfigError(
            f"sites {plan.sites!r} name {len(sites)} patients, not {patients}; make the two numbers agree"
        )
    return sites


def claim_folder(plan: SimulationPlan) -> None:
    """Write simulation.json, or check that the one in the folder is of the same plan.

    Raises:
        ConfigError: the folder holds a cohort of another plan, or tables of a cohort that is not simulated.
        OutputError: the folder cannot be written.
    """
    path = plan.out / PLAN_FILE
    stated = _record_of(plan)
    if not path.is_file():
        check_tables(plan.out)
        make_folder(plan.out)
        absent = {"fresh_for"} if stated.fresh_for is None else None
        write_whole(path, json.dumps(stated.model_dump(mode="json", exclude=absent), indent=1))
        return
    present = _read_record(path)
    differing = [
        f"{name} is {getattr(present, name)}, not {getattr(stated, name)}"
        for name in PlanRecord.model_fields
        if getattr(present, name) != getattr(stated, name)
    ]
    if differing:
        raise ConfigError(
            f"{path}: this folder holds another cohort: {'; '.join(differing)}; "
            "give another output folder or the same settings"
        )


def check_tables(out: Path) -> None:
    """Check that the tables of a folder are of simulated studies alone, since they are written anew from these.

    Raises:
        ConfigError: one is of other studies.
    """
    present = next((name for name in TABLES if (out / name).is_file()), None)
    if present is None or (out / PLAN_FILE).is_file():
        return
    simulated = {path.parent.name for path in out.glob(f"*/{FILE_NAME}")}
    listed: set[str | None] = set()
    if present == TABLES[0]:
        listed = {row.patient_id for row in read_cohort_csv(out / present).values()}
    if not simulated or not listed <= simulated:
        raise ConfigError(
            f"{out / present} belongs to a cohort that is not simulated; it would be overwritten; give another --out"
        )


def read_plan(cohort: Path, anatomy: Path | None = None, device: str = "cpu", jobs: int = 1) -> SimulationPlan:
    """The plan of a simulated cohort folder.

    Args:
        cohort: folder with simulation.json.
        anatomy: folder of meshes, which is not kept in the cohort; needed when the cohort was simulated with one.
        device: torch device of further simulation.
        jobs: processes of further simulation.

    Raises:
        ConfigError: the folder has no simulation.json that can be used, or the cohort needs meshes and none are given.
    """
    path = cohort / PLAN_FILE
    if not path.is_file():
        raise ConfigError(f"{path} is missing; expected a cohort folder of `osteolens simulate cohort`")
    record = _read_record(path)
    if (record.anatomies != "built-in") != (anatomy is not None):
        what = "a folder of meshes, which is not given" if anatomy is None else "built-in bones alone"
        raise ConfigError(f"{path}: the cohort was simulated with {what}; give --anatomy as when it was simulated")
    options = SimulationOptions(
        spacing_mm=record.spacing_mm,
        anatomy=anatomy,
        device=device,
        variety=record.variety,
        population=record.population,
        jobs=jobs,
        fresh_for=record.fresh_for,
        drawn_systems=record.drawn_systems,
    )
    patients = sum(1 for _ in cohort.glob(f"*/{FILE_NAME}"))
    return SimulationPlan(out=cohort, patients=patients, seed=record.seed, sites=record.sites, options=options)


def _record_of(plan: SimulationPlan) -> PlanRecord:
    options = plan.options
    return PlanRecord(
        seed=plan.seed,
        sites=plan.sites,
        spacing_mm=options.spacing_mm,
        variety=options.variety,
        anatomies="built-in" if options.anatomy is None else "built-in and meshes",
        population=options.population,
        fresh_for=options.fresh_for,
        drawn_systems=options.drawn_systems,
    )


def _read_record(path: Path) -> PlanRecord:
    document = read_json(path)
    if isinstance(document, dict) and "format" not in document:
        document = _from_format_1(document)
    try:
        return PlanRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where or 'the file'}: {first['msg']}; expected the plan of a cohort") from error


def _from_format_1(document: dict[str, Any]) -> dict[str, Any]:
    """A document as version 0.1.0 wrote it, with other names for sites, varieties and fractions of the population."""
    varieties = {"usual": "none", "faint": "faded"}
    renamed = {
        **document,
        "format": 2,
        "sites": document.get("site"),
        "variety": varieties.get(str(document.get("variety")), document.get("variety")),
        "population": {
            key.replace("_share", "_fraction"): value for key, value in dict(document.get("population", {})).items()
        },
    }
    renamed.pop("site", None)
    return renamed
