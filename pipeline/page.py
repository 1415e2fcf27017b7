"""One self-contained page, with its tables as CSV and its figures as SVG and PNG beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from cohort.dxa import read_table


def write_page(
    out: Path,
    template: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Figure],
    **values: Any,
) -> None:
    """Write report.html, tables/*.csv and figures/*.svg and *.png into a folder, made where it is missing.

    Args:
        out: folder.
        template: name of a template that extends page.html.jinja.
        tables: by name; the template shows them with `show`.
        figures: by name; the template gets them as SVG.
        values: what else the template needs; `title` and `notice` always.
    """
    for name in ("tables", "figures"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(out / "tables" / f"{name}.csv", index=False)
    drawn = {}
    for name, figure in figures.items():
        for suffix in ("svg", "png"):
            figure.savefig(out / "figures" / f"{name}.{suffix}", bbox_inches="tight", dpi=150)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
        text = stream.getvalue()
        drawn[name] = Markup(text[text.index("<svg") :])
    loader = jinja2.FunctionLoader(lambda name: (files("pipeline") / name).read_text("utf-8"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    shown = {name: _as_rows(table) for name, table in tables.items()}
    page = environment.get_template(template).render(tables=shown, figures=drawn, **values)
    (out / "report.html").write_text(page, "utf-8")


def panel(title: str, x: str, y: str) -> tuple[Figure, Any]:
    """An empty figure with labelled axes."""
    figure = Figure(figsize=(4.2, 4.0))
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def notice_of(cohort: Path) -> str:
    """What kind of data a cohort folder holds, for the top of a page; empty for people's own."""
    simulated = (cohort / "simulation.json").is_file() or "vbmd_mg_cm3" in read_table(cohort / "cohort.csv")
    return "In-silico: simulated radiographs and DXA. No patient, no clinical evidence." if simulated else ""


def _as_rows(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {"columns": list(table.columns), "rows": table.astype(object).where(table.notna(), "").to_numpy().tolist()}
