"""osteolens deidentify: radiographs and their tables without identifiers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from cli.options import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from cohort.deidentify.report import Report

SHOWN = 40
"""Films with suspected text that the terminal shows."""


class Dates(StrEnum):
    """What becomes of the days of the examinations."""

    SHIFT = "shift"
    REMOVE = "remove"


def deidentify(
    source: Annotated[Path, typer.Argument(help="Folder of radiographs; it is only read.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into, apart from the input.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="File of 16 to 4096 secret bytes: the same key gives the same pseudonyms. Keep it apart from the "
            "output. Without it a random key is used once and forgotten.",
        ),
    ] = None,
    dates: Annotated[
        Dates, typer.Option("--dates", help="Shift all days of a patient alike, radiographs and DXA, or remove them.")
    ] = Dates.SHIFT,
    blacken: Annotated[
        bool, typer.Option("--black-out", help="Make suspected text in the pixels black, L and R markers too.")
    ] = False,
    links: Annotated[
        Path | None,
        typer.Option("--links", help="JSON file outside the output: which input became which output. Confidential."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Take identifiers out of CR, DX and secondary capture images and of cohort.csv, dxa.csv, rois.csv, readers.csv.

    By the basic profile of DICOM PS3.15 Annex E; pixel spacing, sex, age, size and weight stay. Text in the pixels is
    looked for and listed; look at every film yourself before you give it away. Writes OUT/deidentification.json too.
    Exit code 0: done; 1: error; 2: usage; 3: done, but some files were refused.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.deidentify.film import Ending
        from cohort.deidentify.folder import DeidentifyOptions, deidentify_folder
        from cohort.deidentify.pseudonyms import Pseudonyms, read_key
        from osteolens.errors import ConfigError

        if key is not None and out.resolve() in key.resolve().parents:
            raise ConfigError(f"--key {key} lies in the output folder; keep it apart")
        options = DeidentifyOptions(
            pseudonyms=Pseudonyms(None if key is None else read_key(key)),
            keeps_dates=dates is Dates.SHIFT,
            blackens=blacken,
            links=links,
        )
        with progress("de-identifying", 1 if not source.is_dir() else sum(1 for _ in source.rglob("*"))) as bar:
            report = deidentify_folder(source, out, options, progress=lambda done, _: bar(done))
        if as_json:
            print_json(report.as_json())
        else:
            _print(report, quiet)
        if report.count(Ending.REFUSED):
            raise typer.Exit(3)


def _print(report: Report, quiet: bool) -> None:
    from cohort.deidentify.film import Ending
    from cohort.deidentify.folder import REPORT
    from cohort.deidentify.report import MARKERS

    rows = [[str(ending), str(report.count(ending))] for ending in Ending]
    print_table("files", ["ending", "files"], rows)
    if report.refused:
        print_table("refused", ["reason", "files"], [[why, str(n)] for why, n in report.refused.items()])
    stayed = [[keyword, str(count), why] for keyword, (count, why) in report.stayed.items()]
    print_table("attributes that stayed", ["attribute", "files", "why"], stayed)
    if report.with_text:
        cells = [
            [film.output, str(len(film.text)), film.burned_in_annotation, "yes" if film.blackened else "no"]
            for film in report.with_text[:SHOWN]
        ]
        print_table("suspected text in the pixels", ["film", "boxes", "BurnedInAnnotation", "made black"], cells)
    if not quiet:
        say(f"{len(report.with_text)} films with suspected text: {MARKERS}; all of them: {REPORT}")
        say("tables: " + (", ".join(report.tables) or "none"))
