"""cohort.csv and dxa.csv: rows by study and patient, scans by patient, doubled and unreadable lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from cohort.bmd import DxaResult
from cohort.io.tables.columns import COLUMNS, KEY_COLUMNS
from cohort.io.tables.reader import columns_text, lines_of, read_table
from cohort.io.tables.rows import CohortRow, cohort_row, dxa_result, sex_of_row
from cohort.io.tables.words import known
from osteolens.documents.text import visible
from osteolens.errors import ReadError

__all__ = (
    "CohortLine",
    "CohortRow",
    "CohortTable",
    "ScanTable",
    "cohort_row",
    "cohort_table",
    "collect_or_raise",
    "dxa_result",
    "nearest_scan",
    "read_cohort_csv",
    "read_dxa_csv",
    "read_table",
    "scan_table",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortLine:
    """One line of cohort.csv: its number in the file, its keys (empty where the cell is), its cells and values."""

    number: int
    study_uid: str
    patient_id: str
    cells: dict[str, str]
    row: CohortRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortTable:
    """What cohort.csv holds.

    Attributes:
        rows: by study_uid, and by patient_id where the patient's lines hold the same values.
        lines: those that `rows` come from, and those without a key.
        doubled: keys on several lines of the same values, with the lines.
        wrong: what is wrong with the lines that are left out.
        encoding: of the file.
    """

    rows: dict[str, CohortRow]
    lines: tuple[CohortLine, ...]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]
    encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTable:
    """What dxa.csv holds: scans and first line by patient_id; doubled, wrong and encoding as in `CohortTable`."""

    scans: dict[str, list[DxaResult]]
    lines: dict[str, int]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]
    encoding: str


def read_cohort_csv(path: Path, wrong: list[str] | None = None) -> dict[str, CohortRow]:
    """Rows by study_uid and by patient_id, whichever columns stand.

    Known columns: study_uid, patient_id, age_years, sex, height_cm, weight_kg, bmi_kg_m2, t_score, bmd_g_cm2,
    t_score_L1 .. t_score_L4, dxa_date, dxa_reference, reference_mean_g_cm2, reference_sd_g_cm2, site, split, machine,
    study_date, menopause_age_years, implant, fracture_grade, cobb_deg, exposure, lumbar_count, fractures. Others are
    ignored; empty cells are unknown values. A patient whose lines are of several studies and hold different values
    has rows by study_uid alone.

    Args:
        path: the table.
        wrong: gets what is wrong with every line that cannot be read or contradicts another, and such lines are left
            out; without it the first one is an error.

    Raises:
        ReadError: no table, no key column, or a value that is no number, no day, no sex or out of any human range, or
            a key on two lines that differ.
    """
    table = cohort_table(path)
    collect_or_raise(table.wrong, wrong)
    return table.rows


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


def cohort_table(path: Path) -> CohortTable:
    """cohort.csv with what is doubled in it and what is wrong with it, line by line.

    Raises:
        ReadError: no table, or no key column.
    """
    wrong: list[str] = []
    table = read_table(path, wrong)
    _require(table, KEY_COLUMNS, path)
    lines = []
    for number, cells in lines_of(table):
        try:
            row = cohort_row(cells, f"{visible(path.name)} line {number}")
        except ReadError as error:
            wrong.append(str(error))
            continue
        uid, patient = (known(cells.get(name, "")) for name in KEY_COLUMNS)
        lines.append(CohortLine(number=number, study_uid=uid, patient_id=patient, cells=cells, row=row))
    doubled: list[str] = []
    lines = _one_a_study(lines, visible(path.name), doubled, wrong)
    lines, of_patients = _by_patient(lines, visible(path.name), doubled, wrong)
    of_studies = {line.study_uid: line for line in lines if line.study_uid}
    rows = {uid: line.row for uid, line in of_studies.items()}
    for patient, line in of_patients.items():
        other = of_studies.get(patient, line)
        if other.patient_id != patient and other.row != line.row:
            both = f"{visible(path.name)} {_lines([other.number, line.number])}"
            what = f"{visible(patient)} is the study_uid of one and the patient_id of the other"
            wrong.append(f"{both}: {what}; expected names that tell them apart")
        else:
            rows.setdefault(patient, line.row)
    return CohortTable(
        rows=rows, lines=tuple(lines), doubled=tuple(doubled), wrong=tuple(wrong), encoding=table.attrs["encoding"]
    )


def scan_table(path: Path) -> ScanTable:
    """dxa.csv with what is doubled in it and what is wrong with it, line by line.

    Raises:
        ReadError: no table, or no column patient_id.
    """
    wrong: list[str] = []
    doubled: list[str] = []
    table = read_table(path, wrong)
    _require(table, ("patient_id",), path)
    scans: dict[tuple[str, date | None], list[tuple[int, DxaResult]]] = {}
    first: dict[str, int] = {}
    for number, cells in lines_of(table):
        where, patient = f"{visible(path.name)} line {number}", known(cells["patient_id"])
        first.setdefault(patient, number)
        try:
            scan = dxa_result(cells, sex_of_row(cells, where), where)
        except ReadError as error:
            wrong.append(str(error))
            continue
        if scan is not None and patient:
            scans.setdefault((patient, scan.scan_date), []).append((number, scan))
    by_patient: dict[str, list[DxaResult]] = {}
    for (patient, day), same in scans.items():
        numbers = [number for number, _ in same]
        if any(scan != same[0][1] for _, scan in same):
            when = f"on {day}" if day else "without dxa_date"
            wrong.append(
                f"{visible(path.name)} {_lines(numbers)}: patient_id {visible(patient)} has different scans {when}; "
                "expected one a day, keep the right one"
            )
            continue
        if len(same) > 1:
            doubled.append(f"{visible(patient)} ({_lines(numbers)})")
        by_patient.setdefault(patient, []).append(same[0][1])
    first.pop("", None)
    return ScanTable(
        scans=by_patient, lines=first, doubled=tuple(doubled), wrong=tuple(wrong), encoding=table.attrs["encoding"]
    )


def _one_a_study(lines: list[CohortLine], name: str, doubled: list[str], wrong: list[str]) -> list[CohortLine]:
    """Lines of which no two have the same study_uid, in the file's order."""
    groups: dict[str, list[CohortLine]] = {}
    for line in lines:
        groups.setdefault(line.study_uid or f"\n{line.number}", []).append(line)
    unique = []
    for uid, same in groups.items():
        if len(same) == 1 or _same_values(same, name, f"study_uid {visible(uid)}", wrong):
            unique.append(same[0])
            if len(same) > 1:
                doubled.append(f"{visible(uid)} ({_lines([line.number for line in same])})")
    return unique


def _by_patient(
    lines: list[CohortLine], name: str, doubled: list[str], wrong: list[str]
) -> tuple[list[CohortLine], dict[str, CohortLine]]:
    """The lines that are left, and the line of each patient whose lines hold the same values."""
    groups: dict[str, list[CohortLine]] = {}
    for line in lines:
        if line.patient_id:
            groups.setdefault(line.patient_id, []).append(line)
    gone: set[int] = set()
    line_of_patient: dict[str, CohortLine] = {}
    for patient, same in groups.items():
        without_uid = [line for line in same if not line.study_uid]
        if all(line.row == same[0].row for line in same):
            line_of_patient[patient] = same[0]
        elif contradicting := [line for line in without_uid if any(_contradicts(line, other) for other in same)]:
            involved = [o for o in same if o in contradicting or any(_contradicts(line, o) for line in contradicting)]
            _same_values(involved, name, f"patient_id {visible(patient)}", wrong)
            gone |= {line.number for line in contradicting}
        for kept in (left := [line for line in without_uid if line.number not in gone]):
            repeated = [line for line in left if line.row == kept.row and line.number not in gone]
            if len(repeated) > 1:
                doubled.append(f"{visible(patient)} ({_lines([line.number for line in repeated])})")
                gone |= {line.number for line in repeated[1:]}
    return [line for line in lines if line.number not in gone], line_of_patient


def _contradicts(line: CohortLine, other: CohortLine) -> bool:
    """Whether two lines of a patient differ and no study_date tells that they are of two days."""
    days = line.row.study_date, other.row.study_date
    return line.row != other.row and (None in days or days[0] == days[1])


def _same_values(same: Sequence[CohortLine], name: str, key: str, wrong: list[str]) -> bool:
    """Whether lines of one key hold the same values; where they do not, the columns that differ go to `wrong`."""
    if all(line.row == same[0].row for line in same):
        return True
    differing = [c for c in COLUMNS if c != "study_uid" and len({line.cells.get(c, "") for line in same}) > 1]
    wrong.append(
        f"{name} {_lines([line.number for line in same])}: {key} stands on each, with different "
        f"{', '.join(differing[:4])}; expected one line, or a study_uid or study_date for each study"
    )
    return False


def _lines(numbers: Sequence[int]) -> str:
    return f"lines {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _require(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    if not any(name in table for name in columns):
        raise ReadError(
            f"{visible(path.name)}: found columns {columns_text(table)}; expected {' or '.join(columns)} among them"
        )


def collect_or_raise(messages: Sequence[str], wrong: list[str] | None) -> None:
    """Add what is wrong with a table to `wrong`.

    Raises:
        ReadError: there is something, and no list for it.
    """
    if wrong is not None:
        wrong.extend(messages)
    elif messages:
        more = f" ({len(messages) - 1} more such lines)" if len(messages) > 1 else ""
        raise ReadError(f"{messages[0]}{more}")
