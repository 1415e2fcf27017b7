"""osteolens import: other people's annotations and public sets into a cohort folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity


def import_(
    kind: Annotated[str, typer.Argument(help="coco, yolo, labelme, cvat, buu-lspine or lumos.")],
    source: Annotated[Path, typer.Argument(help="Folder (or COCO, CVAT or LabelMe file) to read.")],
    out: Annotated[Path, typer.Argument(help="New cohort folder to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, every file by name.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Turn drawn ROIs or a public set into a folder with cohort.csv and rois.csv that every command reads."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.importers.convert import ImportFormat, by_reason, import_cohort, named
        from osteolens.text import visible

        if kind not in list(ImportFormat):
            raise typer.BadParameter(f"{visible(kind)!r} is not one of {', '.join(ImportFormat)}", param_hint="KIND")
        report = import_cohort(kind, source, out)
        if as_json:
            skipped = [
                {"file": visible(item.path), "label": visible(item.label), "reason": visible(item.reason)}
                for item in report.skipped
            ]
            counts = {"studies": report.studies, "images": report.images, "rois": report.rois}
            print_json({**counts, "skipped": skipped, "notes": [visible(note) for note in report.notes]})
        elif report.skipped and not quiet:
            rows = [[reason, len(where), named(where)] for reason, where in by_reason(report.skipped)]
            print_table("not used", ["reason", "count", "where"], rows)
        if not quiet:
            for note in report.notes:
                say(f"note: {visible(note)}")
            say(
                f"{report.studies} studies with {report.images} images and {report.rois} ROIs written to {out}; "
                f"{len(report.skipped)} not used"
            )
