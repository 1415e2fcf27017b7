"""Simulate a cohort and write it as a hospital's folder: DICOM DX and tables; resumable, in several processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cohort.covariates import Sex
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from phantom.plan import DEFAULT_OPTIONS, MIXED, SimulationOptions, SimulationPlan, assign_sites, claim_folder
from phantom.records import FILE_NAME
from phantom.subject.population import YoungAdult, patient_id
from phantom.tables import write_tables
from phantom.xray.system import SimulatedSite

YOUNG_YEARS = (20.0, 40.0)
"""Ages of the young adults whose areal BMD checks the simulator against the DXA reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCohort:
    """A simulated cohort folder.

    Attributes:
        folder: where it lies.
        by_site: patients of the plan by site.
        simulated: patients that were simulated now.
        present: patients that an earlier run had written.
        seconds: that this run took.
    """

    folder: Path
    by_site: dict[SimulatedSite, int]
    simulated: int
    present: int
    seconds: float

    def as_json(self) -> dict[str, str | int | float | dict[str, int]]:
        """The same as a JSON document."""
        return {
            "folder": str(self.folder),
            "by_site": {str(site): count for site, count in self.by_site.items()},
            "simulated": self.simulated,
            "present": self.present,
            "seconds": round(self.seconds, 2),
        }


def simulate_cohort(
    out: Path | str,
    patients: int | None = None,
    seed: int = 0,
    sites: str = MIXED,
    options: SimulationOptions = DEFAULT_OPTIONS,
    progress: Progress = silent,
) -> SimulatedCohort:
    """Simulate patients with AP and lateral radiographs and DXA of the same bones, and write a cohort folder.

    A patient counts as written once its `patient.json` stands, so an interrupted run goes on where it stopped.

    Args:
        out: cohort folder.
        patients: number of patients; None takes the sum of the counts in `sites`, or 10.
        seed: seed of the cohort; another seed is another population.
        sites: `training`, `validation`, `test1`, `test2`, `mixed` for all in turn, or counts such as
            `training:2000,test1:300`.
        options: pixel size, anatomy, device, variety, population and processes.
        progress: told after every patient.

    Raises:
        MissingExtra: torch is not installed.
        ConfigError: unknown site or device, no patients, or a folder of another plan or of a hospital's cohort.
        AnatomyError: the anatomy folder cannot be used.
        OutputError: the folder cannot be written.
    """
    require("simulate cohort", "torch")
    check_device(options.device, auto=False)
    from phantom.processes import PatientTask, in_processes, load_sources, simulate_and_write

    started = time.perf_counter()
    plan = SimulationPlan(out=Path(out), patients=patients, seed=seed, sites=sites, options=options)
    assigned = assign_sites(plan)
    load_sources(options.anatomy)
    claim_folder(plan)
    tasks = [
        PatientTask(plan, index, site)
        for index, site in enumerate(assigned)
        if not (options.resume and _stands(plan.out, index, seed))
    ]
    present = len(assigned) - len(tasks)
    progress(present, len(assigned))
    for number, _ in enumerate(in_processes(simulate_and_write, tasks, options.jobs), start=present + 1):
        progress(number, len(assigned))
    write_tables(plan.out)
    return SimulatedCohort(
        folder=plan.out,
        by_site=dict(Counter(assigned)),
        simulated=len(tasks),
        present=present,
        seconds=time.perf_counter() - started,
    )


def simulate_parts(
    plan: SimulationPlan, parts: Sequence[tuple[Path, range]], progress: Callable[[bool], None]
) -> Generator[Path, None, None]:
    """Patients of a plan, part by part, each part a cohort folder of its own; the folder of each part once it is whole.

    Processes go on with later parts while a part is used, by a few patients. A part goes on where an earlier run
    stopped.

    Args:
        plan: whose patients these are; its folder is not used.
        parts: folder and patients of each part.
        progress: told after every patient, whether he was simulated now.

    Raises:
        MissingExtra: torch is not installed.
        ConfigError: unknown site or device, or no patients.
        AnatomyError: the anatomy folder cannot be used.
        OutputError: a folder cannot be written.
    """
    require("simulate features", "torch")
    check_device(plan.options.device, auto=False)
    from phantom.processes import PatientTask, in_processes, load_sources, simulate_and_write

    assigned = assign_sites(plan)
    load_sources(plan.options.anatomy)
    resume = plan.options.resume
    todo = [[k for k in patients if not (resume and _stands(folder, k, plan.seed))] for folder, patients in parts]
    tasks = [
        PatientTask(replace(plan, out=folder), index, assigned[index])
        for (folder, _), lacking in zip(parts, todo, strict=True)
        for index in lacking
    ]
    simulated = in_processes(simulate_and_write, tasks, plan.options.jobs)
    for (folder, patients), lacking in zip(parts, todo, strict=True):
        for index in patients:
            if index in lacking:
                next(simulated)
            progress(index in lacking)
        write_tables(folder)
        yield folder


def _stands(folder: Path, index: int, seed: int) -> bool:
    """Whether a patient was written whole."""
    return (folder / patient_id(index, seed) / FILE_NAME).is_file()


def young_adults(plan: SimulationPlan, count: int, progress: Progress = silent) -> list[YoungAdult]:
    """DXA of women and men of 20 to 40 years with the bones of a plan, without radiographs.

    Args:
        plan: whose seed, population, anatomy and device are used; nothing is written.
        count: number of women, and of men.
        progress: told after every scan.

    Raises:
        MissingExtra: torch is not installed.
        AnatomyError: the anatomy folder cannot be used.
    """
    require("simulate audit", "torch")
    check_device(plan.options.device, auto=False)
    from phantom.processes import ScanTask, in_processes, load_sources, scan_young_adult

    load_sources(plan.options.anatomy)
    low, high = YOUNG_YEARS
    ages = [low + (high - low) * (k + 0.5) / count for k in range(count)]
    tasks = [ScanTask(plan, k, ages[k], sex) for sex in Sex for k in range(count)]
    adults = []
    for adult in in_processes(scan_young_adult, tasks, plan.options.jobs):
        adults.append(adult)
        progress(len(adults), len(tasks))
    return adults
