"""One self-contained page, with its tables as CSV and its figures as SVG and PNG beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from osteolens.atomic import write_whole
from osteolens.documents.json_document import write_json
from osteolens.documents.text import visible
from osteolens.errors import ConfigError
from pipeline.report_page.figures import save_figure
from pipeline.report_page.tables import page_tables, save_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report.

    Attributes:
        package: that holds the template.
        name: of the JSON and of a template NAME.html.jinja that extends page.html.jinja.
        title: at the top.
        notice: what kind of data this is, at the top of the page and in the JSON.
        document: every metric, for the JSON and, as `document`, for the template.
        tables: by name; the template shows them with `show`.
        figures: by name; the template gets them as SVG.
        context: what else the template needs, by name.
    """

    package: str
    name: str
    title: str
    notice: str
    document: Mapping[str, object]
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    context: Mapping[str, object] = field(default_factory=dict)


def write_page(out: Path, page: Page) -> None:
    """Write report.html, NAME.json, tables/*.csv and figures/*.svg and *.png into a folder, made where it is missing.

    NaN is null in the JSON, cells that a spreadsheet would run as formulas begin with an apostrophe, and every value
    of the page is escaped.

    Raises:
        ConfigError: the folder cannot be made.
        OutputError: the disk is full, or a file cannot be written.
    """
    try:
        for folder in ("tables", "figures"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    write_json(out / f"{page.name}.json", {"notice": page.notice, **page.document})
    save_tables(page.tables, out / "tables")
    figures = {name: save_figure(figure, out / "figures" / name) for name, figure in page.figures.items()}
    context = {"document": page.document, "tables": page_tables(page.tables), "figures": figures, **page.context}
    write_whole(out / "report.html", render(page.package, page.name, page.title, page.notice, context))


def render(package: str, name: str, title: str, notice: str, context: Mapping[str, object]) -> str:
    """A page as HTML; every value is escaped, and control characters in it are written out.

    Args:
        package: that holds the template.
        name: of a template NAME.html.jinja that extends page.html.jinja.
        title: at the top.
        notice: what kind of data this is.
        context: what the template needs, by name.
    """
    loader = jinja2.ChoiceLoader([jinja2.PackageLoader(folder, ".") for folder in (package, "pipeline.report_page")])
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader, finalize=_shown)
    return environment.get_template(f"{name}.html.jinja").render(title=title, notice=notice, **context)


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
