"""One self-contained page, with its tables (CSV, LaTeX, HTML) and figures (SVG, PDF, PNG) beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pandas as pd
from markupsafe import Markup

from cohort.io.walk import MARKER
from osteolens.atomic import write_whole
from osteolens.documents.json_document import write_json
from osteolens.documents.text import visible
from osteolens.errors import ConfigError
from osteolens.progress import Progress, silent
from pipeline.appearance import colours
from pipeline.report_page.captions import Caption, numbered
from pipeline.report_page.tables import page_tables, save_tables, unbroken
from pipeline.report_page.word import tables_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILE = re.compile(r"(tables|figures)/\w[\w.-]*\.(csv|tex|svg|pdf|png)")
"""A file that a report writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report.

    Attributes:
        package: that holds the template.
        name: of the JSON and of a template NAME.html.jinja that extends page.html.jinja.
        title: at the top.
        notice: what kind of data this is, at the top of the page and in the JSON.
        document: every metric, for the JSON and, as `document`, for the template.
        tables: by name, in the order of the page; the template shows them with `show`.
        figures: by name, in the order of the page; the template gets them as SVG.
        table_captions: by name of the table; one without a caption is called by its name.
        figure_captions: by name of the figure; one without a caption is not numbered.
        context: what else the template needs, by name.
    """

    package: str
    name: str
    title: str
    notice: str
    document: Mapping[str, object]
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    table_captions: Mapping[str, Caption] = field(default_factory=dict)
    figure_captions: Mapping[str, Caption] = field(default_factory=dict)
    context: Mapping[str, object] = field(default_factory=dict)


def write_page(out: Path, page: Page, progress: Progress = silent) -> None:
    """Write a report into a folder, made where it is missing.

    These are report.html, NAME.json, tables.html (every table, for a word processor), tables/*.csv and *.tex, and
    figures/*.svg, *.pdf and *.png. NaN is null in the JSON, cells that a spreadsheet would run as formulas begin with
    an apostrophe, and every value of the page is escaped. Tables and figures of a former report in the folder that this
    one does not have are removed, other files stay. The file `.osteolens-results` lists what the report wrote, and
    keeps its figures from being taken for radiographs of a folder around it.

    Args:
        out: folder.
        page: to write.
        progress: called after every figure.

    Raises:
        ConfigError: the folder cannot be made.
        OutputError: the disk is full, or a file cannot be written.
    """
    from pipeline.report_page.figures import FORMATS, save_figure

    try:
        for folder in ("tables", "figures"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    former = _listed(out)
    _list(out, former)
    write_json(out / f"{page.name}.json", {"notice": page.notice, **page.document})
    captions = numbered("Table", (name for name, table in page.tables.items() if len(table)), page.table_captions)
    save_tables(page.tables, captions, out / "tables")
    tables = page_tables(page.tables)
    write_whole(out / "tables.html", tables_html(page.title, page.notice, tables, captions))
    named = numbered("Figure", (name for name in page.figures if name in page.figure_captions), page.figure_captions)
    figures = {}
    for done, (name, figure) in enumerate(page.figures.items(), start=1):
        figures[name] = save_figure(figure, out / "figures" / name, named.get(name))
        progress(done, len(page.figures))
    context = {"document": page.document, "tables": tables, "captions": captions, "figures": figures, **page.context}
    write_whole(out / "report.html", render(page.package, page.name, page.title, page.notice, context))
    written = {f"tables/{name}.csv" for name in page.tables} | {f"tables/{name}.tex" for name in captions}
    written |= {f"figures/{name}.{ending}" for name in page.figures for ending in FORMATS}
    for name in former - written:
        (out / name).unlink(missing_ok=True)
    _list(out, written)


def _listed(folder: Path) -> set[str]:
    """Tables and figures that the former report wrote into a folder."""
    marker = folder / MARKER
    if marker.is_symlink() or not marker.is_file():
        return set()
    lines = marker.read_text("utf-8", "replace").splitlines()
    return {line for line in lines if _FILE.fullmatch(line) and (folder / line).is_file()}


def _list(folder: Path, names: set[str]) -> None:
    write_whole(folder / MARKER, "".join(f"{name}\n" for name in sorted(names)))


def render(package: str, name: str, title: str, notice: str, context: Mapping[str, object]) -> str:
    """A page as HTML; every value is escaped, and control characters in it are written out.

    Args:
        package: that holds the template.
        name: of a template NAME.html.jinja that extends page.html.jinja.
        title: at the top.
        notice: what kind of data this is.
        context: what the template needs, by name.
    """
    template = _environment(package, str(resources.files(package))).get_template(f"{name}.html.jinja")
    return template.render(title=title, notice=notice, **context)


@cache
def _environment(package: str, folder: str) -> jinja2.Environment:
    """Templates of a package in a folder, which are compiled once."""
    loader = jinja2.ChoiceLoader([jinja2.PackageLoader(name, ".") for name in (package, "pipeline.report_page")])
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader, finalize=_shown)
    environment.filters["unbroken"] = unbroken
    environment.globals.update(
        dark=colours.DARK,
        light=colours.LIGHT,
        ink=colours.INK,
        level_colours=colours.LEVELS,
        class_colours=colours.CLASSES,
    )
    return environment


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
