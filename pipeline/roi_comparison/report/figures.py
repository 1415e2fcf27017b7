"""Figures of a comparison of ROIs: forest of AUCs, ROC curves, probabilities, overlap, and differences in mm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from cohort.bmd import OSTEOPOROSIS_INDEX
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.report_page.captions import Caption
from pipeline.report_page.figures import HEIGHT_IN, TYPE_PT, label_axes, panel, panels, plain
from pipeline.roi_comparison.agreement import EdgeDifference, Overlaps
from pipeline.roi_comparison.classification import ClassComparison, Compared
from pipeline.roi_comparison.comparison import Comparison
from pipeline.roi_comparison.studies import MEAN_NAME, ComparedStudies, Flags, Floats

MANUAL_COLOUR, AUTOMATIC_COLOUR, MEAN_COLOUR = "#3b5b7a", "#b2182b", "#000000"

ROW_IN = 0.3
"""Height of a line of a forest figure in inches."""

LONGEST_NAME = 20
"""Characters of a reader's name in a figure."""

MOST_CURVES = 12
"""Readers up to which each has a ROC curve of its own."""

CAPTIONS = {
    "forest": Caption(
        "AUC of osteoporosis by who drew the ROIs",
        "Points with 95 % intervals. The diamond is the mean of the readers' AUCs, against which the detector is "
        "tested; its dashed line, less the margin, is the least that is not inferior.",
    ),
    "roc": Caption(
        "ROC curves of osteoporosis", "Each reader's ROIs, thin, and the detector's, through the same classifier."
    ),
    "probabilities": Caption(
        "Predicted probability of osteoporosis", "On the detector's ROIs against the mean over the readers' ROIs."
    ),
    "overlap": Caption(
        "Overlap by level", "Mean intersection over union; the dashed line is the 0.90 that the paper asks of readers."
    ),
    "differences": Caption(
        "Detector minus mean reader", "Bias and 95 % limits of agreement in mm at the detector plane."
    ),
}


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure of the page by name, in the order of the page."""
    studies = comparison.studies
    positive = studies.labels == OSTEOPOROSIS_INDEX
    figures = {}
    if 0 < positive.sum() < len(positive) and (compared := comparison.osteoporosis.auc) is not None:
        figures["forest"] = _forest_figure(comparison.osteoporosis, compared, comparison.config.margin)
        figures["roc"] = _roc_figure(positive, studies)
    manual, automatic = studies.mean_of_readers.probabilities, studies.automatic.probabilities
    figures["probabilities"] = _probability_figure(
        manual[:, OSTEOPOROSIS_INDEX], automatic[:, OSTEOPOROSIS_INDEX], positive
    )
    figures["overlap"] = _overlap_figure(comparison.overlap_between_readers, comparison.overlap_with_detector)
    figures["differences"] = _difference_figure(comparison.differences_mm)
    return figures


def _forest_figure(osteoporosis: ClassComparison, compared: Compared, margin: float) -> Figure:
    readers = [(name, metrics.values["auc"], "o", MANUAL_COLOUR) for name, metrics in osteoporosis.readers.items()]
    rows: list[tuple[str, Estimate, str, str]] = [*readers]
    if len(readers) > 1:
        rows.append(("mean of the readers", compared.readers, "D", MEAN_COLOUR))
        rows.append(("mean of their\nprobabilities", osteoporosis.mean_of_readers.values["auc"], "o", MEAN_COLOUR))
    rows.append(("detector\n(automatic)", compared.automatic, "s", AUTOMATIC_COLOUR))
    figure, (axes,) = panels(1, height=max(HEIGHT_IN / 2, 0.9 + ROW_IN * len(rows)))
    label_axes(axes, "", "AUC (95 % interval)", "")
    for place, (_, estimate, marker, colour) in enumerate(reversed(rows)):
        if np.isfinite(estimate.low):
            axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=1)
        axes.plot([estimate.value], [place], marker, color=colour, markersize=5)
    axes.axvline(compared.readers.value, color="grey", linewidth=0.6)
    axes.axvline(compared.readers.value - margin, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(rows)), [_row_name(name) for name, *_ in reversed(rows)], fontsize=TYPE_PT)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    return figure


def _row_name(name: str) -> str:
    """Name of a line of the forest, each of its own lines cut where it is long."""
    lines = [line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 3]}..." for line in name.split("\n")]
    return "\n".join(plain(line) for line in lines)


def _roc_figure(positive: Flags, studies: ComparedStudies) -> Figure:
    figure, axes = panel("", "1 - specificity", "sensitivity")
    readers = list(studies.readers.values())
    shown = readers if len(readers) <= MOST_CURVES else [studies.mean_of_readers]
    label = "readers' ROIs" if shown is readers else MEAN_NAME
    for number, reader in enumerate(shown):
        false, true, _ = roc_curve(positive, reader.probabilities[:, OSTEOPOROSIS_INDEX])
        axes.plot(false, true, color=MANUAL_COLOUR, linewidth=0.8, alpha=0.7, label="" if number else label)
    false, true, _ = roc_curve(positive, studies.automatic.probabilities[:, OSTEOPOROSIS_INDEX])
    axes.plot(false, true, color=AUTOMATIC_COLOUR, label="detector's ROIs")
    _diagonal(axes)
    axes.legend(fontsize=TYPE_PT, loc="lower right", frameon=False)
    return figure


def _probability_figure(manual: Floats, automatic: Floats, positive: Flags) -> Figure:
    figure, axes = panel("", "mean over the readers' ROIs", "on the detector's ROIs")
    groups = ((~positive, MANUAL_COLOUR, "other by DXA"), (positive, AUTOMATIC_COLOUR, "osteoporosis by DXA"))
    for group, colour, label in groups:
        axes.scatter(manual[group], automatic[group], s=10, alpha=0.6, color=colour, linewidths=0, label=label)
    _diagonal(axes)
    axes.legend(fontsize=TYPE_PT, loc="upper left", frameon=False)
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")


def _overlap_figure(between: Overlaps, detector: Overlaps) -> Figure:
    figure, axes = panel("", "mean intersection over union", "")
    names = [name for name in detector if " " in name][::-1]
    sides = (("between readers", between, MANUAL_COLOUR), ("reader and detector", detector, AUTOMATIC_COLOUR))
    for label, overlap, colour in sides:
        if overlap:
            axes.plot([overlap[name].iou for name in names], range(len(names)), "o", color=colour, label=label)
    axes.axvline(0.9, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(names)), names, fontsize=TYPE_PT)
    figure.legend(fontsize=TYPE_PT, frameon=False, ncols=2, loc="outside lower center")
    return figure


def _difference_figure(differences: Sequence[EdgeDifference]) -> Figure:
    figure, axes = panel("", "mm", "")
    for row, difference in enumerate(reversed(differences)):
        axes.plot([difference.mm.low, difference.mm.high], [row, row], color=MANUAL_COLOUR)
        axes.plot([difference.mm.value], [row], "o", color=AUTOMATIC_COLOUR)
    axes.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(differences)), [difference.name for difference in differences][::-1], fontsize=TYPE_PT)
    return figure
