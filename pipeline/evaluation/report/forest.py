"""Forest plot of subgroups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.classification.subgroups import Subgroup
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.report_page.figures import TYPE_PT, label_axes, panels, plain

ROW_IN, FRAME_IN, WIDTH_IN = 0.19, 1.0, 6.9
"""Height of a row, that of title and axis, and the width of the figure in inches."""

MOST_ROWS = 40
"""Subgroups that fit on a page; more are in the table alone."""


def forest_figure(groups: Sequence[Subgroup], overall: Estimate) -> Figure | None:
    """AUC of osteoporosis of each subgroup with its interval, beside that of all studies; None without any AUC."""
    known = [group for group in groups if group.auc is not None and np.isfinite(group.auc.value)][:MOST_ROWS]
    if not known:
        return None
    rows: list[tuple[str, Estimate | None]] = []
    for kind in dict.fromkeys(group.kind for group in known):
        rows.append((kind, None))
        rows += [(f"  {g.group} ({g.cases} of {g.studies})", g.auc) for g in known if g.kind == kind]
    figure, (axes,) = panels(1, WIDTH_IN, ROW_IN * (len(rows) + 1) + FRAME_IN)
    label_axes(axes, "AUC of osteoporosis in subgroups (95 % interval)", "AUC", "")
    if np.isfinite(overall.value):
        axes.axvline(overall.value, color="grey", linewidth=0.8, linestyle="--")
    for row, (_, auc) in enumerate(rows):
        if auc is not None:
            low, high = (auc.value if not np.isfinite(end) else end for end in (auc.low, auc.high))
            axes.plot([low, high], [row, row], color="#3b5b7a", linewidth=1.2)
            axes.plot([auc.value], [row], "s", color="#b2182b", markersize=4)
            text = f"{auc.value:.3f} ({auc.low:.3f}-{auc.high:.3f})"
            axes.annotate(
                text,
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=TYPE_PT,
                annotation_clip=False,
            )
    names = [plain(name) for name, _ in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=TYPE_PT)
    for label, (_, auc) in zip(axes.get_yticklabels(), rows, strict=True):
        if auc is None:
            label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.7)
    return figure
