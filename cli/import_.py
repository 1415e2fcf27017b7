"""osteolens import: other people's annotations and public sets into a cohort folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity


def import_(
    kind: Annotated[str, typer.Argument(help="coco, yolo, labelme, cvat, buu-lspine or lumos.")],
    source: Annotated[Path, typer.Argument(help="Folder (or COCO or CVAT file) to read.")],
    out: Annotated[Path, typer.Argument(help="New cohort folder to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Turn drawn ROIs or a public set into a folder with cohort.csv and rois.csv that every command reads."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.importers.convert import import_cohort

        report = import_cohort(kind, source, out)
        skipped = [[str(item.path), item.reason] for item in report.skipped]
        if as_json:
            counts = {"studies": report.studies, "images": report.images, "rois": report.rois}
            print_json({**counts, "skipped": skipped})
        elif skipped and not quiet:
            print_table("left out", ["file", "reason"], skipped)
        if not quiet:
            say(
                f"{report.studies} studies with {report.images} images and {report.rois} ROIs written to {out}; "
                f"{len(skipped)} left out"
            )
