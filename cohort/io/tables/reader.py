"""Reading of tables: cohort.csv, dxa.csv, rois.csv, readers.csv and manifests, every cell as text."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from cohort.io.spreadsheet import is_workbook, spreadsheet_records
from cohort.io.tables.cells import settled_days
from cohort.io.tables.columns import COLUMNS, DAY_COLUMNS
from cohort.io.tables.encodings import SAVE_AS, decode_table
from cohort.io.tables.words import settled_sexes
from cohort.mapping.apply import mapped
from cohort.mapping.columns_file import mapping_of
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MOST_BYTES, MOST_LINES, MOST_COLUMNS, MOST_CELLS = 64 * 2**20, 1_000_000, 2_000, 20_000_000
"""Limits of one table; a cohort of a million radiographs stays under them."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=([,;\t])\"?\r?\n?", re.IGNORECASE)


def read_table(path: Path, wrong: list[str] | None = None) -> pd.DataFrame:
    """A CSV with every cell as text, empty where missing; its index holds the lines of the file, the header's is 1.

    Commas, semicolons or tabs part the columns; cells in quotation marks may hold line breaks. Empty lines are left out
    and counted. A delimiter at the end of lines adds no column. Days are YYYY-MM-DD where their column shows the order
    of day and month, and H in a column of sexes is M where it can be nothing else. `attrs["encoding"]` is the encoding.
    An xlsx file with one sheet is read too. Where columns.yaml beside the table names it, its columns and units are
    those that it says.

    Args:
        path: the table.
        wrong: gets what is wrong with every line that has not one cell a column or holds control characters; such lines
            are left out. Without it the first one is an error.

    Raises:
        ReadError: no file, too large, an encoding that cannot be recognised, unpaired quotation marks, a column twice.
    """
    mapping = mapping_of(path)
    if mapping is None:
        return _settled(_table(path, wrong, as_written=False))
    table = read_as_written(path, wrong)
    return _settled(mapped(table, mapping, visible(path.name), wrong))


def read_as_written(path: Path, wrong: list[str] | None = None) -> pd.DataFrame:
    """A table by the headers that it has, whatever columns.yaml says; else as `read_table`.

    Raises:
        ReadError: as `read_table`.
    """
    return _table(path, wrong, as_written=True)


def _table(path: Path, wrong: list[str] | None, as_written: bool) -> pd.DataFrame:
    name = visible(path.name)
    raw = _bytes(path, name)
    if raw.startswith(b"PK") and is_workbook(path):
        lines, columns, encoding = spreadsheet_records(path), "cells", "xlsx"
    else:
        text, encoding = decode_table(raw, name)
        lines, delimiter = _records(text, name)
        columns = DELIMITERS[delimiter]
    if not lines:
        raise ReadError(f"{name}: is empty; expected a header line")
    (number, header), *rest = lines
    names = _header([_cell(c) for c in header], f"{name} line {number}", as_written)
    complete, messages = _complete(rest, len(names), name, columns)
    for message in messages:
        if wrong is None:
            raise ReadError(message)
        wrong.append(message)
    index = pd.Index([line for line, _ in complete], dtype="int64", name="line")
    table = pd.DataFrame([cells for _, cells in complete], index=index, columns=range(len(names)), dtype=str)
    table = table.loc[:, [bool(column) for column in names]].set_axis([c for c in names if c], axis=1)
    table.attrs["encoding"] = encoding
    return table


def _settled(table: pd.DataFrame) -> pd.DataFrame:
    """Days and sexes of a column in the form that its other cells show."""
    for column in DAY_COLUMNS:
        if column in table:
            table[column] = settled_days(table[column].tolist())
    if "sex" in table:
        table["sex"] = settled_sexes(table["sex"].tolist())
    return table


def lines_of(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, str]]]:
    """Line of the file, and cells by column, of every row of `read_table`."""
    names = [str(name) for name in table.columns]
    columns = [table.iloc[:, k].astype(str).tolist() for k in range(len(names))]
    for line, *cells in zip(table.index.tolist(), *columns, strict=True):
        yield int(line), dict(zip(names, cells, strict=True))


def columns_text(table: pd.DataFrame) -> str:
    """The names of the columns as a message lists them."""
    names = [visible(name)[:40] for name in table.columns]
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _bytes(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():
            raise ReadError(f"{name}: is no file; expected a CSV")
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be used"
        raise ReadError(f"{name}: cannot be opened ({reason}); expected a CSV") from error
    if len(raw) > MOST_BYTES:
        raise ReadError(f"{name}: is larger than {MOST_BYTES // 2**20} MiB; expected a table, one line a study or box")
    return raw


def _records(text: str, name: str) -> tuple[list[tuple[int, list[str]]], str]:
    """First line and cells of every record that is not empty, and the delimiter."""
    stream = io.StringIO(text, newline="")
    skipped = 0
    if named := _SEPARATOR_LINE.match(text):
        stream.seek(named.end())
        skipped, delimiter = 1, named[1]
    else:
        delimiter = _delimiter(text, name)
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    records: list[tuple[int, list[str]]] = []
    start, cells_in_all = skipped + 1, 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((start, cells))
                cells_in_all += len(cells)
            start = skipped + reader.line_num + 1
            if len(records) > MOST_LINES or start > MOST_LINES + 2 or cells_in_all > MOST_CELLS:
                raise ReadError(
                    f"{name}: more than {MOST_LINES:,} lines or {MOST_CELLS:,} cells; expected a smaller table"
                )
    except csv.Error as error:
        raise ReadError(
            f"{name} line {start}: quotation marks do not pair ({error}); expected one at each end of a cell and "
            "doubled ones inside"
        ) from error
    return records, delimiter


def _delimiter(text: str, name: str) -> str:
    """The delimiter that divides the header into most cells.

    Raises:
        ReadError: two of them give equally many.
    """
    start = text.lstrip("\r\n\t ,;")[:65536]
    counts = {}
    for delimiter in DELIMITERS:
        try:
            counts[delimiter] = len(next(csv.reader(io.StringIO(start, newline=""), delimiter=delimiter), []))
        except csv.Error:
            counts[delimiter] = 0
    best, second = sorted(counts, key=lambda d: -counts[d])[:2]
    if counts[best] == counts[second] > 1:
        both = f"{DELIMITERS[best]} and {DELIMITERS[second]}"
        raise ReadError(f"{name} line 1: {both} part the header into as many columns; expected one delimiter")
    return best


def _header(cells: list[str], where: str, as_written: bool = False) -> list[str]:
    """Names of the columns, those of `COLUMNS` in their spelling; empty for a column without a name.

    Args:
        cells: of the header.
        where: file and line, for messages.
        as_written: whether names stay as the file spells them.

    Raises:
        ReadError: a name twice, too many columns, no text.
    """
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) > MOST_COLUMNS:
        raise ReadError(f"{where}: {len(cells):,} columns, expected at most {MOST_COLUMNS:,}")
    spelt = {_letters(column): column for column in COLUMNS} | {"studyinstanceuid": "study_uid"}
    names = [cell if as_written else spelt.get(_letters(cell), cell) for cell in cells]
    if any(_CONTROL.search(cell) for cell in names):
        raise ReadError(f"{where}: a column's name holds control characters; {SAVE_AS}")
    for name in sorted({n for n in names if n and names.count(n) > 1}):
        written = " and ".join(repr(visible(c)) for c, n in zip(cells, names, strict=True) if n == name)
        raise ReadError(f"{where}: column {visible(name)} stands twice ({written}); expected each once")
    return names


def _letters(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _cell(text: str) -> str:
    stripped = text.strip() if text.isascii() else text.strip().strip("\ufeff\u200b").strip()
    formula = _TEXT_FORMULA.fullmatch(stripped) if stripped.startswith("=") else None
    return formula[1].strip() if formula else stripped


def _complete(
    records: list[tuple[int, list[str]]], width: int, name: str, delimiter: str
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Lines of one cell a column, and what is wrong with the others.

    Empty cells beyond the header are dropped; a line that is too short is filled where no line has its last columns.
    """
    cleaned = [(line, [_cell(cell) for cell in cells]) for line, cells in records]
    last_used = -1
    for _, cells in cleaned:
        while len(cells) > width and not cells[-1]:
            cells.pop()
        last_used = max(last_used, *(k for k, cell in enumerate(cells[:width]) if cell), -1)
    complete: list[tuple[int, list[str]]] = []
    wrong: list[str] = []
    for line, cells in cleaned:
        what = f"{name} line {line}: {len(cells)} cells, the header has {width}; expected as many"
        if _CONTROL.search("".join(cells)):
            wrong.append(f"{name} line {line}: a cell holds control characters, expected text; {SAVE_AS}")
        elif len(cells) > width:
            wrong.append(f"{what} ({delimiter} part the columns; put a cell that holds one into quotation marks)")
        elif len(cells) <= last_used:
            wrong.append(f"{what}, with a delimiter for each empty one")
        else:
            complete.append((line, cells + [""] * (width - len(cells))))
    return complete, wrong


def require(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Hold that a table has one of some columns.

    Raises:
        ReadError: it has none.
    """
    if not any(column in table for column in columns):
        how = "osteolens cohort check proposes what its columns hold"
        if "accession_number" in table:
            how = "osteolens cohort assemble joins tables to radiographs by accession_number"
        raise ReadError(
            f"{name}: found columns {columns_text(table)}; expected {' or '.join(columns)} among them; {how}"
        )


def line_numbers(numbers: Sequence[int]) -> str:
    """`lines 2, 3 and 5`."""
    return f"lines {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


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
