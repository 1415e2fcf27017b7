"""cohort.csv: covariates, DXA and site of each study, in the words and units of this project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from cohort.errors import ReadError
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel
from cohort.study import Covariates, DxaResult, Findings, Sex

KEY_COLUMNS = ("study_uid", "patient_id")


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One line of cohort.csv."""

    covariates: Covariates
    dxa: DxaResult | None
    site: str | None
    findings: Findings
    study_date: date | None


def read_cohort_csv(path: Path) -> dict[str, CohortRow]:
    """Rows by study_uid and by patient_id, whichever columns stand.

    Known columns: study_uid, patient_id, age_years, sex, height_cm, weight_kg, bmi_kg_m2, t_score, bmd_g_cm2,
    t_score_L1 .. t_score_L4, dxa_date, dxa_reference, site, study_date, menopause_age_years, implant, fracture_grade,
    cobb_deg, exposure, lumbar_count, fractures. Others are ignored; empty cells are unknown values.

    Raises:
        ReadError: no key column, or a value that is no number or no sex.
    """
    table = read_table(path)
    keys = [name for name in KEY_COLUMNS if name in table]
    if not keys:
        raise ReadError(
            f"{path.name}: found columns {', '.join(map(str, table))}; expected study_uid or patient_id among them"
        )
    rows: dict[str, CohortRow] = {}
    for number, cells in enumerate(table.to_dict("records"), start=2):
        row = cohort_row({str(k): str(v) for k, v in cells.items()}, f"{path.name} line {number}")
        for key in keys:
            if str(cells[key]).strip():
                rows.setdefault(str(cells[key]).strip(), row)
    return rows


def read_table(path: Path) -> pd.DataFrame:
    """A CSV with every cell as text, empty where missing.

    Raises:
        ReadError: not a readable CSV.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise ReadError(f"{path.name}: cannot be read as CSV ({error}); expected a header line and commas") from error


def cohort_row(cells: dict[str, str], where: str) -> CohortRow:
    """Covariates, DXA and site from one row of text cells.

    Raises:
        ReadError: a value that is no number, no sex or out of any human range.
    """
    sex = cells.get("sex", "").strip().upper()[:1]
    if sex and sex not in ("F", "M"):
        raise ReadError(f"{where}: sex is {cells['sex']!r}, expected F or M")
    covariates = Covariates(
        _number(cells, "age_years", where, 0, 120),
        Sex(sex) if sex else None,
        _number(cells, "height_cm", where, 50, 260),
        _number(cells, "weight_kg", where, 10, 400),
        _number(cells, "bmi_kg_m2", where, 8, 90),
    )
    t_score = _number(cells, "t_score", where, -9, 9)
    levels = {level: _number(cells, f"t_score_{level}", where, -9, 9) for level in TARGET_LEVELS}
    dxa = None
    if t_score is not None:
        dxa = DxaResult(
            t_score,
            _number(cells, "bmd_g_cm2", where, 0.1, 3),
            {level: value for level, value in levels.items() if value is not None},
            _day(cells, "dxa_date", where),
            cells.get("dxa_reference", "").strip() or None,
        )
    site = cells.get("site", "").strip() or None
    return CohortRow(covariates, dxa, site, _findings(cells, where), _day(cells, "study_date", where))


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
        value = float(text)
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
