"""Figures of an evaluation: ROC, calibration and decision curves, and T-scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from classify.inputs import SIX
from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.classification.input_ablation import ablation_cases
from pipeline.evaluation.evaluate import ALL, Evaluation
from pipeline.evaluation.statistics.thresholds import net_benefit
from pipeline.report_page.figures import panel

Floats = npt.NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""1 - specificity and sensitivity."""

COLOURS = {"normal": "#2c7fb8", "osteopenia": "#d98e04", "osteoporosis": "#b2182b"}

PALETTE = ("#2c7fb8", "#d98e04", "#4a4a4a")

PAPER_FIGURES = (
    ("figure_3", "Osteoporosis, images alone", {m.name: m.projection for m in SIX if not m.covariates}),
    (
        "figure_4",
        "Osteoporosis, lateral image",
        {"lat-images": "image alone", "lat-covariates": "with age, sex, BMI"},
    ),
)
"""The paper's ROC figures: name, title, and its models with their labels."""

LONGEST_NAME = 40
"""Characters of a site's name in a file name, of four bytes at most each."""


def evaluation_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Of every dataset, by file name."""
    figures: dict[str, Figure] = {}
    for dataset, name in file_names(evaluation.datasets).items():
        studies = [study for study in evaluation.studies if dataset in (ALL, study.site)]
        if (cases := cases_of(studies)) is not None:
            figures.update(_figures(dataset, name, cases, ablation_cases(studies)))
    return figures


def file_names(datasets: Iterable[str]) -> dict[str, str]:
    """A short name for the files of each dataset, whatever the name of its site; no two are equal."""
    names: dict[str, str] = {}
    for dataset in datasets:
        name = "".join(c if c.isalnum() else "_" for c in dataset)[:LONGEST_NAME]
        taken = {other.casefold() for other in names.values()}
        numbered = (f"{name}_{k}" for k in count(2))
        names[dataset] = (
            name if name.casefold() not in taken else next(n for n in numbered if n.casefold() not in taken)
        )
    return names


def _figures(
    dataset: str, name: str, cases: EvaluatedCases, ablation: Mapping[str, EvaluatedCases]
) -> dict[str, Figure]:
    curves = {c.value: curve for c in BMD_CLASSES if (curve := _roc(cases, c)) is not None}
    figures = {f"roc_{name}": _roc_figure(f"ROC curves, {dataset}", curves, COLOURS)}
    for key, title, models in PAPER_FIGURES:
        known = {
            label: curve
            for model, label in models.items()
            if model in ablation and (curve := _roc(ablation[model], BmdClass.OSTEOPOROSIS)) is not None
        }
        if known:
            figures[f"{key}_{name}"] = _roc_figure(
                f"{title}, {dataset}", known, dict(zip(known, PALETTE, strict=False))
            )
    figures[f"reliability_{name}"] = _reliability_figure(dataset, cases)
    figures[f"decision_{name}"] = _decision_figure(dataset, cases)
    if np.isfinite(cases.t_estimates).sum() > 2:
        figures[f"t_score_{name}"] = _t_score_figure(dataset, cases)
    return figures


def _roc(cases: EvaluatedCases, bmd_class: BmdClass) -> Curve | None:
    k = BMD_CLASSES.index(bmd_class)
    truth = cases.labels == k
    if not 0 < truth.sum() < len(truth):
        return None
    false, true, _ = roc_curve(truth, cases.probabilities[:, k])
    return np.asarray(false), np.asarray(true)


def _roc_figure(title: str, curves: Mapping[str, Curve], colours: Mapping[str, str]) -> Figure:
    figure, axes = panel(title, "1 - specificity", "sensitivity")
    for name, (false, true) in curves.items():
        axes.plot(false, true, color=colours[name], label=f"{name} {float(np.trapezoid(true, false)):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    if curves:
        axes.legend(fontsize=8, loc="lower right", frameon=False)
    else:
        axes.text(0.5, 0.5, "one class alone: no curve", ha="center", backgroundcolor="white")
    return figure


def _reliability_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    figure, axes = panel(f"Calibration of osteoporosis, {dataset}", "predicted probability", "observed fraction")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    bins = np.minimum((cases.p_osteoporosis * 10).astype(int), 9)
    members = [bins == k for k in range(10) if (bins == k).any()]
    x = [float(cases.p_osteoporosis[in_bin].mean()) for in_bin in members]
    y = [float(cases.positive[in_bin].mean()) for in_bin in members]
    axes.plot(x, y, color=COLOURS["osteoporosis"], marker="o")
    for place, in_bin in zip(zip(x, y, strict=True), members, strict=True):
        axes.annotate(str(int(in_bin.sum())), place, textcoords="offset points", xytext=(4, -10), fontsize=7)
    return figure


def _decision_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    figure, axes = panel(f"Decision curve of osteoporosis, {dataset}", "threshold", "net benefit")
    thresholds = np.linspace(0.01, 0.80, 80)
    benefit = net_benefit(cases.positive, cases.p_osteoporosis, thresholds)
    prevalence = float(cases.positive.mean())
    axes.plot(thresholds, benefit, color=COLOURS["osteoporosis"], label="OsteoLens")
    of_all = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    axes.plot(thresholds, of_all, color="grey", linewidth=0.9, label="DXA for everyone")
    axes.axhline(0, color="black", linewidth=0.6, label="DXA for no one")
    axes.set_ylim(-0.05, max(0.05, float(np.max(benefit)) * 1.15))
    axes.legend(fontsize=8, frameon=False)
    return figure


def _t_score_figure(dataset: str, cases: EvaluatedCases) -> Figure:
    figure, axes = panel(f"T-score, {dataset}", "mean of estimate and DXA", "estimate minus DXA")
    gap, mean = cases.t_estimates - cases.t_scores, (cases.t_estimates + cases.t_scores) / 2
    axes.scatter(mean, gap, s=6, alpha=0.5, color="#3b5b7a", linewidths=0)
    bias, spread = float(np.nanmean(gap)), float(np.nanstd(gap, ddof=1))
    for level in (bias, bias - 1.96 * spread, bias + 1.96 * spread):
        axes.axhline(level, color="black", linewidth=0.8, linestyle="-" if level == bias else "--")
    return figure
