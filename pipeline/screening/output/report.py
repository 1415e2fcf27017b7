"""report.html: every study with its pictures, class and warnings, those that need a look first; 200 a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES
from cohort.mapping.columns_file import table_files
from cohort.spine import View
from osteolens.atomic import write_whole
from osteolens.errors import ReadError
from pipeline.prediction import Status
from pipeline.report_page.page import render
from pipeline.screening.assessment import told_path

STUDIES_A_PAGE = 200
"""More would make a page that browsers load slowly; further ones lie on report_2.html and so on."""

USED_TABLES = frozenset({"cohort.csv", "dxa.csv", "rois.csv", "readers.csv", "findings.csv", "annotations.json"})
"""Files of the screened folder that are no images and are used under these names."""

KINDS: Mapping[str, str] = {
    "failed": "failed",
    "rejected": "rejected",
    "fracture": "suspected fracture",
    "warning": "warning",
    "indeterminate": "no decision",
    **{c.value: c.value for c in reversed(BMD_CLASSES)},
}
"""Kinds of studies that a page can be narrowed to, and their words."""

NOTICE = (
    "The shipped weights are trained on simulated (in-silico) radiographs. A class here is no diagnosis; DXA is the "
    "reference standard."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStudy:
    """A study as the page shows it.

    Attributes:
        row: of predictions.csv.
        kinds: names of the filters that show it.
        probabilities: by class, empty without a class.
        levels: used ones by view.
        pictures: names of files by view.
    """

    row: Mapping[str, object]
    kinds: tuple[str, ...]
    probabilities: dict[str, object]
    levels: dict[str, tuple[str, ...]]
    pictures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """A kind of studies that the page can be narrowed to, and how many of the page there are."""

    name: str
    words: str
    count: int


def write_report(
    out: Path,
    rows: Sequence[Mapping[str, object]],
    skipped: Sequence[Mapping[str, str]],
    run: Mapping[str, object],
    used: Collection[str] = USED_TABLES,
) -> None:
    """Write the pages; pictures are linked relative to them, so the folder can be moved as a whole.

    Args:
        out: folder of results, with its pictures in `overlays`.
        rows: of predictions.csv.
        skipped: rows of skipped.csv.
        run: what run.json holds.
        used: files among them that are no images and are used.

    Raises:
        OutputError: the folder cannot be written.
    """
    present = {path.name for path in (out / "overlays").glob("*.png")}
    studies = [_shown(row, present) for row in sorted(rows, key=attention, reverse=True)]
    left_out = [item for item in skipped if item["file"] not in used]
    names = [page_name(k) for k in range(max(1, -(-len(studies) // STUDIES_A_PAGE)))]
    for k, name in enumerate(names):
        of_page = studies[k * STUDIES_A_PAGE : (k + 1) * STUDIES_A_PAGE]
        context = {
            "studies": of_page,
            "filters": _filters(of_page),
            "total": len(studies),
            "first": k * STUDIES_A_PAGE + 1,
            "pages": names,
            "page": name,
            "skipped": left_out,
            "run": run,
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
    kinds = _kinds(row)
    findings = 2 * ("fracture" in kinds) + ("warning" in kinds) + ("indeterminate" in kinds)
    return by_status.get(Status(str(row["status"])), 0), findings


def _kinds(row: Mapping[str, object]) -> tuple[str, ...]:
    """Those of KINDS that a study is."""
    own = {str(row["status"]), str(row["bmd_class"])} if row["status"] == Status.SCREENED else {str(row["status"])}
    own |= {"fracture"} if row["suspected_fractures"] else set()
    own |= {"warning"} if row["warnings"] else set()
    own |= {"indeterminate"} if row["decision"] == Decision.INDETERMINATE else set()
    return tuple(kind for kind in KINDS if kind in own)


def _shown(row: Mapping[str, object], present: Collection[str]) -> ShownStudy:
    screened = row["status"] == Status.SCREENED
    views = (part.split(":") for part in str(row["levels"]).split(" ") if ":" in part)
    return ShownStudy(
        row=row,
        kinds=_kinds(row),
        probabilities={c.value: row[f"p_{c}"] for c in BMD_CLASSES} if screened else {},
        levels={view: tuple(used.split("+")) for view, used in views},
        pictures={view.value: name for view in View if (name := f"{row['study_uid']}_{view}.png") in present},
    )


def _filters(studies: Sequence[ShownStudy]) -> list[Filter]:
    """One for each kind that some of the studies are, and some are not."""
    counts = Counter(kind for study in studies for kind in study.kinds)
    return [Filter(kind, words, counts[kind]) for kind, words in KINDS.items() if 0 < counts[kind] < len(studies)]


def used_tables(root: Path | None) -> frozenset[str]:
    """Files of a screened folder that are no images and are used: by their names, or as columns.yaml says."""
    if root is None or not root.is_dir():
        return USED_TABLES
    try:
        return USED_TABLES | {told_path(path, root) for path in table_files(root)}
    except ReadError:
        return USED_TABLES
