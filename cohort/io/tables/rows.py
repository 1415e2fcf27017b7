"""One line of cohort.csv, dxa.csv or a manifest from its text cells: covariates, DXA, site and findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from cohort.bmd import DxaResult, reference_of, t_score_of
from cohort.covariates import Covariates, Sex
from cohort.io.tables.cells import day, number, whole_number
from cohort.io.tables.columns import LEVEL_T_SCORE_COLUMNS
from cohort.io.tables.words import is_no, known, plain, sex_of, split_of_word
from cohort.spine import LEVELS, VertebralLevel
from cohort.study import Findings, Split
from osteolens.documents.json_document import quoted
from osteolens.errors import ReadError

MIN_LEVELS = 2
"""Fewest levels whose mean T-score stands for L1-L4 where it is not given; fewer are not representative (ISCD 2019)."""

T_SCORE_DECIMALS = 9
"""Decimals of a calculated T-score: enough that rounding decides no class, and few enough that sums of binary
fractions, which are not exact, give -2.5 where they should."""

T_SCORES, BMDS_G_CM2, SDS_G_CM2 = (-9, 9), (0.1, 3), (0.01, 1)
"""Lowest and highest values that a table may hold; beyond them the unit or the column is wrong."""

DAYS_A_YEAR = 365.25

LIMITS: dict[str, tuple[float, float]] = {
    "age_years": (0, 120),
    "height_cm": (50, 260),
    "weight_kg": (10, 400),
    "bmi_kg_m2": (8, 90),
    "t_score": T_SCORES,
    "bmd_g_cm2": BMDS_G_CM2,
    "menopause_age_years": (20, 70),
    "cobb_deg": (0, 150),
    "pixel_spacing_mm": (0.01, 2),
}
"""Lowest and highest values that a table may hold; beyond them the unit or the column is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRow:
    """One line of cohort.csv."""

    covariates: Covariates = field(default_factory=Covariates)
    dxa: DxaResult | None = None
    site: str | None = None
    findings: Findings = field(default_factory=Findings)
    study_date: date | None = None
    machine: str | None = None
    patient_id: str | None = None
    split: Split | None = None
    birth_date: date | None = None
    pixel_spacing_mm: float | None = None


def cohort_row(cells: dict[str, str], where: str) -> CohortRow:
    """Covariates, DXA, site and split from one row of text cells.

    Raises:
        ReadError: a value that is no number, no day, no sex, no split or out of any human range.
    """
    birth, day_of_study = _day(cells, "birth_date", where), _day(cells, "study_date", where)
    given = _number(cells, "age_years", where)
    covariates = Covariates(
        age_years=given if given is not None else age_on(day_of_study, birth, where),
        sex=sex_of_row(cells, where),
        height_cm=_number(cells, "height_cm", where),
        weight_kg=_number(cells, "weight_kg", where),
        bmi_given=_number(cells, "bmi_kg_m2", where),
    )
    return CohortRow(
        covariates=covariates,
        dxa=dxa_result(cells, covariates.sex, where),
        site=known(cells.get("site", "")) or None,
        findings=_findings(cells, where),
        study_date=day_of_study,
        machine=known(cells.get("machine", "")) or None,
        patient_id=known(cells.get("patient_id", "")) or None,
        split=_split(cells, where),
        birth_date=birth,
        pixel_spacing_mm=_number(cells, "pixel_spacing_mm", where),
    )


def age_on(day_of_study: date | None, birth: date | None, where: str) -> float | None:
    """Age in years on a day, to a tenth; None where one of both days is unknown.

    Raises:
        ReadError: the birth is after that day, or more than 120 years before.
    """
    if day_of_study is None or birth is None:
        return None
    age = round((day_of_study - birth).days / DAYS_A_YEAR, 1)
    if not LIMITS["age_years"][0] <= age <= LIMITS["age_years"][1]:
        raise ReadError(f"{where}: birth_date {birth} and study_date {day_of_study} give an age of {age:g}; check both")
    return age


def _split(cells: dict[str, str], where: str) -> Split | None:
    try:
        return split_of_word(cells.get("split", ""))
    except ValueError as error:
        raise ReadError(f"{where}: split is {error}") from error


def sex_of_row(cells: dict[str, str], where: str) -> Sex | None:
    """Sex of one row, None where the column is missing or the cell unknown.

    Raises:
        ReadError: no word of `cohort.io.tables.words`.
    """
    try:
        return sex_of(cells.get("sex", ""))
    except ValueError as error:
        raise ReadError(f"{where}: sex is {error}") from error


def dxa_result(cells: dict[str, str], sex: Sex | None, where: str) -> DxaResult | None:
    """DXA of one row: the L1-L4 T-score as given, else from BMD and its reference, else the mean of the levels given.

    Raises:
        ReadError: a value that is no number, no day or out of any human range.
    """
    given = _number(cells, "t_score", where)
    bmd = _number(cells, "bmd_g_cm2", where)
    levels = {level: _number(cells, column, where, T_SCORES) for level, column in LEVEL_T_SCORE_COLUMNS.items()}
    by_level = {level: value for level, value in levels.items() if value is not None}
    name = known(cells.get("dxa_reference", "")) or None
    mean = _number(cells, "reference_mean_g_cm2", where, BMDS_G_CM2)
    sd = _number(cells, "reference_sd_g_cm2", where, SDS_G_CM2)
    scan_date = _day(cells, "dxa_date", where)
    reference = (mean, sd) if mean is not None and sd is not None else reference_of(name, sex)
    t_score = given
    if t_score is None and bmd is not None and reference is not None:
        t_score = round(t_score_of(bmd, *reference), T_SCORE_DECIMALS)
    if t_score is None and len(by_level) >= MIN_LEVELS:
        t_score = round(sum(by_level.values()) / len(by_level), T_SCORE_DECIMALS)
    return (
        None
        if t_score is None
        else DxaResult(t_score=t_score, bmd_g_cm2=bmd, t_score_by_level=by_level, scan_date=scan_date, reference=name)
    )


def _findings(cells: dict[str, str], where: str) -> Findings:
    """Implant: empty is unknown, a word for no is without, any other is with. Exposure: only `good` is readable."""
    implant, exposure = cells.get("implant", ""), known(cells.get("exposure", ""))
    grade = whole_number(cells.get("fracture_grade", ""), where, "fracture_grade", (0, 3))
    fractures = known(cells.get("fractures", ""))
    return Findings(
        menopause_age_years=_number(cells, "menopause_age_years", where),
        implant=False if is_no(implant) else True if known(implant) else None,
        fracture_grade=grade,
        cobb_deg=_number(cells, "cobb_deg", where),
        exposure_adequate=plain(exposure) == "good" if exposure else None,
        lumbar_count=whole_number(cells.get("lumbar_count", ""), where, "lumbar_count", (3, 7)),
        height_loss=_fractures(fractures, where) if grade == 0 or fractures else None,
    )


def _fractures(text: str, where: str) -> dict[VertebralLevel, float]:
    """`L1:wedge:0.32 L3:crush:0.25` into the loss by level; names outside T10 to S1, such as L6, are left out."""
    losses = {}
    for part in text.split():
        name, _, rest = part.partition(":")
        try:
            value = number(rest.rpartition(":")[2], where, "fractures", (-1e9, 1e9))
        except ReadError:
            value = None
        if value is None:
            raise ReadError(f"{where}: fractures holds {quoted(part)}, expected level:kind:share such as L1:wedge:0.32")
        if not 0 <= value < 1:
            raise ReadError(f"{where}: fractures holds {quoted(part)}, expected a share of height from 0 to 1")
        if name in LEVELS:
            losses[VertebralLevel(name)] = value
    return losses


def _number(cells: dict[str, str], name: str, where: str, limits: tuple[float, float] | None = None) -> float | None:
    return number(cells.get(name, ""), where, name, limits or LIMITS[name])


def _day(cells: dict[str, str], name: str, where: str) -> date | None:
    return day(cells.get(name, ""), where, name)
