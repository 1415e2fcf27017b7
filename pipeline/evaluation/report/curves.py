"""Curves of one dataset: ROC, calibration, decision, and the agreement of T-scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.statistics.calibration import smoothed_curve
from pipeline.evaluation.statistics.thresholds import net_benefit
from pipeline.report_page.figures import MOST_VECTOR_POINTS, TYPE_PT, label_axes, panel, panels

Floats = npt.NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""1 - specificity and sensitivity."""

COLOURS = {"normal": "#2c7fb8", "osteopenia": "#d98e04", "osteoporosis": "#b2182b"}

LINES = {"normal": ":", "osteopenia": "--", "osteoporosis": "-"}
"""So that classes are told apart without colour."""

PALETTE = ("#2c7fb8", "#d98e04", "#4a4a4a")
STYLES = ("-", "--", ":")

MOST_ROC_POINTS = 400
"""Corners of a ROC curve that are drawn; with more, those nearest to evenly spaced ones."""

BINS = 40
"""Of the histogram of predicted probabilities."""


def roc(cases: EvaluatedCases, bmd_class: BmdClass) -> Curve | None:
    """The ROC curve of a class against the rest; None where one side has no study."""
    k = BMD_CLASSES.index(bmd_class)
    truth = cases.labels == k
    if not 0 < truth.sum() < len(truth):
        return None
    false, true, _ = roc_curve(truth, cases.probabilities[:, k])
    return np.asarray(false), np.asarray(true)


def roc_figure(title: str, curves: Mapping[str, Curve], colours: Mapping[str, str], lines: Mapping[str, str]) -> Figure:
    """ROC curves with their areas.

    Args:
        title: above.
        curves: by name.
        colours: of each.
        lines: style of each.
    """
    figure, axes = panel(title, "1 - specificity", "sensitivity")
    for name, (false, true) in curves.items():
        label = f"{name} {float(np.trapezoid(true, false)):.3f}"
        corners = np.unique(np.linspace(0, len(false) - 1, min(len(false), MOST_ROC_POINTS)).round().astype(int))
        axes.plot(false[corners], true[corners], color=colours[name], linestyle=lines[name], label=label)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_aspect("equal")
    if curves:
        axes.legend(fontsize=TYPE_PT, loc="lower right", frameon=False, title="AUC", title_fontsize=TYPE_PT)
    else:
        axes.text(0.5, 0.5, "one class alone: no curve", ha="center", backgroundcolor="white", fontsize=TYPE_PT)
    return figure


def calibration_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    """Observed frequency against predicted probability of osteoporosis, smoothed, above the predictions' histogram."""
    figure, _ = panels(1)
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=TYPE_PT)
    label_axes(upper, f"Calibration of osteoporosis, {dataset}", "", "observed frequency")
    label_axes(lower, "", "predicted probability", "studies")
    upper.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="ideal")
    curve = smoothed_curve(cases.positive, cases.p_osteoporosis, clusters=cases.patients)
    if np.isfinite(curve.observed).any():
        upper.plot(curve.predicted, curve.observed, color=COLOURS["osteoporosis"], label="smoothed")
        upper.fill_between(
            curve.predicted,
            curve.low,
            curve.high,
            color=COLOURS["osteoporosis"],
            alpha=0.2,
            lw=0,
            label="95 % interval",
        )
    else:
        upper.text(0.5, 0.2, "too few studies for a curve", ha="center", fontsize=TYPE_PT)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.legend(fontsize=TYPE_PT, loc="upper left", frameon=False)
    edges = np.linspace(0, 1, BINS + 1)
    sides = (cases.p_osteoporosis[cases.positive], cases.p_osteoporosis[~cases.positive])
    lower.hist(
        sides, bins=edges, stacked=True, color=(COLOURS["osteoporosis"], "#9fb3c4"), label=("osteoporosis", "others")
    )
    lower.legend(fontsize=TYPE_PT, frameon=False, ncols=2, loc="upper center", borderaxespad=0.0)
    return figure


def decision_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    """Net benefit of the prediction against DXA for everyone and for no one."""
    figure, axes = panel(f"Decision curve of osteoporosis, {dataset}", "threshold probability", "net benefit")
    thresholds = np.linspace(0.01, 0.80, 80)
    benefit = net_benefit(cases.positive, cases.p_osteoporosis, thresholds)
    prevalence = float(cases.positive.mean())
    axes.plot(thresholds, benefit, color=COLOURS["osteoporosis"], label="OsteoLens")
    of_all = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    axes.plot(thresholds, of_all, color="#4a4a4a", linewidth=0.9, linestyle="--", label="DXA for everyone")
    axes.axhline(0, color="black", linewidth=0.8, linestyle=":", label="DXA for no one")
    axes.set_ylim(-0.05, max(0.05, prevalence, float(np.max(benefit))) * 1.15)
    axes.legend(fontsize=TYPE_PT, frameon=False)
    return figure


def t_score_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    """Estimated T-scores against DXA (Bland and Altman 1986)."""
    figure, axes = panel(f"T-score, {dataset}", "mean of estimate and DXA", "estimate minus DXA")
    gap, mean = cases.t_estimates - cases.t_scores, (cases.t_estimates + cases.t_scores) / 2
    many = len(gap) > MOST_VECTOR_POINTS
    axes.scatter(mean, gap, s=4 if many else 8, alpha=0.4, color="#3b5b7a", linewidths=0, rasterized=many)
    bias, spread = float(np.nanmean(gap)), float(np.nanstd(gap, ddof=1))
    for level in (bias, bias - 1.96 * spread, bias + 1.96 * spread):
        axes.axhline(level, color="black", linewidth=0.8, linestyle="-" if level == bias else "--")
        axes.annotate(
            f"{level:+.2f}",
            (1, level),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            fontsize=TYPE_PT,
        )
    return figure
