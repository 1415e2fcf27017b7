"""osteolens cohort import, export and confirm: annotations of labelling tools, in and out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from cli.options import AsJson, Quiet, Verbose, Weights

if TYPE_CHECKING:
    from cohort.importers.report import ImportReport
    from pipeline.annotation.export import ExportReport

FORMATS = "coco, yolo, labelme, cvat, pascal-voc, label-studio, buu-lspine, lumos or dicom-sr."


class Levels(StrEnum):
    """Where the levels of bodies without one come from."""

    FROM_LABELS = "from-labels"
    FROM_DETECTOR = "from-detector"


def import_annotations(
    source_format: Annotated[str, typer.Argument(metavar="FORMAT", help=FORMATS)],
    source: Annotated[Path, typer.Argument(help="Folder, file or zip to read, as the tool exports it.")],
    out: Annotated[Path, typer.Argument(help="New cohort folder to write.")],
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Folder of the images, where they lie elsewhere; may be repeated."),
    ] = None,
    reader: Annotated[
        str, typer.Option("--reader", help="Who drew; the boxes go into readers.csv under this name too.")
    ] = "",
    levels: Annotated[
        Levels,
        typer.Option(
            "--levels",
            help="from-detector: bodies drawn without a level are named by the detector; a reader has to confirm them.",
        ),
    ] = Levels.FROM_LABELS,
    spacings: Annotated[
        Path | None,
        typer.Option("--spacings", help="CSV with the columns image and pixel_spacing_mm, for plain images."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported and what not; write nothing.")
    ] = False,
    weights: Weights = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Turn manual ROIs or a public set into a folder with cohort.csv and rois.csv that every command reads.

    Outlines become annotations.json, which `train segmenter` reads. What is not used is listed with its reason.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.importers.convert import import_cohort
        from cohort.importers.options import ImportOptions
        from cohort.importers.report import ImportFormat
        from cohort.importers.sources.spacings import read_spacings
        from osteolens.documents.text import visible

        if source_format not in list(ImportFormat):
            known = ", ".join(ImportFormat)
            raise typer.BadParameter(f"{visible(source_format)!r} is not one of {known}", param_hint="FORMAT")
        namer = None
        if levels is Levels.FROM_DETECTOR:
            from pipeline.annotation.name_levels import DetectorNames

            namer = DetectorNames.of(weights)
        with progress("importing, %", 100) as bar:
            options = ImportOptions(
                images=images or (),
                reader=_reader_name(reader),
                name_levels=namer,
                spacings_mm={} if spacings is None else read_spacings(spacings),
                writes=not dry_run,
                progress=lambda done, total: bar(100 * done // total),
            )
            report = import_cohort(ImportFormat(source_format), source, out, options)
        if as_json:
            print_json(report.as_json())
        else:
            _print_import(report)
        if not quiet:
            _say_import(report, out)


def _reader_name(text: str) -> str:
    """A reader's name by the rules of `osteolens review`, or none."""
    from pipeline.review.options import ReviewOptions

    return ReviewOptions(reader=text).reader if text else ""


def _print_import(report: ImportReport) -> None:
    from cohort.importers.report import by_reason, named
    from osteolens.documents.text import visible

    if not report.written:
        print_table("boxes", ["level", "boxes"], [list(item) for item in report.by_level.items()])
    if report.unknown_names:
        rows = [[visible(name) or "(empty)", count] for name, count in report.unknown_names.items()]
        print_table("labels that name no level", ["label", "shapes"], rows)
    if report.skipped:
        rows = [[reason, len(where), named(where)] for reason, where in by_reason(report.skipped)]
        print_table("not used", ["reason", "count", "where"], rows)


def _say_import(report: ImportReport, out: Path) -> None:
    from osteolens.documents.text import visible

    for note in report.notes:
        say(f"note: {visible(note)}")
    more = [f"{report.outlines} outlines"] if report.outlines else []
    more += [f"{report.to_confirm} boxes to be confirmed"] if report.to_confirm else []
    what = " and ".join(filter(None, [f"{report.rois} ROIs", ", ".join(more)]))
    say(
        f"{report.studies} studies with {report.images} images and {what} "
        f"{'written to' if report.written else 'would be written to'} {out}; {len(report.skipped)} not used, "
        f"{report.unmatched} of them images without labels or labels without an image"
    )
    if report.to_confirm and report.written:
        from cohort.io.annotations import TO_CONFIRM

        say(
            f"{TO_CONFIRM}: look at the levels, for example with `osteolens process {out} --manual-rois "
            f"{out / TO_CONFIRM} --out RESULTS` and `osteolens review RESULTS`; then `osteolens cohort confirm`"
        )


def export_annotations(
    results: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of `osteolens process`.")],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="New folder to write.")],
    label_format: Annotated[str, typer.Option("--format", help="labelme, cvat, coco or yolo.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder that was screened; the one that run.json names when left out."),
    ] = None,
    outlines: Annotated[
        bool,
        typer.Option("--outlines", help="Also outlines, as the segmenter draws them into the boxes; not for yolo."),
    ] = False,
    weights: Weights = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write predicted boxes and 8-bit pictures for correction in a labelling tool.

    `osteolens cohort import FORMAT DEST NEW --images FOLDER --reader NAME` brings them back to the films.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.exporters.write import LabelFormat
        from osteolens.documents.text import visible
        from pipeline.annotation.export import export_results
        from pipeline.review.review import load_screener

        if label_format not in list(LabelFormat):
            known = ", ".join(LabelFormat)
            raise typer.BadParameter(f"{visible(label_format)!r} is not one of {known}", param_hint="--format")
        with progress("exporting, %", 100) as bar:
            report = export_results(
                results,
                destination,
                LabelFormat(label_format),
                images,
                load_screener(weights) if outlines else None,
                lambda done, total: bar(100 * done // total),
            )
        if as_json:
            print_json(report.as_json())
        if not quiet:
            _say_export(report, destination)


def _say_export(report: ExportReport, destination: Path) -> None:
    for line in report.left_out[:5]:
        say(f"left out: {line}")
    if len(report.left_out) > 5:
        say(f"... and {len(report.left_out) - 5} more left out")
    drawn = f" and {report.outlines} outlines" if report.outlines else ""
    say(f"{report.images} pictures with {report.boxes} boxes{drawn} written to {destination}")
    if not report.outlines:
        say("results hold boxes alone; --outlines draws outlines into them")


def confirm_annotations(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with rois-to-confirm.csv.")],
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ROIS]",
            help="rois.csv or readers.csv as `osteolens review` exports them; every proposed box when left out.",
        ),
    ] = None,
    reader: Annotated[str, typer.Option("--reader", help="Who looked at the boxes and confirms them.")] = "",
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Confirm levels that the detector proposed: boxes and outlines go into rois.csv, readers.csv, annotations.json."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.importers.confirm import confirm_levels

        if not reader:
            raise typer.BadParameter("is missing; name the reader who confirms", param_hint="--reader")
        confirmed = confirm_levels(cohort, _reader_name(reader), table)
        if as_json:
            print_json(confirmed.as_json())
        if not quiet:
            say(
                f"{confirmed.boxes} boxes of {confirmed.images} images confirmed by {reader}, {confirmed.changed} of "
                f"them changed; {confirmed.waiting} images are still to be confirmed"
            )
