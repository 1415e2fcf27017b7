"""Tables of a report: as CSV and LaTeX, and as cells of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from osteolens.atomic import write_csv, write_whole
from osteolens.documents.text import csv_cell, visible
from pipeline.report_page.captions import Numbered
from pipeline.report_page.latex import latex_table


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


INTERVAL = re.compile(r"\([^()\s]*\d(?:-| to )[+\d][^()\s]*\)")
"""An interval in a cell."""


def unbroken(cell: object) -> object:
    """A cell for a page, escaped, whose intervals are not broken across lines."""
    if not isinstance(cell, str) or "(" not in cell:
        return cell
    text = str(escape(visible(cell)))
    return Markup(INTERVAL.sub(lambda found: f'<span class="interval">{found[0]}</span>', text))


def save_tables(tables: Mapping[str, pd.DataFrame], captions: Mapping[str, Numbered], folder: Path) -> None:
    """Write NAME.csv for every table, with cells that no spreadsheet runs, and NAME.tex for those with a caption.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table.map(csv_cell).rename(columns=csv_cell))
        if name in captions:
            write_whole(folder / f"{name}.tex", latex_table(table, captions[name], name))


def p_value(p: float | None) -> str:
    """As a table shows it; empty where there is none, a dash where it is not estimable."""
    if p is None:
        return ""
    return "-" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
