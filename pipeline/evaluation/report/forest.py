"""Forest plot of subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.classification.subgroups import Subgroup
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.report_page.figures import TYPE_PT, label_axes, panels, plain

ROW_IN, FRAME_IN, WIDTH_IN = 0.19, 0.9, 6.9
"""Height of a row, that of title and axis, and the width of the figure in inches."""

MOST_ROWS, LONGEST_NAME = 36, 30
"""Subgroups that fit on a page, more are in the table alone; and characters of their names."""

MEASURES = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity"}
"""Attributes of a subgroup that are drawn, with their labels."""


def forest_figure(groups: Sequence[Subgroup], overall: Mapping[str, Estimate]) -> Figure | None:
    """AUC, sensitivity and specificity of osteoporosis in each subgroup with their intervals.

    Args:
        groups: subgroups; those without any estimate are left out.
        overall: of all studies, by measure, drawn as a line.

    Returns:
        The figure; None without any estimate.
    """
    known = [group for group in groups if any(_is_known(getattr(group, name)) for name in MEASURES)][:MOST_ROWS]
    if not known:
        return None
    rows: list[tuple[str, Subgroup | None]] = []
    for kind in dict.fromkeys(group.kind for group in known):
        rows.append((_short(kind), None))
        rows += [(f"{_short(own.group)} ({own.cases} of {own.studies})", own) for own in known if own.kind == kind]
    figure, every = panels(len(MEASURES), WIDTH_IN, ROW_IN * (len(rows) + 1) + FRAME_IN)
    for axes, (name, label) in zip(every, MEASURES.items(), strict=True):
        label_axes(axes, label, "", "")
        _draw(axes, [None if own is None else getattr(own, name) for _, own in rows], overall.get(name))
        axes.set_yticks(range(len(rows)), ["" for _ in rows])
    every[0].set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=TYPE_PT)
    for text, (_, own) in zip(every[0].get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if own is None else "normal")
    return figure


def _draw(axes: Axes, estimates: Sequence[Estimate | None], overall: Estimate | None) -> None:
    if overall is not None and np.isfinite(overall.value):
        axes.axvline(overall.value, color="grey", linewidth=0.8, linestyle="--")
    for row, estimate in enumerate(estimates):
        if estimate is not None and np.isfinite(estimate.value):
            low, high = (end if np.isfinite(end) else estimate.value for end in (estimate.low, estimate.high))
            axes.plot([low, high], [row, row], color="#3b5b7a", linewidth=1.2)
            axes.plot([estimate.value], [row], "s", color="#b2182b", markersize=3.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(estimates) - 0.4, -0.7)
    axes.set_xlim(right=1.01)


def _is_known(estimate: Estimate | None) -> bool:
    return estimate is not None and bool(np.isfinite(estimate.value))


def _short(name: str) -> str:
    return plain(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}...")
