"""columns.yaml: what the columns of a folder's tables hold, written by `osteolens cohort check`, mended by people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cohort.io.tables.columns import COHORT_COLUMNS, IMAGE_COLUMNS
from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from osteolens.documents.yaml_document import MOST_BYTES, parse_yaml
from osteolens.errors import ReadError

COLUMNS_FILE = "columns.yaml"

NOT_USED = "not used"

MAPPED_COLUMNS = (*COHORT_COLUMNS, *IMAGE_COLUMNS, "birth_date", "accession_number", "dxa_region")
"""What a column of a table may hold."""

UNITS: Mapping[str, Mapping[str, float]] = {
    "height_cm": {"cm": 1, "m": 100, "mm": 0.1, "in": 2.54},
    "weight_kg": {"kg": 1, "lb": 0.45359237, "jin": 0.5, "g": 0.001},
    "bmi_kg_m2": {"kg/m2": 1},
    "bmd_g_cm2": {"g/cm2": 1, "mg/cm2": 0.001},
    "age_years": {"years": 1, "months": 1 / 12},
    "menopause_age_years": {"years": 1},
    "t_score": {"SD": 1},
    "cobb_deg": {"degrees": 1},
}
"""Units of a column, with what makes a value in them one of the column's own unit (1)."""

ORDERS = ("day/month/year", "month/day/year")
"""Orders of a day that is written with slashes or hyphens."""

_DAYS = ("study_date", "dxa_date", "birth_date")
_LINE = re.compile(r"(\w+)(?: in (\S+))?(?: as (\S+))?(?: with (.+))?")
_PLAIN = re.compile(r"[\w /=,.-]+", re.ASCII)


class Holds(StrEnum):
    """What the lines of a table are."""

    COHORT = "cohort"
    DXA = "dxa"
    MANIFEST = "manifest"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a column holds.

    Attributes:
        column: one of `MAPPED_COLUMNS`.
        unit: of its numbers, None for the column's own.
        order: of its days, one of `ORDERS`, None where their form or another line tells it.
        words: pairs of a cell and the sex that it stands for (F or M).
    """

    column: str
    unit: str | None = None
    order: str | None = None
    words: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words = ", ".join(f"{cell}={sex}" for cell, sex in self.words)
        parts = (("in", self.unit), ("as", self.order), ("with", words))
        return " ".join([self.column, *(f"{word} {value}" for word, value in parts if value)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedColumn:
    """What a column may hold: one meaning, or several of which the user keeps one; None stands for not used."""

    header: str
    meanings: tuple[Meaning | None, ...]
    why: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the user has to choose."""
        return len(self.meanings) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """One table of a folder: the name of its file, what its lines are, and what its columns hold."""

    file: str
    holds: Holds
    columns: tuple[ProposedColumn, ...]
    why: str = ""

    @property
    def open_columns(self) -> tuple[str, ...]:
        """Headers of columns that wait for a choice and are not read."""
        return tuple(column.header for column in self.columns if column.is_open)


@dataclass(frozen=True, slots=True)
class ColumnsFile:
    """columns.yaml of a folder, by the name of the table's file."""

    tables: Mapping[str, TableMapping] = field(default_factory=dict)


def read_columns(folder: Path) -> ColumnsFile | None:
    """columns.yaml of a folder, None where there is none.

    Raises:
        ReadError: no plain YAML, or a value that is no table, no column or no unit; with the table and the column.
    """
    path = folder / COLUMNS_FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
        document = parse_yaml(raw.decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ReadError(f"{COLUMNS_FILE}: cannot be read ({visible(error)[:200]}); mend it, or delete it and run "
                        "osteolens cohort check") from error  # fmt: skip
    tables = document.get("tables") if isinstance(document, dict) else None
    if not isinstance(tables, dict):
        raise ReadError(f"{COLUMNS_FILE}: expected `tables:` and under it the names of files; delete it and run "
                        "osteolens cohort check to have it written")  # fmt: skip
    return ColumnsFile({str(name): _table(str(name), value) for name, value in tables.items()})


def mapping_of(path: Path) -> TableMapping | None:
    """What columns.yaml beside a table says of it, None where it says nothing.

    Raises:
        ReadError: as `read_columns`.
    """
    columns = read_columns(path.parent)
    return None if columns is None else columns.tables.get(path.name)


def tables_that_hold(folder: Path, kind: Holds) -> tuple[Path, ...]:
    """Tables of a folder: those that columns.yaml names, and cohort.csv or dxa.csv where it does not name them.

    Raises:
        ReadError: as `read_columns`, or a table that columns.yaml names is missing.
    """
    columns = read_columns(folder) or ColumnsFile()
    usual = folder / f"{kind}.csv"
    found = [usual] if usual.name not in columns.tables and usual.is_file() else []
    for table in columns.tables.values():
        if table.holds is kind:
            if not (folder / table.file).is_file():
                raise ReadError(f"{COLUMNS_FILE} names {visible(table.file)}, which is not in its folder; put it there,"
                                f" or delete its lines from {COLUMNS_FILE}")  # fmt: skip
            found.append(folder / table.file)
    return tuple(found)


def table_files(folder: Path) -> tuple[Path, ...]:
    """Tables of patients, scans and manual ROIs in a folder, and columns.yaml where it says what they hold.

    Raises:
        ReadError: as `tables_that_hold`.
    """
    tables = (*tables_that_hold(folder, Holds.COHORT), *tables_that_hold(folder, Holds.DXA), folder / "rois.csv")
    mapped = any(path.name not in ("cohort.csv", "dxa.csv", "rois.csv") for path in tables)
    return tuple(path for path in (*tables, *([folder / COLUMNS_FILE] if mapped else [])) if path.is_file())


def write_columns(folder: Path, tables: tuple[TableMapping, ...]) -> Path:
    """Write columns.yaml, whole or not at all; choices stand as lists with the reason beside them.

    Raises:
        OutputError: it cannot be written.
    """
    lines = [
        "# What the columns of the tables beside this file hold; written by `osteolens cohort check`,",
        "# read by every command.",
        "# Where several lines stand under a column, choose: keep the right one and delete the others.",
        "tables:",
    ]
    for table in tables:
        kinds = ", ".join(Holds)
        lines += [f"  {_quoted(table.file)}:", f"    holds: {table.holds}  # {table.why or f'one of {kinds}'}"]
        lines.append("    columns:")
        for column in table.columns:
            why = f"  # {'choose: ' if column.is_open else ''}{visible(column.why)}" if column.why else ""
            if column.is_open:
                lines.append(f"      {_quoted(column.header)}:{why}")
                lines += [f"        - {_value(meaning)}" for meaning in column.meanings]
            else:
                lines.append(f"      {_quoted(column.header)}: {_value(column.meanings[0])}{why}")
    path = folder / COLUMNS_FILE
    write_whole(path, "\n".join(lines) + "\n")
    return path


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _value(meaning: Meaning | None) -> str:
    text = NOT_USED if meaning is None else str(meaning)
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _table(name: str, value: object) -> TableMapping:
    where = f"{COLUMNS_FILE}: {visible(name)}"
    if name in ("", ".", "..") or re.search(r"[/\\\x00]", name):
        raise ReadError(f"{where}: expected the name of a file beside {COLUMNS_FILE}, without a folder")
    if not isinstance(value, dict) or not isinstance(value.get("columns"), dict):
        raise ReadError(f"{where}: expected `holds:` and `columns:` below it")
    if unknown := [str(key) for key in value if key not in ("holds", "columns")]:
        raise ReadError(f"{where}: {visible(unknown[0])} is unknown; expected `holds:` and `columns:`")
    if value.get("holds") not in list(Holds):
        raise ReadError(f"{where}: holds is {visible(value.get('holds'))!r}; expected one of {', '.join(Holds)}")
    columns = tuple(_column(str(header), one, where) for header, one in value["columns"].items())
    chosen = [c.meanings[0].column for c in columns if not c.is_open and c.meanings[0] is not None]
    if twice := [column for column in dict.fromkeys(chosen) if chosen.count(column) > 1]:
        headers = [c.header for c in columns if not c.is_open and c.meanings[0] and c.meanings[0].column == twice[0]]
        raise ReadError(f"{where}: {twice[0]} is held by {visible(' and '.join(headers))}; keep one of them and write "
                        f"`{NOT_USED}` beside the others")  # fmt: skip
    return TableMapping(file=name, holds=Holds(value["holds"]), columns=columns)


def _column(header: str, value: object, where: str) -> ProposedColumn:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ReadError(f"{where}: {visible(header)} has no line left; expected a column or `{NOT_USED}`")
    return ProposedColumn(
        header=header, meanings=tuple(_meaning(item, f"{where}: {visible(header)}") for item in items)
    )


def _meaning(value: object, where: str) -> Meaning | None:
    if value is None or value == NOT_USED:
        return None
    match = _LINE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ReadError(f"{where} is {visible(value)!r}; expected such as `weight_kg in kg`, or `{NOT_USED}`")
    column, unit, order, words = match.groups()
    if column not in MAPPED_COLUMNS:
        raise ReadError(f"{where}: {visible(column)} is no column; expected one of {', '.join(MAPPED_COLUMNS)}, or "
                        f"`{NOT_USED}`")  # fmt: skip
    if unit is not None and unit not in UNITS.get(unit_key(column), {}):
        known = ", ".join(UNITS.get(unit_key(column), {})) or "none"
        raise ReadError(f"{where}: unit {visible(unit)} of {column} is unknown; expected one of: {known}")
    if order is not None and (order not in ORDERS or column not in _DAYS):
        raise ReadError(f"{where}: `as {visible(order)}` is unknown; expected {' or '.join(ORDERS)} of a day")
    return Meaning(column=column, unit=unit, order=order, words=_words(words, column, where))


def unit_key(column: str) -> str:
    """The column whose units a column has: those of single levels are T-scores too."""
    return "t_score" if column.startswith("t_score") else column


def _words(text: str | None, column: str, where: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(part.strip() for part in pair.split("=")) for pair in (text or "").split(",") if pair.strip())
    if text is not None and (column != "sex" or any(len(pair) != 2 or pair[1] not in ("F", "M") for pair in pairs)):
        raise ReadError(f"{where}: `with {visible(text)}` is unknown; expected such as `sex with 1=M, 2=F`")
    return tuple((cell, sex) for cell, sex in pairs)
