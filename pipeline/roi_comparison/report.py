"""The comparison of hand-drawn and automatic ROIs as one page with tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.estimable import gap_text, told
from pipeline.report_page.figures import panel
from pipeline.report_page.page import Page, write_page
from pipeline.report_page.tables import p_value
from pipeline.roi_comparison.compare import AUTOMATIC, Comparison

HAND, MACHINE = "#3b5b7a", "#b2182b"


def write_comparison(out: Path, found: Comparison, figures: dict[str, Any], notice: str) -> None:
    """Write report.html, comparison.json, tables/*.csv and figures/* into a folder.

    Args:
        out: folder, made where it is missing.
        found: from `compare_rois`.
        figures: of it, from `summarise`.
        notice: what kind of data this is, printed at the top.
    """
    write_page(
        out,
        Page(
            package="pipeline.roi_comparison",
            name="comparison",
            title="Hand-drawn against automatic ROIs",
            notice=notice,
            document=figures,
            tables=comparison_tables(figures),
            figures=_drawn(found, figures),
            context={"verdict": verdict(figures)},
        ),
    )


def verdict(figures: dict[str, Any]) -> str:
    """One sentence on non-inferiority for osteoporosis."""
    own = figures["classes"]["osteoporosis"]
    if "reason" in own:
        return f"Osteoporosis: {own['reason']}."
    if own["noninferior"] is None:
        return f"Too few studies to state non-inferiority: {own['positive']} of {figures['studies']} with osteoporosis."
    word = "not inferior" if own["noninferior"] else "not shown to be non-inferior"
    return (
        f"Automatic ROIs are {word} to hand-drawn ones for osteoporosis at a margin of {own['margin']:g}: AUC "
        f"{own['auc_automatic']:.3f} against {own['auc_manual']:.3f}, difference {own['difference']:+.3f} "
        f"(95 % {own['difference_low']:+.3f} to {own['difference_high']:+.3f})."
    )


def comparison_tables(figures: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table of the page by name."""
    between, detector = figures["overlap_between_readers"], figures["overlap_with_detector"]
    overlap = [
        {"ROI": key, "between readers": _three(between.get(key)), "reader and detector": _three(value)}
        for key, value in detector.items()
    ]
    names = [*figures["readers"], AUTOMATIC]
    pairs = [
        {"": a, **{b: _three(figures["overlap_by_pair"].get(f"{a} / {b}")) for b in names[1:]}} for a in names[:-1]
    ]
    differences = [
        {
            "what": name,
            **{label: f"{own[key]:+.2f}" for label, key in (("bias", "bias"), ("from", "low"), ("to", "high"))},
        }
        for name, own in figures["differences_mm"].items()
    ]
    kinds = [str(kind) for kind in BMD_CLASSES]
    flips = [
        {"on hand-drawn ROIs": a, **{b: "" if a == b else figures["flips"][f"{a} to {b}"] for b in kinds}}
        for a in kinds
    ]
    word = figures["not_estimable"].get("by_reader")
    readers = [{"drawn by": name, "AUC": told(value, word)} for name, value in figures["by_reader"].items()]
    return {
        "classes": pd.DataFrame([_class_row(kind, figures["classes"][kind]) for kind in kinds]),
        "overlap": pd.DataFrame(overlap),
        "pairs": pd.DataFrame(pairs),
        "differences": pd.DataFrame(differences),
        "readers": pd.DataFrame(readers),
        "flips": pd.DataFrame(flips),
    }


def _class_row(kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
    if "reason" in own:
        return {"class": kind, "cases": own["positive"], "difference (95 %, DeLong)": own["reason"]}
    return {
        "class": kind,
        "cases": own["positive"],
        "AUC, hand-drawn": _three(own["auc_manual"]),
        "AUC, detector": _three(own["auc_automatic"]),
        "difference (95 %, DeLong)": _gap(own, "difference_low", "difference_high"),
        "difference (95 %, bootstrap)": _gap(own, "bootstrap_low", "bootstrap_high"),
        "p, equal": p_value(own["p_equal"]),
        "p, non-inferior": p_value(own["p_noninferior"]),
        f"non-inferior at {own['margin']:g}": {True: "yes", False: "no", None: "too few"}[own["noninferior"]],
        "p, McNemar": p_value(own["mcnemar_p"]),
    }


def _gap(own: Mapping[str, Any], low: str, high: str) -> str:
    return gap_text((own["difference"], own[low], own[high]), own.get("not_estimable", {}).get(low))


def _three(value: float | None) -> str:
    return "" if value is None else told(value)


def _drawn(found: Comparison, figures: dict[str, Any]) -> dict[str, Figure]:
    manual = np.mean([np.array(found.shares[name]) for name in figures["readers"]], 0)
    automatic = np.array(found.shares[AUTOMATIC])
    positive = np.array(found.labels) == len(BMD_CLASSES) - 1
    drawn = {
        "shares": _share_figure(manual[:, -1], automatic[:, -1], positive),
        "overlap": _overlap_figure(figures),
        "differences": _difference_figure(figures["differences_mm"]),
    }
    if 0 < positive.sum() < len(positive):
        drawn["roc"] = _roc_figure(positive, manual[:, -1], automatic[:, -1])
    return drawn


def _roc_figure(positive: Any, manual: Any, automatic: Any) -> Figure:
    figure, axes = panel("ROC of osteoporosis", "1 - specificity", "sensitivity")
    for label, shares, colour in (("hand-drawn ROIs", manual, HAND), ("detector's ROIs", automatic, MACHINE)):
        false, true, _ = roc_curve(positive, shares)
        axes.plot(false, true, color=colour, label=f"{label} {np.trapezoid(true, false):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    return figure


def _share_figure(manual: Any, automatic: Any, positive: Any) -> Figure:
    figure, axes = panel("Share of osteoporosis", "on hand-drawn ROIs", "on the detector's ROIs")
    for chosen, colour, label in ((~positive, HAND, "other by DXA"), (positive, MACHINE, "osteoporosis by DXA")):
        axes.scatter(manual[chosen], automatic[chosen], s=10, alpha=0.6, color=colour, linewidths=0, label=label)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    return figure


def _overlap_figure(figures: dict[str, Any]) -> Figure:
    figure, axes = panel("Overlap by level", "mean intersection over union", "")
    names = [key for key in figures["overlap_with_detector"] if " " in key][::-1]
    sides = (
        ("between readers", "overlap_between_readers", HAND),
        ("reader and detector", "overlap_with_detector", MACHINE),
    )
    for label, key, colour in sides:
        known = [(k, figures[key][name]) for k, name in enumerate(names) if name in figures[key]]
        if known:
            axes.plot([v for _, v in known], [k for k, _ in known], "o", color=colour, label=label)
    axes.axvline(0.9, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _difference_figure(differences: Mapping[str, Mapping[str, float]]) -> Figure:
    figure, axes = panel("Detector minus mean reader", "mm; bias and 95 % limits of agreement", "")
    for k, own in enumerate(reversed(list(differences.values()))):
        axes.plot([own["low"], own["high"]], [k, k], color=HAND)
        axes.plot([own["bias"]], [k], "o", color=MACHINE)
    axes.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(differences)), list(differences)[::-1], fontsize=8)
    return figure
