"""dxa.csv: DXA scans by patient, and the one that is nearest to a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cohort.bmd import DxaResult
from cohort.io.tables.reader import collect_or_raise, line_numbers, lines_of, read_table, require
from cohort.io.tables.rows import dxa_result, sex_of_row
from cohort.io.tables.words import known
from osteolens.documents.text import visible
from osteolens.errors import ReadError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTable:
    """What dxa.csv holds: scans and first line by patient_id; the rest as in `CohortTable`."""

    scans: dict[str, list[DxaResult]]
    lines: dict[str, int]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]
    encoding: str
    name: str = "dxa.csv"


def read_dxa_csv(path: Path, wrong: list[str] | None = None) -> dict[str, list[DxaResult]]:
    """DXA scans by patient_id from dxa.csv: any number a patient, with the DXA columns of cohort.csv.

    Args:
        path: the table.
        wrong: as for `read_cohort_csv`.

    Raises:
        ReadError: no table, no column patient_id, a value that is no number or out of any human range, or two scans of
            a patient on one day that differ.
    """
    table = scan_table(path)
    collect_or_raise(table.wrong, wrong)
    return table.scans


def nearest_scan(scans: Sequence[DxaResult], day: date | None) -> DxaResult | None:
    """The scan nearest to a day; the earlier of two that are equally near.

    Of several, none where the day or all their dates are unknown, or where the nearest day has different T-scores.
    """
    if len(scans) == 1:
        return scans[0]
    dated = [(abs((scan.scan_date - day).days), scan.scan_date) for scan in scans if day and scan.scan_date]
    if not dated:
        return None
    same_day = [scan for scan in scans if scan.scan_date == min(dated)[1]]
    return same_day[0] if len({scan.t_score for scan in same_day}) == 1 else None


def scan_table(*paths: Path) -> ScanTable:
    """dxa.csv with what is doubled in it and what is wrong with it, line by line.

    Args:
        paths: dxa.csv, or the tables that columns.yaml names in its place.

    Raises:
        ReadError: no table, or no column patient_id.
    """
    wrong: list[str] = []
    doubled: list[str] = []
    scans: dict[tuple[str, date | None], list[tuple[str, DxaResult]]] = {}
    first: dict[str, int] = {}
    encodings = []
    for path in paths:
        table = read_table(path, wrong)
        encodings.append(str(table.attrs["encoding"]))
        require(table, ("patient_id",), visible(path.name))
        for number, cells in lines_of(table):
            where, patient = f"{visible(path.name)} line {number}", known(cells["patient_id"])
            first.setdefault(patient, number)
            try:
                scan = dxa_result(cells, sex_of_row(cells, where), where)
            except ReadError as error:
                wrong.append(str(error))
                continue
            if scan is not None and patient:
                scans.setdefault((patient, scan.scan_date), []).append((where, scan))
    by_patient: dict[str, list[DxaResult]] = {}
    for (patient, day), same in scans.items():
        places = [where for where, _ in same]
        if any(scan != same[0][1] for _, scan in same):
            when = f"on {day}" if day else "without dxa_date"
            wrong.append(
                f"{_places(places)}: patient_id {visible(patient)} has different scans {when}; "
                "expected one a day, keep the right one"
            )
            continue
        if len(same) > 1:
            doubled.append(f"{visible(patient)} ({_places(places).partition(' ')[2]})")
        by_patient.setdefault(patient, []).append(same[0][1])
    first.pop("", None)
    return ScanTable(
        scans=by_patient,
        lines=first,
        doubled=tuple(doubled),
        wrong=tuple(wrong),
        encoding=encodings[0],
        name=" and ".join(visible(path.name) for path in paths),
    )


def _places(places: Sequence[str]) -> str:
    """`a.csv lines 2 and 3` of `a.csv line 2` and `a.csv line 3`; places in several files as they are."""
    files = {place.rpartition(" line ")[0] for place in places}
    if len(files) > 1:
        return f"{', '.join(places[:-1])} and {places[-1]}"
    return f"{files.pop()} {line_numbers([int(place.rpartition(' ')[2]) for place in places])}"
