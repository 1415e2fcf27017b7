"""Curves of a training as a picture: one panel a metric, over the epochs."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from osteolens.atomic import write_whole

COLUMNS = 3
NO_CURVE = ("epoch", "minutes")


def draw_curves(history: Sequence[Mapping[str, float]], out: Path, best: int) -> None:
    """Write curves.png and curves.svg.

    Args:
        history: a row an epoch.
        out: run folder.
        best: epoch that is marked.

    Raises:
        OutputError: they cannot be written.
    """
    names = [name for name in dict.fromkeys(key for row in history for key in row) if name not in NO_CURVE]
    rows = max(1, math.ceil(len(names) / COLUMNS))
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * rows))
    figure.subplots_adjust(0.05, 0.28 / rows, 0.99, 1 - 0.12 / rows, wspace=0.18, hspace=0.5)
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, COLUMNS, number + 1)
        points = [(row["epoch"], row[name]) for row in history if name in row]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, color="#1f5f8b")
        axes.axvline(best, color="#999999", linewidth=0.8, linestyle=":")
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    for kind in ("png", "svg"):
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=110)
        write_whole(out / f"curves.{kind}", content.getvalue())
