"""One self-contained page, with its tables as CSV and its figures as SVG and PNG beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from cohort.io.tables.cohort_tables import read_table
from osteolens.errors import ConfigError
from osteolens.json_document import json_ready
from osteolens.text import csv_cell, visible
from pipeline.prediction import write_json


def write_page(
    out: Path,
    package: str,
    name: str,
    document: dict[str, Any],
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Figure],
    notice: str,
    **values: Any,
) -> None:
    """Write report.html, NAME.json, tables/*.csv and figures/*.svg and *.png into a folder, made where it is missing.

    Args:
        out: folder.
        package: that holds the template.
        name: of the JSON and of a template NAME.html.jinja that extends page.html.jinja.
        document: every figure, for the JSON and the template.
        tables: by name; the template shows them with `show`.
        figures: by name; the template gets them as SVG.
        notice: what kind of data this is, at the top of the page and in the JSON.
        values: what else the template needs; `title` always.

    Numbers that are none are null in the JSON, cells that a spreadsheet would run are defused, and every value of the
    page is escaped.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        for folder in ("tables", "figures"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        write_json(json_ready({"notice": notice, **document}), out / f"{name}.json")
        for key, table in tables.items():
            _defused(table).to_csv(out / "tables" / f"{key}.csv", index=False)
        drawn = {key: _saved(figure, out / "figures" / key) for key, figure in figures.items()}
        page = _rendered(package, name, document, tables, drawn, notice, values)
        (out / "report.html").write_text(page, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error


def _defused(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(csv_cell).rename(columns=csv_cell)


def _saved(figure: Figure, stem: Path) -> Markup:
    """A figure as SVG and PNG beside each other, and as SVG for the page; matplotlib escapes its text."""
    for suffix in ("svg", "png"):
        figure.savefig(stem.with_name(f"{stem.name}.{suffix}"), bbox_inches="tight", dpi=150)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])


def _rendered(
    package: str,
    name: str,
    document: dict[str, Any],
    tables: Mapping[str, pd.DataFrame],
    drawn: Mapping[str, Markup],
    notice: str,
    values: Mapping[str, Any],
) -> str:
    loader = jinja2.ChoiceLoader([jinja2.PackageLoader(name, ".") for name in (package, "pipeline.report_page")])
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    shown = {key: _as_rows(table) for key, table in tables.items()}
    return environment.get_template(f"{name}.html.jinja").render(
        tables=shown, figures=drawn, document=document, notice=notice, **values
    )


def panel(title: str, x: str, y: str) -> tuple[Figure, Any]:
    """An empty figure with labelled axes."""
    figure = Figure(figsize=(4.2, 4.0))
    axes = figure.subplots()
    axes.set_title(plain(title), fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def plain(text: str) -> str:
    """Text of others for a figure, where a dollar would begin a formula."""
    return visible(text).replace("$", r"\$")


def p_value(p: float | None) -> str:
    """As a table shows it; empty where there is none, a dash where it is not estimable."""
    if p is None:
        return ""
    return "-" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def notice_of(cohort: Path) -> str:
    """What kind of data a cohort folder holds, for the top of a page; empty for people's own."""
    simulated = (cohort / "simulation.json").is_file() or "vbmd_mg_cm3" in read_table(cohort / "cohort.csv")
    return "In-silico: simulated radiographs and DXA. No patient, no clinical evidence." if simulated else ""


def _as_rows(table: pd.DataFrame) -> dict[str, list[Any]]:
    cells = table.astype(object).where(table.notna(), "").to_numpy().tolist()
    rows = [[visible(cell) if isinstance(cell, str) else cell for cell in row] for row in cells]
    return {"columns": [visible(column) for column in table.columns], "rows": rows}
