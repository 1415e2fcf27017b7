"""Tables of a report: as CSV, and as cells of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from osteolens.atomic import write_csv
from osteolens.documents.text import csv_cell


@dataclass(frozen=True, slots=True)
class PageTable:
    """What a page shows of a table: names of columns and rows of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def page_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, PageTable]:
    """Tables as a page shows them; a missing value is an empty cell."""
    return {name: _page_table(table) for name, table in tables.items()}


def _page_table(table: pd.DataFrame) -> PageTable:
    cells = table.astype(object).where(table.notna(), "").to_numpy().tolist()
    return PageTable(tuple(map(str, table.columns)), tuple(tuple(row) for row in cells))


def save_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write NAME.csv for every table, with cells that no spreadsheet runs.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table.map(csv_cell).rename(columns=csv_cell))


def p_value(p: float | None) -> str:
    """As a table shows it; empty where there is none, a dash where it is not estimable."""
    if p is None:
        return ""
    return "-" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
