"""osteolens review: a page to look at results and to correct them."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import NAMED, errors_as_exit_codes, print_json, progress, say, set_verbosity

if TYPE_CHECKING:
    from pipeline.review.review import Review


def review(
    out: Annotated[
        Path, typer.Argument(help="Output folder of `osteolens process`; the review is kept in OUT/review.")
    ],
    cohort: Annotated[Path | None, typer.Argument(help="Cohort folder with cohort.csv or dxa.csv, for DXA.")] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder that was screened; the one that run.json names when left out."),
    ] = None,
    reader: Annotated[str, typer.Option("--reader", help="Name of the reader: letters, digits, - and _.")] = "reader",
    blind: Annotated[
        bool, typer.Option("--blind", help="Exports hold this reader's work alone, not that of others.")
    ] = False,
    reader_study: Annotated[
        bool,
        typer.Option("--reader-study", help="Random order; predictions, boxes and DXA are hidden; implies --blind."),
    ] = False,
    round_: Annotated[
        int, typer.Option("--round", min=1, max=2, help="2: the same reader once more, without the first reading.")
    ] = 1,
    allow_unblinded: Annotated[
        bool,
        typer.Option(
            "--allow-unblinded",
            help="A reader study by a reader whom predictions were shown to before; each reading is marked.",
        ),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Write readers.csv, rois.csv, findings.csv, corrected.json and, with the extra 'dicom', "
            "reports/*_sr.dcm of the reader into this folder, and end; no page is opened.",
        ),
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Show patient identifiers and file names, not pseudonyms.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; other machines reach any but loopback, unencrypted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 0,
    weights: options.Weights = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Look at results on a page, correct boxes, levels and findings, and export them. Needs the extra 'review'.

    Prints a link with a token; who has it sees the studies. Ends with SIGINT (Ctrl+C). Corrections are saved at once in
    OUT/review/READER.jsonl, which only grows.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.extras import require

        require("review", "fastapi", "uvicorn", extra="review")
        from pipeline.review.options import ReviewOptions
        from pipeline.review.review import opened_review
        from pipeline.review.server.serve import Address, serve

        chosen = ReviewOptions(
            reader=reader,
            round=round_,
            blind=blind,
            reader_study=reader_study,
            allow_unblinded=allow_unblinded,
            show_names=show_names,
        )
        address = Address(host, port)
        with opened_review(out, cohort, images, chosen, weights) as opened:
            if not quiet:
                _say(opened, address.is_loopback or export is not None)
            if export is not None:
                _export(opened, export, as_json, quiet)
                return
            with suppress(KeyboardInterrupt):
                serve(opened, address, lambda link: _print_link(link, opened, as_json))


def _print_link(link: str, opened: Review, as_json: bool) -> None:
    if as_json:
        reviewed = len(opened.log.states)
        print_json({"link": link, "studies": len(opened.worklist.entries), "reviewed": reviewed})
    else:
        print(link)
    sys.stdout.flush()


def _export(opened: Review, folder: Path, as_json: bool, quiet: bool) -> None:
    """Write everything; the paths go to stdout, what could not be made to stderr."""
    from pipeline.review.readings.export import TABLES

    read = len(opened.log.states)
    with progress("reports", read) as bar:
        reports = opened.exports.write(folder, lambda done, _: bar(done))
    names = sorted(name.value for name in TABLES)
    not_made = {} if reports is None else dict(reports.not_made)
    if as_json:
        count = None if reports is None else len(reports.paths)
        print_json({"folder": str(folder), "tables": names, "reports": count, "not_made": not_made, "studies": read})
        return
    print(folder)
    if quiet:
        return
    if reports is None:
        say("no DICOM reports: they need the extra 'dicom' (pip install 'osteolens[dicom]')")
    else:
        say(f"{len(reports.paths)} DICOM reports of {read} studies read")
    for uid, why in list(not_made.items())[:NAMED]:
        say(f"  no report of {uid}: {why}")
    if len(not_made) > NAMED:
        say(f"  ... and {len(not_made) - NAMED} more without a report")


def _say(opened: Review, is_loopback: bool) -> None:
    worklist = opened.worklist
    say(f"{len(worklist.entries)} studies, {len(opened.log.states)} of them reviewed by {worklist.options.name}")
    for line in worklist.damaged[:NAMED]:
        say(f"  damaged, left out: {line}")
    if len(worklist.damaged) > NAMED:
        say(f"  ... and {len(worklist.damaged) - NAMED} more damaged results")
    for note in (*opened.notes, *worklist.notes[:NAMED]):
        say(f"  {note}")
    if not is_loopback:
        say("the page is not encrypted, and whoever has the link sees the studies; end it when you are done")
