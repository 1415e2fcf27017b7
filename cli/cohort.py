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
    from cohort.delivery.assemble import Assembled

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
        if not checked.usable and not checked.tables_alone:
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


@cohort_app.command("assemble")
def assemble(
    tables: Annotated[Path, typer.Argument(help="Folder of the delivered tables.")],
    films: Annotated[Path, typer.Argument(help="Folder of the delivered radiographs.")],
    out: Annotated[Path, typer.Argument(help="Cohort folder to write; the same command brings it up to date.")],
    rois: Annotated[
        list[Path] | None,
        typer.Option("--rois", help="Folder of `cohort import` with ROIs of these radiographs; may be repeated."),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Link the radiographs in place of copies.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and what not.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a cohort folder of a hospital's tables and radiographs, joined by the identifiers that they hold.

    Tables are read by columns.yaml in their folder, which is proposed where there is none. What has no partner on the
    other side stays out and is listed.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.delivery.assemble import assemble_cohort

        with progress("copying, %", 100) as bar:
            made = assemble_cohort(
                tables,
                films,
                out,
                rois=rois or (),
                link=link,
                dry_run=dry_run,
                progress=lambda done, total: bar(100 * done // total),
            )
        if as_json:
            print_json(made.as_json())
        if not quiet:
            _say_assembled(made, out, dry_run)


def _say_assembled(made: Assembled, out: Path, dry_run: bool) -> None:
    lists = (
        ("radiographs without a line in the tables", made.films_alone),
        ("lines of the tables without radiographs", made.lines_alone),
        ("lines that cannot be read", made.wrong),
        ("to look at", made.notes),
    )
    for title, lines in lists:
        if lines:
            say(
                f"{len(lines)} {title}: {'; '.join(lines[:5])}{f' and {len(lines) - 5} more' if len(lines) > 5 else ''}"
            )
    say(
        f"{made.studies} studies of {made.patients} patients with {made.images} images, {made.scans} scans and "
        f"{made.rois} ROIs {'would be written' if dry_run else 'written'} to {out}"
    )


cohort_app.command("import")(import_annotations)
cohort_app.command("export")(export_annotations)
cohort_app.command("confirm")(confirm_annotations)
