"""report.html: every study with its pictures, class and warnings, those that need a look first; 200 a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES
from cohort.spine import View
from osteolens.atomic import write_whole
from pipeline.prediction import Status
from pipeline.report_page.page import render

STUDIES_A_PAGE = 200
"""More would make a page that browsers load slowly; further ones lie on report_2.html and so on."""

USED_TABLES = ("cohort.csv", "dxa.csv", "rois.csv", "readers.csv")
"""Files of the screened folder that are no images and are used."""

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
    """Write the pages; pictures are linked relative to them, so the folder can be moved as a whole.

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
        for row in sorted(rows, key=attention, reverse=True)
    ]
    left_out = [item for item in skipped if item["file"] not in USED_TABLES]
    names = [page_name(k) for k in range(max(1, -(-len(studies) // STUDIES_A_PAGE)))]
    for k, name in enumerate(names):
        context = {
            "studies": studies[k * STUDIES_A_PAGE : (k + 1) * STUDIES_A_PAGE],
            "total": len(studies),
            "first": k * STUDIES_A_PAGE + 1,
            "pages": names,
            "page": name,
            "skipped": left_out,
            "run": run,
            "classes": [c.value for c in BMD_CLASSES],
        }
        write_whole(out / name, render("pipeline.screening.output", "report", "Screening", NOTICE, context))
    for former in out.glob("report_*.html"):
        if former.stem.removeprefix("report_").isdecimal() and former.name not in names:
            former.unlink(missing_ok=True)


def page_name(number: int) -> str:
    """File of a page, counted from 0."""
    return f"report_{number + 1}.html" if number else "report.html"


def attention(row: Mapping[str, object]) -> tuple[int, int]:
    """How much a study asks for a look, from its row of predictions.csv: failed, rejected, then by its findings."""
    by_status = {Status.FAILED: 2, Status.REJECTED: 1}
    findings = (
        2 * bool(row["suspected_fractures"]) + bool(row["warnings"]) + (row["decision"] == Decision.INDETERMINATE)
    )
    return by_status.get(Status(str(row["status"])), 0), findings
