"""cohort.csv: covariates, DXA and site of each study, in the words and units of this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from cohort.dxa_reference import reference_of, t_score_of
from cohort.errors import ReadError
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel
from cohort.study import Covariates, DxaResult, Findings, Sex

KEY_COLUMNS = ("study_uid", "patient_id")

MIN_LEVELS = 2
"""Fewest levels whose mean T-score stands for L1-L4 where it is not given; fewer say too little (ISCD 2019)."""


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One line of cohort.csv."""

    covariates: Covariates
    dxa: DxaResult | None
    site: str | None
    findings: Findings
    study_date: date | None
    machine: str | None = None


def read_cohort_csv(path: Path, wrong: list[str] | None = None) -> dict[str, CohortRow]:
    """Rows by study_uid and by patient_id, whichever columns stand.

    Known columns: study_uid, patient_id, age_years, sex, height_cm, weight_kg, bmi_kg_m2, t_score, bmd_g_cm2,
    t_score_L1 .. t_score_L4, dxa_date, dxa_reference, reference_mean_g_cm2, reference_sd_g_cm2, site, machine,
    study_date, menopause_age_years, implant, fracture_grade, cobb_deg, exposure, lumbar_count, fractures. Others are
    ignored; empty cells are unknown values.

    Args:
        path: the table.
        wrong: gets what is wrong with every line that cannot be read, and such lines are left out; without it the first
            one is an error.

    Raises:
        ReadError: no key column, or a value that is no number, no sex or out of any human range.
    """
    table = read_table(path)
    keys = [name for name in KEY_COLUMNS if name in table]
    if not keys:
        raise ReadError(
            f"{path.name}: found columns {', '.join(map(str, table))}; expected study_uid or patient_id among them"
        )
    rows: dict[str, CohortRow] = {}
    for number, cells in enumerate(table.to_dict("records"), start=2):
        try:
            row = cohort_row({str(k): str(v) for k, v in cells.items()}, f"{path.name} line {number}")
        except ReadError as error:
            if wrong is None:
                raise
            wrong.append(str(error))
            continue
        for key in keys:
            if str(cells[key]).strip():
                rows.setdefault(str(cells[key]).strip(), row)
    return rows


def read_dxa_csv(path: Path) -> dict[str, list[DxaResult]]:
    """DXA scans by patient_id, from a table of its own: any number a patient, with the DXA columns of cohort.csv.

    Raises:
        ReadError: no column patient_id, or a value that is no number or out of any human range.
    """
    table = read_table(path)
    if "patient_id" not in table:
        raise ReadError(f"{path.name}: found columns {', '.join(map(str, table))}; expected patient_id among them")
    scans: dict[str, list[DxaResult]] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        cells = {str(k): str(v) for k, v in row.items()}
        where = f"{path.name} line {number}"
        found = dxa_result(cells, _sex(cells, where), where)
        if found is not None:
            scans.setdefault(cells["patient_id"].strip(), []).append(found)
    return scans


def nearest_scan(scans: Sequence[DxaResult], day: date | None) -> DxaResult | None:
    """The scan nearest to a day; of several, none where the day or all their dates are unknown."""
    if len(scans) == 1:
        return scans[0]
    dated = [(abs((scan.scan_date - day).days), k) for k, scan in enumerate(scans) if day and scan.scan_date]
    return scans[min(dated)[1]] if dated else None


def read_table(path: Path) -> pd.DataFrame:
    """A CSV with every cell as text, empty where missing; commas, semicolons or tabs part the columns.

    Raises:
        ReadError: not a readable CSV.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        separator = max(",;\t", key=header.count)
        return pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig"
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise ReadError(f"{path.name}: cannot be read as CSV ({error}); expected a header line and commas") from error


def cohort_row(cells: dict[str, str], where: str) -> CohortRow:
    """Covariates, DXA and site from one row of text cells.

    Raises:
        ReadError: a value that is no number, no sex or out of any human range.
    """
    sex = _sex(cells, where)
    covariates = Covariates(
        _number(cells, "age_years", where, 0, 120),
        sex,
        _number(cells, "height_cm", where, 50, 260),
        _number(cells, "weight_kg", where, 10, 400),
        _number(cells, "bmi_kg_m2", where, 8, 90),
    )
    dxa = dxa_result(cells, covariates.sex, where)
    site = cells.get("site", "").strip() or None
    machine = cells.get("machine", "").strip() or None
    return CohortRow(covariates, dxa, site, _findings(cells, where), _day(cells, "study_date", where), machine)


def _sex(cells: dict[str, str], where: str) -> Sex | None:
    sex = cells.get("sex", "").strip().upper()[:1]
    if sex and sex not in ("F", "M"):
        raise ReadError(f"{where}: sex is {cells['sex']!r}, expected F or M")
    return Sex(sex) if sex else None


def dxa_result(cells: dict[str, str], sex: Sex | None, where: str) -> DxaResult | None:
    """DXA of one row: the L1-L4 T-score as given, else from BMD and its reference, else the mean of the levels given.

    Raises:
        ReadError: a value that is no number or out of any human range.
    """
    given = _number(cells, "t_score", where, -9, 9)
    bmd = _number(cells, "bmd_g_cm2", where, 0.1, 3)
    levels = {level: _number(cells, f"t_score_{level}", where, -9, 9) for level in TARGET_LEVELS}
    by_level = {level: value for level, value in levels.items() if value is not None}
    name = cells.get("dxa_reference", "").strip() or None
    own = _number(cells, "reference_mean_g_cm2", where, 0.1, 3), _number(cells, "reference_sd_g_cm2", where, 0.01, 1)
    reference = (own[0], own[1]) if own[0] is not None and own[1] is not None else reference_of(name, sex)
    t_score = given
    if t_score is None and bmd is not None and reference is not None:
        t_score = round(t_score_of(bmd, *reference), 2)
    if t_score is None and len(by_level) >= MIN_LEVELS:
        t_score = round(sum(by_level.values()) / len(by_level), 2)
    if t_score is None:
        return None
    return DxaResult(t_score, bmd, by_level, _day(cells, "dxa_date", where), name)


def _findings(cells: dict[str, str], where: str) -> Findings:
    """Implant: empty is unknown; none, no, false and 0 are without. Exposure: only `good` is readable."""
    implant, exposure = (cells.get(name, "").strip().lower() for name in ("implant", "exposure"))
    grade = _number(cells, "fracture_grade", where, 0, 3)
    count = _number(cells, "lumbar_count", where, 3, 7)
    return Findings(
        _number(cells, "menopause_age_years", where, 20, 70),
        None if not implant else implant not in ("none", "no", "false", "0"),
        None if grade is None else int(grade),
        _number(cells, "cobb_deg", where, 0, 150),
        None if not exposure else exposure == "good",
        None if count is None else int(count),
        _fractures(cells.get("fractures", ""), where) if grade == 0 or cells.get("fractures") else None,
    )


def _fractures(text: str, where: str) -> dict[VertebralLevel, float]:
    """`L1:wedge:0.32 L3:crush:0.25` into the loss by level; names outside T10 to S1, such as L6, are left out."""
    losses = {}
    for part in text.split():
        name, _, rest = part.partition(":")
        share = rest.rpartition(":")[2]
        try:
            value = float(share)
        except ValueError as error:
            raise ReadError(
                f"{where}: fractures holds {part!r}, expected level:kind:share such as L1:wedge:0.32"
            ) from error
        if not 0 <= value < 1:
            raise ReadError(f"{where}: fractures holds {part!r}, expected a share of height from 0 to 1")
        if name in LEVELS:
            losses[VertebralLevel(name)] = value
    return losses


def _number(cells: dict[str, str], name: str, where: str, low: float, high: float) -> float | None:
    text = cells.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError as error:
        raise ReadError(f"{where}: {name} is {text!r}, expected a number") from error
    if not low <= value <= high:
        raise ReadError(f"{where}: {name} is {text}, expected {low:g} to {high:g}; check the unit")
    return value


def _day(cells: dict[str, str], name: str, where: str) -> date | None:
    text = cells.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ReadError(f"{where}: {name} is {text!r}, expected YYYY-MM-DD") from error
