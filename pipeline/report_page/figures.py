"""Figures of a report: matplotlib's Figure objects, without pyplot and without global settings."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from pipeline.report_page.captions import Numbered
from pipeline.report_page.fonts import fit_font

COLUMN_IN, HEIGHT_IN = 3.4, 3.3
"""Size of a figure in inches: one column of a journal (86 mm), so that it is printed at this size."""

TYPE_PT, LABEL_PT = 8.0, 9.0
"""Least size of type in a figure, of ticks and legends, and that of titles and labels, in points as printed."""

DOTS_PER_INCH = 300
"""Resolution of a figure as PNG, and of points that are stored as pixels in its SVG and PDF."""

MOST_VECTOR_POINTS = 1000
"""Points of a scatter plot up to which each is drawn by itself; more are stored as pixels."""

NO_LIGATURES = ("-liga",)
"""A ligature is copied from a PDF as a foreign sign, and takes an embedded font of its own."""

FORMATS = ("svg", "pdf", "png")
"""Of the files that are written of each figure. In the SVG letters are outlines, so that it looks the same on a
machine without its font; in the PDF they are text in an embedded TrueType font, as journals ask."""


def panel(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with labelled axes, one column wide."""
    figure, (axes,) = panels(1)
    label_axes(axes, title, x, y)
    return figure, axes


def panels(count: int, width: float = COLUMN_IN, height: float = HEIGHT_IN) -> tuple[Figure, tuple[Axes, ...]]:
    """A figure with empty axes side by side.

    Args:
        count: of axes.
        width: of the whole figure in inches.
        height: of it in inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    row = tuple(np.ravel(figure.subplots(1, count)))
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=TYPE_PT)
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set_size(LABEL_PT)
            axis.offsetText.set_size(TYPE_PT)
    return figure, row


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes their title and labels.

    Args:
        axes: to label.
        title: above.
        x: label of the horizontal axis.
        y: label of the vertical axis.
    """
    axes.set_title(plain(title), fontsize=LABEL_PT)
    axes.set_xlabel(x, fontsize=LABEL_PT)
    axes.set_ylabel(y, fontsize=LABEL_PT)


def plain(text: str) -> str:
    """Text of others for a figure, where a dollar would begin a formula."""
    return visible(text).replace("$", r"\$")


def save_figure(figure: Figure, stem: Path, caption: Numbered | None = None) -> Markup:
    """Write a figure as SVG, PDF and PNG beside each other, with the same bytes for the same figure.

    It is laid out once and drawn once for each format.

    Args:
        figure: to write.
        stem: path of the files without their ending.
        caption: below the figure on a page.

    Returns:
        The SVG for a page, whose text matplotlib escapes, in a figure element with its caption.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    if figure.get_layout_engine() is None and any(axes.get_subplotspec() is not None for axes in figure.axes):
        figure.set_layout_engine("constrained")
    for written in figure.findobj(Text):
        if hasattr(written, "set_fontfeatures"):  # from matplotlib 3.11 on
            written.set_fontfeatures(NO_LIGATURES)
        fit_font(written)
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    drawn = {ending: _drawn(figure, ending, stem.name) for ending in FORMATS}
    for ending, content in drawn.items():
        write_whole(stem.with_name(f"{stem.name}.{ending}"), content)
    text = drawn["svg"].decode("utf-8")
    svg = Markup(text[text.index("<svg") :])
    if caption is None:
        return svg
    words = Markup("<figcaption><b>{}.</b> {}</figcaption>").format(visible(caption.heading), visible(caption.note))
    frame = Markup('<figure id="figure-{}" aria-label="{}">{}{}</figure>')
    return frame.format(stem.name, visible(caption.title), svg, words)


def _drawn(figure: Figure, ending: str, name: str) -> bytes:
    """One format; what matplotlib draws at random or dates is fixed, so equal figures give equal bytes."""
    stream = io.BytesIO()
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure.savefig(stream, format=ending, dpi=DOTS_PER_INCH, metadata=date)
    return stream.getvalue()
