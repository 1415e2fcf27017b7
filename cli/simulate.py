"""osteolens simulate: an in-silico cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, progress, say, set_verbosity


def simulate(
    out: Annotated[Path, typer.Argument(help="Cohort folder to write; an interrupted run goes on.")],
    patients: Annotated[int, typer.Option("--patients", "-n", min=1, help="Number of patients.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed; another seed is another population.")] = 0,
    site: Annotated[str, typer.Option(help="training, validation, test1, test2 or mixed.")] = "mixed",
    spacing: Annotated[float, typer.Option("--spacing-mm", help="Detector pixel in mm.")] = 0.6,
    anatomy: Annotated[Path | None, typer.Option(help="Folder of bone meshes; built-in bones when left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    start: Annotated[int, typer.Option(min=0, help="Index of the first patient.")] = 0,
    variety: Annotated[str, typer.Option(help="usual; wide or faint for training detectors.")] = "usual",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the settings; write nothing.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Simulate AP and lateral radiographs with DXA of the same bones, as DICOM with cohort.csv and rois.csv."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        _need_torch()
        from phantom.write import SimulationPlan, check_plan, simulate_cohort

        plan = SimulationPlan(out, patients, seed, site, spacing, anatomy, device, start, _variety(variety))
        check_plan(plan)
        if dry_run:
            say(f"would simulate {patients} patients of seed {seed} into {out}")
            return
        with progress("simulating", patients) as bar:
            fresh = simulate_cohort(plan, bar)
        if not quiet:
            say(f"{fresh} patients simulated, {patients - fresh} stood already; cohort: {out}")


def _variety(text: str) -> Any:
    from phantom.posture import Variety

    if text not in tuple(Variety):
        raise typer.BadParameter(f"got {text!r}, expected {' or '.join(Variety)}", param_hint="--variety")
    return Variety(text)


def _need_torch() -> None:
    from cohort.errors import MissingExtra

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("simulate", "torch") from error
