"""A table as it is written into the columns and units of cohort.csv and dxa.csv, by columns.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pandas as pd

from cohort.io.tables.cells import number
from cohort.io.tables.rows import LIMITS
from cohort.io.tables.words import is_unknown, plain
from cohort.mapping.columns_file import COLUMNS_FILE, ORDERS, UNITS, Meaning, TableMapping, unit_key
from cohort.mapping.headers import places
from cohort.mapping.regions import L1_L4, region_of_cell
from cohort.mapping.units import unit_of_word
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

_NUMBER_AND_UNIT = re.compile(r"([+-]?[\d.,]*\d)\s*([^\W\d_][^\s]*|%)\.?")
_EITHER = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(.*)", re.DOTALL)
_BY_SCAN = ("patient_id", "study_uid", "accession_number", "dxa_date", "study_date")


def mapped(table: pd.DataFrame, mapping: TableMapping, name: str, wrong: list[str] | None) -> pd.DataFrame:
    """The chosen columns of a table under their names, in their own units; lines that cannot be read are left out.

    Args:
        table: every cell as text, by the headers of the file.
        mapping: what columns.yaml says of it.
        name: the file, for messages.
        wrong: gets what is wrong with a line; without it the first one is an error.

    Raises:
        ReadError: columns.yaml names a column that the table lacks, or a line as above.
    """
    meanings: dict[str, Meaning] = {}
    for column in mapping.columns:
        if column.header not in table and not column.is_open and column.meanings[0] is not None:
            raise ReadError(
                f"{COLUMNS_FILE}: {name} has no column {quoted(column.header)}; found "
                f"{', '.join(visible(str(header))[:40] for header in list(table.columns)[:30])}; mend {COLUMNS_FILE}, "
                "or delete it and run osteolens cohort check"
            )
        if not column.is_open and (meaning := column.meanings[0]) is not None:
            meanings[column.header] = meaning
    cells = {m.column: table[header].astype(str).tolist() for header, m in meanings.items()}
    out = pd.DataFrame(cells, index=table.index, columns=[m.column for m in meanings.values()], dtype=str)
    bad: set[int] = set()
    for meaning in meanings.values():
        out[meaning.column] = _converted(out[meaning.column], meaning, name, wrong, bad)
    out = out.loc[[line not in bad for line in out.index]]
    if "dxa_region" in out:
        out = _by_region(out, name, wrong)
    out.attrs.update(table.attrs)
    return out


def _converted(cells: pd.Series[str], meaning: Meaning, name: str, wrong: list[str] | None, bad: set[int]) -> list[str]:
    values = []
    for line, cell in cells.items():
        try:
            values.append(_cell(cell, meaning, f"{name} line {line}"))
        except ReadError as error:
            if wrong is None:
                raise
            wrong.append(str(error))
            bad.add(int(str(line)))
            values.append("")
    return values


def _cell(cell: str, meaning: Meaning, where: str) -> str:
    if meaning.words:
        return _sex(cell, meaning.words)
    if meaning.order is not None:
        return _day(cell, meaning.order)
    key = unit_key(meaning.column)
    if key not in UNITS or is_unknown(cell):
        return cell
    units, unit, text = UNITS[key], meaning.unit, cell
    if (match := _NUMBER_AND_UNIT.fullmatch(cell.strip())) and (own := unit_of_word(key, match[2])) is not None:
        unit, text = own, match[1]
    factor = 1.0 if unit is None else units[unit]
    if factor == 1:
        return text
    low, high = LIMITS[key]
    value = number(text, where, f"{meaning.column} in {unit}", (low / factor, high / factor))
    return "" if value is None else f"{value * factor:.10g}"


def _sex(cell: str, words: tuple[tuple[str, str], ...]) -> str:
    by_word: Mapping[str, str] = {plain(word): sex for word, sex in words}
    return by_word.get(plain(cell).strip("."), cell)


def _day(cell: str, order: str) -> str:
    """A day whose parts could change places as YYYY-MM-DD; any other form stays as it is."""
    match = _EITHER.fullmatch(cell.strip())
    if match is None or (match[2] == "." and order == ORDERS[0]):
        return cell
    first, second, year = match[1], match[3], match[4]
    day, month = (first, second) if order == ORDERS[0] else (second, first)
    return f"{year}-{int(month):02d}-{int(day):02d}"


def _by_region(table: pd.DataFrame, name: str, wrong: list[str] | None) -> pd.DataFrame:
    """One line a scan from one line a region: L1-L4 and its levels; lines of other places are left out."""
    keys = [column for column in _BY_SCAN if column in table]
    scans: dict[tuple[str, ...], dict[str, str]] = {}
    lines: dict[tuple[str, ...], int] = {}
    taken: set[tuple[tuple[str, ...], str]] = set()
    for line, cells in _rows(table):
        region = region_of_cell(cells.pop("dxa_region"), places("lumbar"), places("other place"), places("total"))
        if region is None:
            _tell(f"{name} line {line}: its region is not known; expected L1-L4, L1 .. L4 or another place", wrong)
        if region is None or region == "other":
            continue
        key = tuple(cells[column] for column in keys)
        scan = scans.setdefault(key, dict.fromkeys(cells, "") | {c: cells[c] for c in keys})
        lines.setdefault(key, line)
        t_score = "t_score" if region == L1_L4 else f"t_score_{region}"
        values = {t_score: cells.pop("t_score", "")}
        bmd = cells.pop("bmd_g_cm2", "")
        values |= {"bmd_g_cm2": bmd} if region == L1_L4 else {}
        if (key, region) in taken and any(scan.get(c, "") != v for c, v in values.items()):
            _tell(f"{name} line {line}: a second line of {region} of one scan with other values; expected one", wrong)
            continue
        taken.add((key, region))
        scan.update(values | {column: value for column, value in cells.items() if value and column not in keys})
    columns = list(dict.fromkeys(column for scan in scans.values() for column in scan))
    rows = [[scan.get(column, "") for column in columns] for scan in scans.values()]
    index = pd.Index(list(lines.values()), dtype="int64", name="line")
    return pd.DataFrame(rows, index=index, columns=columns or [str(c) for c in table if c != "dxa_region"], dtype=str)


def _rows(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, str]]]:
    names = [str(column) for column in table.columns]
    for line, row in zip(table.index.tolist(), table.to_numpy().tolist(), strict=True):
        yield int(line), dict(zip(names, map(str, row), strict=True))


def _tell(message: str, wrong: list[str] | None) -> None:
    if wrong is None:
        raise ReadError(message)
    wrong.append(message)
