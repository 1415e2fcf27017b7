"""cohort.csv and dxa.csv: rows by study and patient, scans by patient, doubled and unreadable lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.io.tables.columns import COLUMNS, KEY_COLUMNS
from cohort.io.tables.reader import collect_or_raise, line_numbers, lines_of, read_table, require
from cohort.io.tables.rows import CohortRow, cohort_row, dxa_result
from cohort.io.tables.scans import ScanTable, nearest_scan, read_dxa_csv, scan_table
from cohort.io.tables.words import known
from cohort.mapping.merge import merged
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
        name: of the file.
        unmatched: keys of further tables that fill this one, of which it has no line.
    """

    rows: dict[str, CohortRow]
    lines: tuple[CohortLine, ...]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]
    encoding: str
    name: str = "cohort.csv"
    unmatched: tuple[str, ...] = ()


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


def cohort_table(*paths: Path, studies_of: Mapping[str, str] | None = None) -> CohortTable:
    """cohort.csv with what is doubled in it and what is wrong with it, line by line.

    Args:
        paths: cohort.csv, or the tables that columns.yaml names in its place, which are merged.
        studies_of: study_uid by accession number; a line of another accession number is of a study of that name.

    Raises:
        ReadError: no table, no key column, or tables that cannot be merged.
    """
    wrong: list[str] = []
    unmatched: list[str] = []
    tables = [(visible(path.name), read_table(path, wrong)) for path in paths]
    name, table = merged(tables, wrong, unmatched)
    if studies_of is not None and "accession_number" in table:
        uids = table["study_uid"].tolist() if "study_uid" in table else [""] * len(table)
        accessions = [known(cell) for cell in table["accession_number"]]
        table["study_uid"] = [known(uid) or studies_of.get(a, a) for uid, a in zip(uids, accessions, strict=True)]
    require(table, KEY_COLUMNS, name)
    lines = []
    for number, cells in lines_of(table):
        try:
            row = cohort_row(cells, f"{name} line {number}")
        except ReadError as error:
            wrong.append(str(error))
            continue
        uid, patient = (known(cells.get(name, "")) for name in KEY_COLUMNS)
        lines.append(CohortLine(number=number, study_uid=uid, patient_id=patient, cells=cells, row=row))
    doubled: list[str] = []
    lines = _one_a_study(lines, name, doubled, wrong)
    lines, of_patients = _by_patient(lines, name, doubled, wrong)
    of_studies = {line.study_uid: line for line in lines if line.study_uid}
    rows = {uid: line.row for uid, line in of_studies.items()}
    for patient, line in of_patients.items():
        other = of_studies.get(patient, line)
        if other.patient_id != patient and other.row != line.row:
            both = f"{name} {line_numbers([other.number, line.number])}"
            what = f"{visible(patient)} is the study_uid of one and the patient_id of the other"
            wrong.append(f"{both}: {what}; expected names that tell them apart")
        else:
            rows.setdefault(patient, line.row)
    return CohortTable(
        rows=rows,
        lines=tuple(lines),
        doubled=tuple(doubled),
        wrong=tuple(wrong),
        encoding=table.attrs["encoding"],
        name=name,
        unmatched=tuple(unmatched),
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
                doubled.append(f"{visible(uid)} ({line_numbers([line.number for line in same])})")
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
                doubled.append(f"{visible(patient)} ({line_numbers([line.number for line in repeated])})")
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
        f"{name} {line_numbers([line.number for line in same])}: {key} stands on each, with different "
        f"{', '.join(differing[:4])}; expected one line, or a study_uid or study_date for each study"
    )
    return False
