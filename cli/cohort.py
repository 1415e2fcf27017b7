"""osteolens cohort: look at a cohort folder before working on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say

cohort_app = typer.Typer(help="Cohort folders: what is in them.", no_args_is_help=True)


@cohort_app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="Cohort folder.")],
    images: Annotated[bool, typer.Option("--images", help="Also decode every image and check its ROIs.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One criterion as key=value, such as max_dxa_days=180.")
    ] = None,
    flow: Annotated[Path | None, typer.Option(help="Draw the flow of patients as SVG or PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what of a cohort can be used, what cannot and why. Exit code 1: nothing can."""
    with errors_as_exit_codes():
        from cohort.check import check_cohort
        from cohort.eligibility import EligibilityCriteria
        from osteolens.config import load_config

        criteria = load_config(EligibilityCriteria, None, set_ or ())
        with progress("reading, %", 100) as bar:
            found = check_cohort(folder, criteria, images, lambda now, whole: bar(100 * now // whole))
        if flow is not None and found.flow:
            from pipeline.evaluation.report.patient_flow import draw_flow

            draw_flow(found.flow, found.parts, flow)
        if as_json:
            print_json(found.as_json())
        else:
            print_table("cohort", ["what", "count"], [[k.replace("_", " "), v] for k, v in found.counts.items()])
            steps = [[s.reason, s.left_out or "", s.remaining] for s in found.flow]
            print_table("flow of studies", ["step", "left out", "remaining"], steps)
            if found.parts:
                classes = sorted({name for own in found.parts.values() for name in own})
                rows = [[part, *(own.get(name, 0) for name in classes)] for part, own in found.parts.items()]
                print_table("eligible studies by DXA class", ["part", *classes], rows)
            if found.skipped:
                print_table("files left out", ["reason", "files"], [list(row) for row in found.skipped.items()])
            for line in found.problems:
                say(f"problem: {line}")
        if not found.usable:
            say(f"{folder}: nothing here can be trained on or judged; see docs/reference/data-formats.md")
            raise typer.Exit(1)
