"""columns.yaml of a folder whose tables have columns of their own, proposed once and never written over."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cohort.io.tables.columns import COLUMNS, IMAGE_COLUMNS, KEY_COLUMNS
from cohort.io.tables.reader import read_as_written, read_table
from cohort.mapping.columns_file import COLUMNS_FILE, Holds, TableMapping, read_columns, unit_key, write_columns
from cohort.mapping.propose import OWN_TABLES, SCORES, FilmIds, propose_table
from osteolens.documents.text import visible
from osteolens.errors import OutputError, ReadError

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods")

KNOWN_TABLES = ("rois.csv", "readers.csv", "predictions.csv", "skipped.csv", "split.csv", "findings.csv")
"""Tables of OsteoLens that hold neither patients nor scans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsProposal:
    """What was proposed for the tables of a folder.

    Attributes:
        tables: each table and its columns; empty where nothing had to be proposed.
        written: columns.yaml, None where it was not written.
        notes: tables that cannot be read or hold nothing, and what stands in the way.
    """

    tables: tuple[TableMapping, ...] = ()
    written: Path | None = None
    notes: tuple[str, ...] = ()


def propose_columns(folder: Path, ids_of: Callable[[], FilmIds]) -> ColumnsProposal:
    """Propose what unknown columns of a folder's tables hold, and write it to columns.yaml where there is none yet.

    Tables whose columns are those of cohort.csv and dxa.csv need none. With a columns.yaml nothing is written; tables
    that it does not name are told.

    Args:
        folder: its tables lie in it directly.
        ids_of: gives the identifiers of the radiographs; called once, and only where a table needs it.
    """
    given = read_columns(folder)
    notes: list[str] = []
    tables = _read(folder, () if given is None else given.tables, notes)
    ids = ids_of() if tables else FilmIds()
    first = {path: propose_table(path, table, ids) for path, table in tables.items()}
    patients = frozenset(name for mapping in first.values() if _is_of_patients(mapping) for name in _columns(mapping))
    found: list[TableMapping] = []
    for path, table in tables.items():
        proposed = first[path] if _is_of_patients(first[path]) else propose_table(path, table, ids, patients)
        if not _is_needed(path, proposed):
            continue
        if proposed.holds is Holds.NOTHING:
            notes.append(f"table that is not used: {visible(path.name)} ({proposed.why})")
        elif given is not None:
            notes.append(
                f"{COLUMNS_FILE} does not name {visible(path.name)}; add it, or delete {COLUMNS_FILE} and check again"
            )
        else:
            found.append(proposed)
    if not found:
        return ColumnsProposal(notes=tuple(notes))
    written = None
    try:
        written = write_columns(folder, tuple(found))
    except OutputError as error:
        notes.append(f"{COLUMNS_FILE} cannot be written, so that no command reads these columns: {error}")
    return ColumnsProposal(tables=tuple(found), written=written, notes=tuple(notes))


def open_choices(tables: tuple[TableMapping, ...]) -> tuple[str, ...]:
    """A line for every column that waits for a choice: what it may hold, and why nobody could tell."""
    return tuple(
        f"{visible(table.file)}: column {visible(column.header)} is "
        f"{' or '.join('not used' if m is None else str(m) for m in column.meanings)}"
        f"{f' ({visible(column.why)})' if column.why else ''}; keep one of these lines in {COLUMNS_FILE}"
        for table in tables
        for column in table.columns
        if column.is_open
    )


def _tables(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path for path in paths
        if path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith((".", "~$"))
        and path.name.lower() not in KNOWN_TABLES and path.is_file()
    ]  # fmt: skip


def _read(folder: Path, named: Container[str], notes: list[str]) -> dict[Path, pd.DataFrame]:
    """Tables of a folder that have a name or a column which is none of OsteoLens' own."""
    tables = {}
    for path in _tables(folder):
        if path.name in named:
            continue
        try:
            own = read_table(path, [])
            table = read_as_written(path, [])
        except ReadError as error:
            if path.name not in OWN_TABLES:
                notes.append(f"table that cannot be read: {error}")
            continue
        is_manifest = any(column in own for column in IMAGE_COLUMNS)
        if not is_manifest and (path.name not in OWN_TABLES or not set(map(str, own.columns)) <= set(COLUMNS)):
            tables[path] = table
    return tables


def _is_needed(path: Path, proposed: TableMapping) -> bool:
    """Whether a table cannot be read as it is: it has another name, no key, or columns that only a mapping reads."""
    if path.name not in OWN_TABLES:
        return path.suffix.lower() != ".txt" or proposed.holds is not Holds.NOTHING
    known = set(map(str, read_table(path, []).columns))
    return proposed.holds is not Holds.NOTHING and (
        not known & set(KEY_COLUMNS) or bool(set(_columns(proposed)) - known)
    )


def _is_of_patients(mapping: TableMapping) -> bool:
    return mapping.holds is Holds.COHORT and not any(unit_key(name) in SCORES for name in _columns(mapping))


def _columns(mapping: TableMapping) -> tuple[str, ...]:
    return tuple(m.column for column in mapping.columns for m in column.meanings if m is not None)
