"""osteolens cohort: check a cohort folder, or make one from annotations in other formats."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.annotations.commands import confirm_annotations, export_annotations, import_annotations
from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from cli.options import AsJson, Config, Quiet, Set, Verbose

if TYPE_CHECKING:
    from cohort.check import CohortCheck

cohort_app = typer.Typer(help="Cohort folders: check what is in one, or import one.", no_args_is_help=True)


@cohort_app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="Cohort folder.")],
    images: Annotated[bool, typer.Option("--images", help="Also decode every image and check its ROIs.")] = False,
    flow: Annotated[Path | None, typer.Option("--flow", help="Draw the flow of patients as SVG or PNG.")] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what of a cohort can be used, what cannot and why. Exit code 1: nothing can.

    Where tables have other columns than cohort.csv and dxa.csv, a proposal of what they hold is written to columns.yaml
    in the folder, which every command reads; what cannot be told is listed there to choose from.

    Settings: the criteria of eligibility, such as `--set criteria.max_dxa_days=180`, and what sites are for, where
    their names say something else, such as `--set 'sites.training=[external]'`.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.check import CheckConfig, check_cohort
        from osteolens.config import load_config

        settings = load_config(CheckConfig, config, set_ or ())
        with progress("reading, %", 100) as bar:
            checked = check_cohort(
                folder, settings.criteria, images, lambda done, total: bar(100 * done // total), settings.sites
            )
        if flow is not None and checked.flow:
            from pipeline.evaluation.report.patient_flow import draw_flow

            draw_flow(checked.flow, checked.splits, flow)
        if as_json:
            print_json(checked.as_json())
        else:
            _print_check(checked)
        if not checked.usable:
            say(f"{folder}: nothing here can be trained on or evaluated; see docs/reference/data-formats.md")
            raise typer.Exit(1)


def _print_check(checked: CohortCheck) -> None:
    if checked.counts is not None:
        rows = [[name.replace("_", " "), count] for name, count in asdict(checked.counts).items()]
        print_table("cohort", ["what", "count"], rows)
    steps = [[step.reason, step.left_out or "", step.remaining] for step in checked.flow]
    if steps:
        print_table("flow of studies", ["step", "left out", "remaining"], steps)
    if checked.splits:
        classes = sorted({name for split in checked.splits.values() for name in split})
        rows = [[name, *(split.get(column, 0) for column in classes)] for name, split in checked.splits.items()]
        print_table("eligible studies by DXA class", ["split", *classes], rows)
    if checked.skipped:
        print_table("files left out", ["reason", "files"], [list(item) for item in checked.skipped.items()])
    for line in checked.notes:
        say(f"note: {line}")
    for line in checked.problems:
        say(f"problem: {line}")


cohort_app.command("import")(import_annotations)
cohort_app.command("export")(export_annotations)
cohort_app.command("confirm")(confirm_annotations)
