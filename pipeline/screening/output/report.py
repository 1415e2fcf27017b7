"""report.html: every study with its pictures, class and warnings, to look at in a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cohort.bmd import BMD_CLASSES
from cohort.spine import View
from osteolens.atomic import write_whole
from pipeline.report_page.page import render

NOTICE = (
    "The shipped weights are trained on simulated (in-silico) radiographs. A class here is no diagnosis; DXA is the "
    "reference standard."
)


def write_report(
    out: Path,
    rows: Sequence[Mapping[str, object]],
    skipped: Sequence[Mapping[str, str]],
    run: Mapping[str, object],
) -> None:
    """Write the page; pictures are linked relative to it, so the folder can be moved as a whole.

    Args:
        out: folder of results, with its pictures in `overlays`.
        rows: of predictions.csv.
        skipped: rows of skipped.csv.
        run: what run.json holds.

    Raises:
        OutputError: the folder cannot be written.
    """
    present = {path.name for path in (out / "overlays").glob("*.png")}
    studies = [
        {**row, "pictures": [name for view in View if (name := f"{row['study_uid']}_{view}.png") in present]}
        for row in rows
    ]
    context = {"studies": studies, "skipped": skipped, "run": run, "classes": [c.value for c in BMD_CLASSES]}
    write_whole(out / "report.html", render("pipeline.screening.output", "report", "Screening", NOTICE, context))
