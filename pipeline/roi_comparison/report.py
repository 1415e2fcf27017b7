"""The comparison of manual and automatic ROIs as one page with tables and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from cohort.bmd import OSTEOPOROSIS_INDEX
from pipeline.report_page.figures import panel
from pipeline.report_page.page import Page, write_page
from pipeline.roi_comparison.agreement import EdgeDifference, MeanIou
from pipeline.roi_comparison.classification import Flags
from pipeline.roi_comparison.comparison import Comparison
from pipeline.roi_comparison.studies import Floats

MANUAL_COLOUR, AUTOMATIC_COLOUR = "#3b5b7a", "#b2182b"


def write_comparison(out: Path, comparison: Comparison, notice: str) -> None:
    """Write report.html, comparison.json, tables/*.csv and figures/* into a folder.

    Args:
        out: folder, made where it is missing.
        comparison: from `compare_rois`.
        notice: what kind of data this is, printed at the top.

    Raises:
        ConfigError: the folder cannot be written.
    """
    write_page(
        out,
        Page(
            package="pipeline.roi_comparison",
            name="comparison",
            title="Manual against automatic ROIs",
            notice=notice,
            document=comparison.as_json(),
            tables=comparison.tables,
            figures=comparison_figures(comparison),
            context={"comparison": comparison, "left_out": Counter(comparison.left_out.values())},
        ),
    )


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure of the page by name."""
    studies = comparison.studies
    manual, automatic = studies.manual[:, OSTEOPOROSIS_INDEX], studies.automatic[:, OSTEOPOROSIS_INDEX]
    positive = studies.labels == OSTEOPOROSIS_INDEX
    figures = {
        "probabilities": _probability_figure(manual, automatic, positive),
        "overlap": _overlap_figure(comparison.overlap_between_readers, comparison.overlap_with_detector),
        "differences": _difference_figure(comparison.differences_mm),
    }
    if 0 < positive.sum() < len(positive):
        figures["roc"] = _roc_figure(positive, manual, automatic)
    return figures


def _roc_figure(positive: Flags, manual: Floats, automatic: Floats) -> Figure:
    figure, axes = panel("ROC of osteoporosis", "1 - specificity", "sensitivity")
    sides = (("manual ROIs", manual, MANUAL_COLOUR), ("detector's ROIs", automatic, AUTOMATIC_COLOUR))
    for label, probabilities, colour in sides:
        false_positive, true_positive, _ = roc_curve(positive, probabilities)
        auc = np.trapezoid(true_positive, false_positive)
        axes.plot(false_positive, true_positive, color=colour, label=f"{label} {auc:.3f}")
    _diagonal(axes)
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    return figure


def _probability_figure(manual: Floats, automatic: Floats, positive: Flags) -> Figure:
    figure, axes = panel("Predicted probability of osteoporosis", "on manual ROIs", "on the detector's ROIs")
    groups = ((~positive, MANUAL_COLOUR, "other by DXA"), (positive, AUTOMATIC_COLOUR, "osteoporosis by DXA"))
    for group, colour, label in groups:
        axes.scatter(manual[group], automatic[group], s=10, alpha=0.6, color=colour, linewidths=0, label=label)
    _diagonal(axes)
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")


def _overlap_figure(between: MeanIou, detector: MeanIou) -> Figure:
    figure, axes = panel("Overlap by level", "mean intersection over union", "")
    names = [name for name in detector if " " in name][::-1]
    sides = (("between readers", between, MANUAL_COLOUR), ("reader and detector", detector, AUTOMATIC_COLOUR))
    for label, overlap, colour in sides:
        if overlap:
            axes.plot([overlap[name] for name in names], range(len(names)), "o", color=colour, label=label)
    axes.axvline(0.9, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def _difference_figure(differences: Sequence[EdgeDifference]) -> Figure:
    figure, axes = panel("Detector minus mean reader", "mm; bias and 95 % limits of agreement", "")
    for row, difference in enumerate(reversed(differences)):
        axes.plot([difference.mm.low, difference.mm.high], [row, row], color=MANUAL_COLOUR)
        axes.plot([difference.mm.value], [row], "o", color=AUTOMATIC_COLOUR)
    axes.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(differences)), [difference.name for difference in differences][::-1], fontsize=8)
    return figure
