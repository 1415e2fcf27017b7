"""Rows of an xlsx file as text: values and not formulas, days as YYYY-MM-DD, leading zeros as the cell shows them."""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from cohort.importers.sources.archive import fault_of_member, members_of
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MOST_ROWS, MOST_COLUMNS = 100_000, 2_000
"""Largest sheet that is read; larger tables are for CSV."""

_FAULTS = (
    zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError,
    OverflowError, RuntimeError, NotImplementedError, SyntaxError, struct.error,
)  # fmt: skip
"""What openpyxl and its parsers raise for a broken file; they have no common base."""

_ZEROS = re.compile(r"0{2,30}")

Record = tuple[int, list[str]]


class _Cell(Protocol):
    @property
    def value(self) -> object: ...

    @property
    def number_format(self) -> str: ...


def is_workbook(path: Path) -> bool:
    """Whether a file is a zip that holds an xlsx workbook."""
    try:
        return zipfile.is_zipfile(path) and any(m.filename == "xl/workbook.xml" for m in members_of(path))
    except (ReadError, OSError):
        return False


def spreadsheet_records(path: Path) -> list[Record]:
    """Row and cells of every row that is not empty, of the one sheet that has any.

    Raises:
        ReadError: a broken or too large file, or several sheets with cells.
    """
    sheets = sheets_with_cells(path)
    if len(sheets) > 1:
        titles = ", ".join(visible(title) for title, _ in sheets[:5])
        raise ReadError(
            f"{visible(path.name)}: {len(sheets)} sheets hold cells ({titles}); expected one table, save each as a file"
        )
    return sheets[0][1] if sheets else []


def sheets_with_cells(path: Path) -> list[tuple[str, list[Record]]]:
    """Title of every sheet that has cells, and row and cells of its rows that are not empty.

    Raises:
        ReadError: a broken or too large file.
    """
    from openpyxl import load_workbook

    name = visible(path.name)
    try:
        for member in members_of(path):
            if (fault := fault_of_member(member)) is not None:
                raise ReadError(f"{name}: {visible(member.filename)}: {fault}; save the table as 'CSV UTF-8'")
        with warnings.catch_warnings(action="ignore"):
            book = load_workbook(path, read_only=True, data_only=True)
            try:
                sheets = [(str(sheet.title), list(_records(sheet, name))) for sheet in book.worksheets]
            finally:
                book.close()
    except _FAULTS as error:
        reason = visible(" ".join(str(error).split())[:160])
        raise ReadError(f"{name}: cannot be read as xlsx ({reason}); save the table as 'CSV UTF-8'") from error
    return [(title, records) for title, records in sheets if records]


def _records(sheet: object, name: str) -> Iterator[Record]:
    rows: Iterator[tuple[_Cell, ...]] = sheet.iter_rows()  # type: ignore[attr-defined]
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS or len(row) > MOST_COLUMNS:
            raise ReadError(f"{name}: more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns; save it as 'CSV UTF-8'")
        cells = [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _text(cell: _Cell) -> str:
    value = cell.value
    if value is None or value is False or value is True:
        return "" if value is None else str(value).lower()
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int):
        shown = str(cell.number_format or "")
        return str(value).zfill(len(shown)) if _ZEROS.fullmatch(shown) else str(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value).strip()
