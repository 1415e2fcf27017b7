"""Figures of a report: matplotlib's Figure objects, without pyplot and without global settings."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteolens.atomic import whole_file, write_whole
from osteolens.documents.text import visible

DOTS_PER_INCH = 150
"""Resolution of a figure as PNG, and of points that are stored as pixels in its SVG."""


def panel(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with labelled axes."""
    figure, (axes,) = panels(1)
    label_axes(axes, title, x, y)
    return figure, axes


def panels(count: int, width: float = 4.2, height: float = 4.0) -> tuple[Figure, tuple[Axes, ...]]:
    """A figure with empty axes side by side.

    Args:
        count: of axes.
        width: of the whole figure in inches.
        height: of it in inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained" if count > 1 else None)
    row = tuple(np.ravel(figure.subplots(1, count)))
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, row


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes their title and labels.

    Args:
        axes: to label.
        title: above.
        x: label of the horizontal axis.
        y: label of the vertical axis.
    """
    axes.set_title(plain(title), fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def plain(text: str) -> str:
    """Text of others for a figure, where a dollar would begin a formula."""
    return visible(text).replace("$", r"\$")


def save_figure(figure: Figure, stem: Path) -> Markup:
    """Write a figure as SVG and PNG beside each other; returns the SVG for a page, whose text matplotlib escapes.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", dpi=DOTS_PER_INCH, metadata={"Date": None})
    text = stream.getvalue()
    write_whole(stem.with_name(f"{stem.name}.svg"), text)
    with whole_file(stem.with_name(f"{stem.name}.png")) as unfinished:
        figure.savefig(unfinished, format="png", bbox_inches="tight", dpi=DOTS_PER_INCH)
    return Markup(text[text.index("<svg") :])
