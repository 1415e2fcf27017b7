"""osteolens simulate: an in-silico cohort."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, progress, say, set_verbosity


def simulate(
    out: Annotated[Path, typer.Argument(help="Cohort folder to write; an interrupted run goes on.")],
    patients: Annotated[int | None, typer.Option("--patients", "-n", min=1, help="Number of patients [10].")] = None,
    seed: Annotated[int, typer.Option(help="Seed; another seed is another population.")] = 0,
    site: Annotated[
        str, typer.Option(help="training, validation, test1, test2, mixed, or counts: training:2000,test1:300.")
    ] = "mixed",
    spacing: Annotated[float, typer.Option("--spacing-mm", help="Detector pixel in mm.")] = 0.6,
    anatomy: Annotated[Path | None, typer.Option(help="Folder of bone meshes; built-in bones when left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one a core. Their number changes no bit.")] = 0,
    variety: Annotated[str, typer.Option(help="none; wide or faded for training detectors.")] = "none",
    config: Annotated[Path | None, typer.Option(help="YAML of population settings.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="One population setting as key=value.")] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Write OUT-audit/report.html: how honest the cohort is.")
    ] = False,
    real: Annotated[Path | None, typer.Option(help="Folder of real films to show beside simulated ones.")] = None,
    ct: Annotated[Path | None, typer.Option(help="NIfTI CT to take both views of, instead of patients.")] = None,
    ct_labels: Annotated[Path | None, typer.Option(help="Its TotalSegmentator labels, for the boxes.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the settings; write nothing.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Simulate AP and lateral radiographs with DXA of the same bones, as DICOM with cohort.csv and rois.csv."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.extras import require

        require("simulate", "torch")
        from osteolens.config import load_config
        from phantom.cohort import SimulationPlan, assign_sites, simulate_cohort
        from phantom.subject.population import PopulationConfig

        if ct is not None or ct_labels is not None:
            _radiographs_of_ct(ct, ct_labels, out, site, seed, quiet)
            return
        population = load_config(PopulationConfig, config, set_ or ())
        counts = [part.partition(":")[2] for part in site.split(",") if ":" in part]
        wanted = patients or sum(int(c) for c in counts if c.isdigit()) or 10
        jobs = jobs or (os.cpu_count() or 1 if device == "cpu" else 1)
        plan = SimulationPlan(out, wanted, seed, site, spacing, anatomy, device, _variety(variety), jobs, population)
        assign_sites(plan)
        if dry_run:
            say(f"would simulate {wanted} patients of seed {seed} into {out}")
            return
        started = time.perf_counter()
        with progress("simulating", wanted) as bar:
            fresh = simulate_cohort(plan, bar)
        if not quiet:
            each = f" ({(time.perf_counter() - started) / fresh:.2f} s each)" if fresh else ""
            say(f"{fresh} patients simulated{each}, {wanted - fresh} stood already; cohort: {out}")
        if audit:
            _audit(plan, real, quiet)


def _radiographs_of_ct(ct: Path | None, labels: Path | None, out: Path, site: str, seed: int, quiet: bool) -> None:
    from osteolens.errors import ConfigError
    from phantom.ct import ct_study
    from phantom.xray.system import SYSTEMS

    if ct is None or labels is None:
        raise ConfigError("--ct and --ct-labels go together; give both")
    if site not in (*SYSTEMS, "mixed"):
        raise ConfigError(f"site {site!r} takes no CT; choose one of {', '.join(SYSTEMS)}")
    boxes = ct_study(ct, labels, out, "test1" if site == "mixed" else site, seed)
    if not quiet:
        say(f"both views of {ct.name} with {boxes} boxes of whole bodies; cohort: {out}")


def _audit(plan: Any, real: Path | None, quiet: bool) -> None:
    from phantom.cohort import young_adults
    from pipeline.audit.checks import YOUNG_ADULTS, audit_cohort

    with progress("young adults", 2 * YOUNG_ADULTS) as bar:
        young = young_adults(plan, YOUNG_ADULTS, bar)
    out = plan.out.with_name(f"{plan.out.name}-audit")
    summary = audit_cohort(plan.out, young, out, real)
    if not quiet:
        say(f"audit: {summary.passed} of {summary.checks} checks pass; report: {out / 'report.html'}")


def _variety(text: str) -> Any:
    from phantom.variety import Variety

    if text not in tuple(Variety):
        raise typer.BadParameter(f"got {text!r}, expected {' or '.join(Variety)}", param_hint="--variety")
    return Variety(text)
