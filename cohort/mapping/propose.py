"""Proposals of what the columns of one table hold: what header and values agree on is taken, all else is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pandas as pd

from cohort.io.tables.columns import IMAGE_COLUMNS, KEY_COLUMNS
from cohort.io.view_names import view_from_text
from cohort.mapping.columns_file import UNITS, Holds, Meaning, ProposedColumn, TableMapping, unit_key
from cohort.mapping.evidence import known_cells, measured, numbers_of, of_day, of_sex
from cohort.mapping.headers import HeaderReading, places, read_header_words
from cohort.mapping.regions import region_of_cell
from cohort.spine import View

OWN_TABLES = ("cohort.csv", "dxa.csv")
DAYS = ("study_date", "dxa_date", "birth_date")
KEYS = (*KEY_COLUMNS, "accession_number")
OF_PATIENTS = ("age_years", "birth_date", "height_cm", "weight_kg", "bmi_kg_m2", "menopause_age_years")
SCORES = ("t_score", "bmd_g_cm2")
NO_COLUMNS = ("z_score", "unused", "any_id", "any_date")
_LUMBAR = {"L1-L4", "lumbar"}
_IMAGES = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmIds:
    """Identifiers of the radiographs that the tables are of, by the column that would hold them."""

    patient_id: frozenset[str] = frozenset()
    study_uid: frozenset[str] = frozenset()
    accession_number: frozenset[str] = frozenset()

    def column_of(self, cells: Sequence[str]) -> str | None:
        """The one column whose identifiers half of the cells, or of the radiographs, have; None for none or several."""
        values = set(known_cells(cells))
        found = []
        for column in KEYS:
            known: frozenset[str] = getattr(self, column)
            if known and len(values & known) >= max(1, min(len(values), len(known)) / 2):
                found.append(column)
        if found == ["study_uid", "patient_id"] and values & self.study_uid == values & self.patient_id:
            return "patient_id"
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table while its columns are proposed."""

    cells: dict[str, list[str]]
    readings: dict[str, HeaderReading]
    name: HeaderReading
    ids: FilmIds

    @property
    def is_lumbar(self) -> bool:
        """Whether the table's name or headers name the lumbar spine and no other place."""
        regions = {region for reading in (self.name, *self.readings.values()) for region in reading.regions}
        return bool(regions & {*_LUMBAR, "L1", "L2", "L3", "L4"}) and "other" not in regions

    @property
    def has_regions(self) -> bool:
        """Whether a column names the region of each line."""
        return any(_is_region(reading, self.cells[header]) for header, reading in self.readings.items())


def propose_table(
    path: Path, table: pd.DataFrame, ids: FilmIds, elsewhere: frozenset[str] = frozenset()
) -> TableMapping:
    """What the columns of a table may hold.

    Args:
        path: the table; its name may say what it is of.
        table: every cell as text, by the headers of the file.
        ids: identifiers of the radiographs, which settle a column that is called `ID` or `Nr.`.
        elsewhere: columns of patients that a table without DXA has; a table that repeats them is one of scans.
    """
    headers = [str(header) for header in table.columns]
    cells = {header: table[header].astype(str).tolist() for header in headers}
    readings = {header: read_header_words(header, path.name in OWN_TABLES) for header in headers}
    whole = _Table(cells=cells, readings=readings, name=read_header_words(path.stem), ids=ids)
    columns = [_checked(_proposed(header, whole), readings[header]) for header in headers]
    columns = _bmi_agrees(_keys(columns, whole), cells)
    holds = _kind(columns, whole, elsewhere)
    columns = _once(_scans_alone([_dated(column, holds, columns, whole) for column in columns], holds))
    if holds is not Holds.NOTHING and any(_may_be(column, IMAGE_COLUMNS) for column in columns):
        holds = Holds.MANIFEST
    return TableMapping(file=path.name, holds=holds, columns=tuple(columns), why=_WHY[holds])


_WHY = {
    Holds.COHORT: "one line a patient or study",
    Holds.DXA: "DXA scans, any number a patient",
    Holds.MANIFEST: "images by their paths",
    Holds.NOTHING: "not read: its first line names no column of patients or studies, or no other known one",
}


def _proposed(header: str, table: _Table) -> ProposedColumn:
    """What one column may hold by its header and its values."""
    reading, cells = table.readings[header], table.cells[header]
    unused = ProposedColumn(header=header, meanings=(None,))
    roles = [role for role in reading.roles if role not in NO_COLUMNS]
    if reading.roles == ("any_date",) and len(reading.contexts) == 1:
        roles = ["dxa_date" if reading.contexts == ("DXA",) else "study_date"]
    if (view := view_from_text(header)) and _are_images(cells):
        return replace(unused, meanings=(Meaning(column="ap" if view is View.AP else "lateral"),))
    if _is_region(reading, cells):
        return replace(unused, meanings=(Meaning(column="dxa_region"),))
    if "z_score" in reading.roles:
        return replace(unused, why="Z-scores are not T-scores")
    if len(roles) > 1:
        choices = (*(Meaning(column=role) for role in roles), None)
        return replace(unused, meanings=choices, why="its header names several values")
    return _of_role(header, roles[0], table) if roles and roles != ["dxa_region"] else unused


def _of_role(header: str, role: str, table: _Table) -> ProposedColumn:
    """A column whose header names one value."""
    cells, reading = table.cells[header], table.readings[header]
    if role in DAYS:
        return of_day(header, cells, role)
    if role == "sex":
        return of_sex(header, cells)
    if unit_key(role) not in UNITS:
        return ProposedColumn(header=header, meanings=(Meaning(column=role),))
    column = measured(header, cells, role, reading)
    return _score(column, role, reading, table) if role in SCORES else column


def _score(column: ProposedColumn, role: str, reading: HeaderReading, table: _Table) -> ProposedColumn:
    """A T-score or BMD of L1-L4, of a level, of another place, or of a place that nothing names."""
    regions = set(reading.regions)
    levels = sorted(regions - {*_LUMBAR, "total", "other"})
    if "other" in regions and not regions & {*_LUMBAR, *levels}:
        return replace(column, meanings=(None,), why="of another part of the body than L1-L4")
    if "other" in regions or len(levels) > 1:
        return replace(column, meanings=_open(column), why="its header names several parts of the body")
    if levels and "L1-L4" not in regions and role != "t_score":
        return replace(column, meanings=(None,), why="BMD of one level is not read")
    if levels and "L1-L4" not in regions:
        of_level = tuple(None if m is None else replace(m, column=f"t_score_{levels[0]}") for m in column.meanings)
        return replace(column, meanings=of_level)
    if regions & _LUMBAR or table.has_regions or reading.exact or table.is_lumbar:
        return column
    return replace(column, meanings=_open(column), why="names no part of the body; only values of L1-L4 are read")


def _open(column: ProposedColumn) -> tuple[Meaning | None, ...]:
    return column.meanings if None in column.meanings else (*column.meanings, None)


def _checked(column: ProposedColumn, reading: HeaderReading) -> ProposedColumn:
    """A column that waits for a choice where its header has words of no list, or of two meanings."""
    by_header = any(m is not None and (m.words or m.column in IMAGE_COLUMNS) for m in column.meanings)
    if column.meanings == (None,) or by_header or not (reading.unknown or reading.unsure):
        return column
    why = f"not known: {' '.join(reading.unknown)}" if reading.unknown else "this word has two meanings"
    return replace(column, meanings=_open(column), why=f"{why}; {column.why}" if column.why else why)


def _keys(columns: list[ProposedColumn], table: _Table) -> list[ProposedColumn]:
    """Columns of identifiers: by their header, by the radiographs' identifiers, else the user's choice."""
    named = {c.meanings[0].column for c in columns if not c.is_open and c.meanings[0] and c.meanings[0].column in KEYS}
    out = [_any_id(column, table, named) for column in columns]
    twice = [key for key, n in Counter(c.meanings[0].column for c in out if c.meanings[0]).items() if n > 1]
    for key in (key for key in twice if key in KEYS):
        same = [c for c in out if c.meanings[0] and c.meanings[0].column == key]
        fitting = [c for c in same if table.ids.column_of(table.cells[c.header]) == key]
        if len(fitting) == 1:
            out = [replace(c, meanings=(None,), why=f"{fitting[0].header} has the radiographs' identifiers")
                   if c in same and c not in fitting else c for c in out]  # fmt: skip
    return out


def _any_id(column: ProposedColumn, table: _Table, named: Collection[str]) -> ProposedColumn:
    """A column that is called ID or number and no more."""
    reading = table.readings[column.header]
    if column.meanings != (None,) or "any_id" not in reading.roles:
        return column
    found = table.ids.column_of(table.cells[column.header])
    if found is not None and found not in named and not reading.unknown:
        return replace(column, meanings=(Meaning(column=found),), why="as the radiographs have them")
    choices = (*(Meaning(column=key) for key in KEYS), None)
    return column if named else replace(column, meanings=choices, why="no radiograph tells which")


def _kind(columns: Sequence[ProposedColumn], table: _Table, elsewhere: frozenset[str]) -> Holds:
    """What the lines of a table are, by its columns, its name and whether patients stand on several lines."""
    dates = [header for header, reading in table.readings.items() if "any_date" in reading.roles]
    others = [c for c in columns if not _may_be(c, KEYS) and (c.meanings != (None,) or c.header in dates)]
    if not any(_may_be(c, KEYS) for c in columns) or not others:
        return Holds.NOTHING
    if not any(_is_score(m) for c in others for m in c.meanings):
        return Holds.COHORT
    ids = [c.header for c in columns if _may_be(c, ("patient_id",))]
    several = bool(ids) and len(set(known_cells(table.cells[ids[0]]))) < len(known_cells(table.cells[ids[0]]))
    new = {*OF_PATIENTS, "study_date"} - elsewhere
    of_patients = any(_may_be(c, tuple(new)) for c in others)
    dxa_by_name = "DXA" in table.name.contexts or "bmd_g_cm2" in table.name.roles
    of_studies = any(_may_be(c, ("study_uid", "accession_number")) and not c.is_open for c in columns)
    return Holds.DXA if (several or dxa_by_name or not of_patients) and ids and not of_studies else Holds.COHORT


def _dated(column: ProposedColumn, holds: Holds, columns: Sequence[ProposedColumn], table: _Table) -> ProposedColumn:
    """A column of days that is called a date and no more: of the scan, of the radiograph, or the user's choice."""
    reading = table.readings[column.header]
    if "any_date" not in reading.roles or column.meanings != (None,):
        return column
    named = {m.column for c in columns for m in c.meanings if m is not None}
    scored = any(_is_score(m) for c in columns for m in c.meanings)
    likely = ["dxa_date"] if holds is Holds.DXA else ["study_date", "dxa_date"] if scored else ["study_date"]
    likely = [name for name in likely if name not in named]
    if not likely:
        return column
    dated = of_day(column.header, table.cells[column.header], likely[0])
    if len(likely) > 1:
        both = (*(replace(m, column=name) for name in likely for m in dated.meanings if m is not None), None)
        dated = replace(dated, meanings=both, why="of the radiograph or of the DXA scan")
    return _checked(dated, reading)


def _scans_alone(columns: list[ProposedColumn], holds: Holds) -> list[ProposedColumn]:
    """Columns of a table of scans; what it says of patients beside their sex is not read."""
    if holds is not Holds.DXA:
        return columns
    return [
        replace(c, meanings=(None,), why="a table of scans gives no covariates of the radiographs")
        if _may_be(c, OF_PATIENTS) else c
        for c in columns
    ]  # fmt: skip


def _is_score(meaning: Meaning | None) -> bool:
    return meaning is not None and unit_key(meaning.column) in SCORES


def _may_be(column: ProposedColumn, names: Sequence[str]) -> bool:
    return any(meaning is not None and meaning.column in names for meaning in column.meanings)


def _is_region(reading: HeaderReading, cells: Sequence[str]) -> bool:
    """Whether a column called region, or site, names parts of the body on most lines."""
    if not {"dxa_region", "site"} & set(reading.roles):
        return False
    known = known_cells(cells)
    found = [region_of_cell(cell, places("lumbar"), places("other place"), places("total")) for cell in known]
    return bool(known) and sum(region is not None for region in found) >= len(known) / 2


def _are_images(cells: Sequence[str]) -> bool:
    known = known_cells(cells)
    return bool(known) and all(cell.lower().endswith(_IMAGES) for cell in known)


def _bmi_agrees(columns: list[ProposedColumn], cells: dict[str, list[str]]) -> list[ProposedColumn]:
    """Height, weight and BMI that contradict each other wait for a choice: a unit is another than it seems."""
    found = {c.meanings[0].column: c for c in columns if not c.is_open and c.meanings[0] is not None}
    names = ("height_cm", "weight_kg", "bmi_kg_m2")
    if not all(name in found for name in names):
        return columns
    factors = [UNITS[name][meaning.unit or next(iter(UNITS[name]))] for name in names
               if (meaning := found[name].meanings[0]) is not None]  # fmt: skip
    ratios = []
    for row in zip(*(cells[found[name].header] for name in names), strict=True):
        values = [numbers_of([cell]) for cell in row]
        if all(values) and all(value[0] > 0 for value in values):
            height, weight, bmi = (value[0] * factor for value, factor in zip(values, factors, strict=True))
            ratios.append(weight / (height / 100) ** 2 / bmi)
    if not ratios or abs(median(ratios) - 1) < 0.1:
        return columns
    why = f"weight and height give {median(ratios):.2f} times the BMI of the table"
    return [replace(c, meanings=_open(c), why=why) if c in found.values() and _may_be(c, names) else c for c in columns]


def _once(columns: list[ProposedColumn]) -> list[ProposedColumn]:
    """Columns of which no two are taken for the same."""
    taken: dict[str, list[str]] = {}
    for column in columns:
        if not column.is_open and column.meanings[0] is not None:
            taken.setdefault(column.meanings[0].column, []).append(column.header)
    return [_alone(column, taken) for column in columns]


def _alone(column: ProposedColumn, taken: dict[str, list[str]]) -> ProposedColumn:
    same = [] if column.meanings[0] is None else taken.get(column.meanings[0].column, [])
    if column.is_open or len(same) < 2:
        return column
    others = ", ".join(header for header in same if header != column.header)
    return replace(column, meanings=_open(column), why=f"{others} seems to hold it too")
