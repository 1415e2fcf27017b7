"""One self-contained page, with its tables as CSV and its figures as SVG and PNG beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from cohort.dxa import read_table
from pipeline.prediction import write_json


def write_page(
    out: Path,
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
        name: of the JSON and of a template NAME.html.jinja that extends page.html.jinja.
        document: every figure, for the JSON and the template.
        tables: by name; the template shows them with `show`.
        figures: by name; the template gets them as SVG.
        notice: what kind of data this is, at the top of the page and in the JSON.
        values: what else the template needs; `title` always.
    """
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_json({"notice": notice, **document}, out / f"{name}.json")
    for key, table in tables.items():
        table.to_csv(out / "tables" / f"{key}.csv", index=False)
    drawn = {}
    for key, figure in figures.items():
        for suffix in ("svg", "png"):
            figure.savefig(out / "figures" / f"{key}.{suffix}", bbox_inches="tight", dpi=150)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
        text = stream.getvalue()
        drawn[key] = Markup(text[text.index("<svg") :])
    loader = jinja2.FunctionLoader(lambda part: (files("pipeline") / part).read_text("utf-8"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    shown = {key: _as_rows(table) for key, table in tables.items()}
    page = environment.get_template(f"{name}.html.jinja").render(
        tables=shown, figures=drawn, document=document, notice=notice, **values
    )
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


def p_value(p: float | None) -> str:
    """As a table shows it; empty where there is none."""
    return "" if p is None or not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def notice_of(cohort: Path) -> str:
    """What kind of data a cohort folder holds, for the top of a page; empty for people's own."""
    simulated = (cohort / "simulation.json").is_file() or "vbmd_mg_cm3" in read_table(cohort / "cohort.csv")
    return "In-silico: simulated radiographs and DXA. No patient, no clinical evidence." if simulated else ""


def _as_rows(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {"columns": list(table.columns), "rows": table.astype(object).where(table.notna(), "").to_numpy().tolist()}
