"""The table of LUMOS, as its owners publish it (xlsx, or saved as CSV) and as the Kaggle copy holds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.bmd import DxaResult
from cohort.covariates import Covariates, Sex
from cohort.importers.drawn import LeftOut
from cohort.io.spreadsheet import is_workbook, sheets_with_cells
from cohort.io.tables.cells import number
from cohort.io.tables.reader import lines_of, read_table
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.words import sex_of
from cohort.spine import TARGET_LEVELS
from osteolens.documents.text import visible
from osteolens.errors import ReadError

HEADER_ROWS = 20
"""First rows among which the line with the names of the columns is looked for."""

HIGHEST_IN_METRES, LOWEST_IN_CENTIMETRES = 2.6, 50.0
"""Height below which the unit is the metre, and from which it is the centimetre."""

KAGGLE = frozenset({"patient_id", "image_path_ap", "image_path_lat", "age", "gender", "height", "weight", "t_l1_l4"})
OWNERS = frozenset({"patient_id", "age", "gender"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: where it stands, and its cells as text under the names of the columns in lower case."""

    where: str
    cells: Mapping[str, str]


def read_lines(path: Path, left_out: list[LeftOut]) -> list[Line]:
    """Lines of a table; those that do not fit its header are listed.

    Raises:
        ReadError: no readable table, no column patient_id, or more rows or columns than the caps.
    """
    is_csv = path.suffix.lower() == ".csv"
    rows = _csv_rows(path, left_out) if is_csv else _xlsx_rows(path)
    name = visible(path.name)
    columns: list[str] = []
    lines = []
    for place, row in rows:
        if not columns:
            spelt = [re.sub(r"\W+", "_", cell.strip().lower()).strip("_") for cell in row]
            if "patient_id" in spelt:
                columns = spelt
            elif place >= HEADER_ROWS:
                break
            continue
        if any(cell.strip() for cell in row):
            lines.append(Line(f"{name} line {place}", dict(zip(columns, row, strict=False))))
    if not columns:
        raise ReadError(f"{name}: no column patient_id in its first {HEADER_ROWS} lines; expected the table of LUMOS")
    return lines


def _csv_rows(path: Path, left_out: list[LeftOut]) -> Iterator[tuple[int, list[str]]]:
    wrong: list[str] = []
    table = read_table(path, wrong)
    left_out += [LeftOut(path, message) for message in wrong]
    yield 1, [str(name) for name in table]
    for number_of_line, cells in lines_of(table):
        yield number_of_line, list(cells.values())


def _xlsx_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Row and cells of the first sheet that has any, values and not formulas."""
    if not is_workbook(path):
        raise ReadError(f"{visible(path.name)}: cannot be read as xlsx (it is no xlsx file); save the table as CSV")
    sheets = sheets_with_cells(path)
    return sheets[0][1] if sheets else []


def patient_number(text: str) -> int | None:
    """The number of a patient: `1`, `001`, `1.0` and `lumos_x_001` are one."""
    match = re.fullmatch(r"(?:lumos[_ -]?x?[_ -]?)?(\d{1,9})(?:[.,]0+)?", text.strip(), re.IGNORECASE)
    return int(match[1]) if match else None


def cohort_row_of(line: Line, study: str, path: Path, left_out: list[LeftOut]) -> CohortRow:
    """A line as a row of cohort.csv; each value out of its limits is listed and stays unknown.

    BMI is left to be computed from height and weight, since the column `bmi` of the Kaggle copy is damaged; the L1-L4
    T-score is `t_l1_l4` where it stands, else those of the levels are given.

    Args:
        line: of the table.
        study: name of the study, which is the patient's too.
        path: the table.
        left_out: gets the values that cannot be right.
    """

    def value(column: str, low: float, high: float) -> float | None:
        try:
            return number(line.cells.get(column, ""), line.where, column, (low, high))
        except ReadError as error:
            left_out.append(LeftOut(path, f"{error}; taken as unknown"))
            return None

    sex: Sex | None = None
    age = value("age", 0, 120)
    try:
        sex = sex_of(line.cells.get("gender", ""))
    except ValueError as error:
        left_out.append(LeftOut(path, f"{line.where}: gender is {error}; taken as unknown"))
    height = value("height", 0.5, 260)
    if height is not None and HIGHEST_IN_METRES <= height < LOWEST_IN_CENTIMETRES:
        left_out.append(LeftOut(path, f"{line.where}: height is {height:g}, neither metres nor centimetres; unknown"))
        height = None
    height_cm = None if height is None else round(100 * height if height < HIGHEST_IN_METRES else height, 1)
    weight = value("weight", 10, 400)
    bmi = value("bmi", 8, 90) if height_cm is None or weight is None else None
    bmd = value("bmd", 0.1, 3)
    t_score = value("t_l1_l4", -9, 9)
    by_level = {level: value(f"t_{level.lower()}", -9, 9) for level in TARGET_LEVELS}
    return CohortRow(
        patient_id=study,
        covariates=Covariates(age_years=age, sex=sex, height_cm=height_cm, weight_kg=weight, bmi_given=bmi),
        dxa=DxaResult(
            t_score=t_score,
            bmd_g_cm2=bmd,
            t_score_by_level={level: score for level, score in by_level.items() if score is not None},
        ),
    )
