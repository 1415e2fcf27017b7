"""Several tables of one folder as one: a table of patients fills the lines of a table of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cohort.io.tables.cells import day
from cohort.io.tables.columns import DAY_COLUMNS, KEY_COLUMNS
from cohort.io.tables.reader import lines_of
from cohort.io.tables.words import is_unknown, known, sex_of
from osteolens.documents.text import visible
from osteolens.errors import ReadError

_NOT_FILLED = (*KEY_COLUMNS, "accession_number")

Cells = Mapping[str, str]


def merged(tables: Sequence[tuple[str, pd.DataFrame]], wrong: list[str], left: list[str]) -> tuple[str, pd.DataFrame]:
    """One table of several, and its name: the one whose patients stand on most lines, filled from the others.

    Each of the others has one line a patient (or a study, where both have study_uid). A value that two tables give
    differently is wrong, and the line is left out.

    Args:
        tables: name and content of each.
        wrong: gets lines that contradict each other.
        left: gets keys of the others that the table has no line of.

    Raises:
        ReadError: two tables have no key in common, or a second one has several lines of a key.
    """
    order = sorted(range(len(tables)), key=lambda k: (-_repeated(tables[k][1]), "study_uid" not in tables[k][1], k))
    name, base = tables[order[0]]
    for k in order[1:]:
        base = _filled(name, base, *tables[k], wrong, left)
    return name, base


def _repeated(table: pd.DataFrame) -> int:
    return len(table) - int(table["patient_id"].nunique()) if "patient_id" in table else len(table)


def _filled(
    name: str, base: pd.DataFrame, other_name: str, other: pd.DataFrame, wrong: list[str], left: list[str]
) -> pd.DataFrame:
    key = next((k for k in (*KEY_COLUMNS, "accession_number") if k in base and k in other), None)
    if key is None:
        raise ReadError(f"{name} and {other_name}: no column names studies or patients in both; expected patient_id or "
                        "study_uid in both")  # fmt: skip
    by_key = _one_a_key(other_name, other, key)
    added = [str(c) for c in other.columns if c not in _NOT_FILLED or (c not in base and c != key)]
    rows, lines = [], []
    met: set[str] = set()
    for number, cells in lines_of(base):
        found = by_key.get(known(cells[key]), (0, {}))
        met.add(known(cells[key]))
        given = {c: found[1].get(c, "") for c in added}
        differing = [c for c, value in given.items() if not is_unknown(value) and not _same(c, cells.get(c, ""), value)]
        if differing:
            wrong.append(
                f"{name} line {number} and {other_name} line {found[0]}: {key} {visible(cells[key])} has different "
                f"{', '.join(differing[:4])}; expected the same, or one of both columns `not used` in columns.yaml"
            )
            continue
        rows.append({**cells, **{c: value for c, value in given.items() if is_unknown(cells.get(c, ""))}})
        lines.append(number)
    left.extend(
        f"{visible(value)} ({other_name} line {line})" for value, (line, _) in by_key.items() if value not in met
    )
    columns = list(dict.fromkeys([*map(str, base.columns), *added]))
    index = pd.Index(lines, dtype="int64", name="line")
    table = pd.DataFrame([[row.get(c, "") for c in columns] for row in rows], index=index, columns=columns, dtype=str)
    table.attrs.update(base.attrs)
    return table


def _one_a_key(name: str, table: pd.DataFrame, key: str) -> dict[str, tuple[int, Cells]]:
    """Line and cells by key.

    Raises:
        ReadError: a key on two lines that differ.
    """
    by_key: dict[str, tuple[int, Cells]] = {}
    for number, cells in lines_of(table):
        value = known(cells[key])
        if not value:
            continue
        line, first = by_key.setdefault(value, (number, cells))
        if first != cells:
            raise ReadError(
                f"{name} lines {line} and {number}: {key} {visible(value)} stands on both, and only one of several "
                "tables of a cohort may have several lines of a patient; write `holds: dxa` or `holds: nothing` in "
                "columns.yaml"
            )
    return by_key


def _same(column: str, one: str, other: str) -> bool:
    """Whether a cell is empty or says the same as another: as text, number, sex or day."""
    if is_unknown(one) or one.strip().casefold() == other.strip().casefold():
        return True
    try:
        if column == "sex":
            return sex_of(one) is sex_of(other)
        if column in DAY_COLUMNS:
            return day(one, "", column) == day(other, "", column)
        return float(one.replace(",", ".")) == float(other.replace(",", "."))
    except (ValueError, ReadError):
        return False
