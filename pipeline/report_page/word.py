"""All tables of a report as one HTML file that a word processor opens: plain borders, no style sheet, no script."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

from osteolens.documents.text import visible
from pipeline.report_page.captions import Numbered
from pipeline.report_page.tables import PageTable

MOST_ROWS = 200
"""Of a table; a longer one is cut here and whole as CSV and LaTeX."""

CELL = "border:1px solid #000;padding:2pt 4pt;text-align:left;vertical-align:top"


def tables_html(title: str, notice: str, tables: Mapping[str, PageTable], captions: Mapping[str, Numbered]) -> str:
    """Every table that has a caption, in the order of the captions.

    Args:
        title: of the report.
        notice: what kind of data this is.
        tables: by name.
        captions: of those that are shown, by name.
    """
    parts = [_table(tables[name], caption) for name, caption in captions.items()]
    head = Markup('<meta charset="utf-8">\n<title>{}</title>').format(_shown(title))
    top = Markup("<h1>{}</h1>\n<p>{}</p>").format(_shown(title), _shown(notice))
    body = Markup("\n").join((top, *parts))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f'<body style="font-family:Arial,sans-serif;font-size:9pt">\n{body}\n</body>\n</html>\n'
    )


def _table(table: PageTable, caption: Numbered) -> Markup:
    head = Markup("").join(Markup(f'<th style="{CELL}">{{}}</th>').format(_shown(name)) for name in table.columns)
    rows = Markup("\n").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup(f'<td style="{CELL}">{{}}</td>').format(_shown(cell)) for cell in row)
        )
        for row in table.rows[:MOST_ROWS]
    )
    words = Markup("<b>{}.</b> {}").format(_shown(caption.heading), _shown(caption.note))
    frame = Markup(
        '<p>{}</p>\n<table border="1" cellspacing="0" style="border-collapse:collapse;font-size:8pt">\n'
        "<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>\n<p>{}&nbsp;</p>"
    )
    more = len(table.rows) - MOST_ROWS
    return frame.format(words, head, rows, f"{more} more rows are in the CSV of this table." if more > 0 else "")


def _shown(value: object) -> Markup:
    return escape(visible(value))
