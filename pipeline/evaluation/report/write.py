"""The evaluation as one self-contained page, with its tables as CSV and JSON and its figures as SVG and PNG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classify.inputs import SIX
from cohort.in_silico import notice_of
from cohort.io.folder import site_names
from cohort.io.tables.cohort_tables import read_cohort_csv
from osteolens.errors import ReadError
from pipeline.evaluation.classification import EvaluatedCases
from pipeline.evaluation.datasets import ALL, NAMED, curves, evaluate_datasets, site_of
from pipeline.evaluation.detection import evaluate_detector
from pipeline.evaluation.evaluate import evaluated_cases, is_included, is_of_site
from pipeline.evaluation.input_ablation import ablation_cases
from pipeline.evaluation.report.published import SOURCE
from pipeline.evaluation.report.tables import evaluation_tables
from pipeline.evaluation.results import NAMED as DAMAGED_NAMED
from pipeline.evaluation.results import Results, read_results
from pipeline.report_page.figures import panel
from pipeline.report_page.page import Page, write_page

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


def report_results(
    results: Path,
    cohort: Path,
    out: Path | None,
    site: str | None = None,
    everyone: bool = False,
    drawn: Path | None = None,
) -> dict[str, Any]:
    """The whole evaluation of a results folder, written where a folder is given (`write_evaluation`).

    Args:
        results: output folder of `osteolens process`.
        cohort: folder with cohort.csv.
        out: folder of the report, or None.
        site: only this site.
        everyone: judge excluded patients too.
        drawn: output folder of `osteolens process --rois` on the same studies.

    Raises:
        ReadError: no results, no cohort.csv, or no study of the site.
    """
    table = cohort / "cohort.csv"
    if not table.is_file():
        raise ReadError(f"{table} is missing; a report needs DXA to compare with")
    wrong: list[str] = []
    rows = read_cohort_csv(table, wrong)
    read = read_results(results)
    documents = [d for d in read.documents if is_of_site(d, rows, site)]
    if not documents:
        raise ReadError(f"{results}: no study is of site {site!r} in {table}")
    if site is not None:
        rows = {key: row for key, row in rows.items() if row.site in site_names(site)}
    included = [d for d in documents if everyone or is_included(d, rows)]
    by_hand = Results(documents=()) if drawn is None else read_results(drawn)
    damaged = [*read.damaged, *(f"--drawn: {line}" for line in by_hand.damaged)]
    found = evaluate_datasets(documents, rows, included, drawn=by_hand.documents)
    found["not_judged"]["damaged_results"] = {"count": len(damaged), "names": damaged}
    found["not_judged"]["unreadable_lines"] = {"count": len(wrong), "first": wrong[:NAMED]}
    if (cohort / "rois.csv").is_file():
        found["detection"] = evaluate_detector(results, cohort, site)
    figures: dict[str, Figure] = {}
    for name, file_name in file_names(found["datasets"]).items() if out is not None else ():
        own = [d for d in included if name in (ALL, site_of(d, rows))]
        if (judged := evaluated_cases(own, rows)) is not None:
            figures.update(_figures(name, file_name, judged, ablation_cases(own, rows)))
    if out is not None:
        write_evaluation(out, found, figures, notice_of(cohort))
    return found


def write_evaluation(out: Path, document: dict[str, Any], figures: Mapping[str, Figure], notice: str) -> None:
    """Write report.html, evaluation.json, tables/*.csv and figures/*.svg and *.png into a folder.

    Args:
        out: folder, made where it is missing.
        document: from `evaluate_datasets`.
        figures: by name.
        notice: what kind of data this is, printed at the top.
    """
    write_page(
        out,
        Page(
            package="pipeline.evaluation.report",
            name="evaluation",
            title="Evaluation against DXA",
            notice=notice,
            document=document,
            tables=evaluation_tables(document),
            figures=figures,
            context={"checklist": _checklist(document), "most_named": DAMAGED_NAMED, "source": SOURCE},
        ),
    )


def file_names(datasets: Iterable[str]) -> dict[str, str]:
    """A short name for the files of each dataset, whatever its site is called; no two are equal."""
    found: dict[str, str] = {}
    for dataset in datasets:
        name = "".join(c if c.isalnum() else "_" for c in dataset)[:LONGEST_NAME]
        taken = {own.casefold() for own in found.values()}
        numbered = (f"{name}_{k}" for k in count(2))
        found[dataset] = (
            name if name.casefold() not in taken else next(n for n in numbered if n.casefold() not in taken)
        )
    return found


def _figures(
    dataset: str, name: str, judged: EvaluatedCases, input_ablation: Mapping[str, EvaluatedCases]
) -> dict[str, Figure]:
    """Of one dataset, by file name."""
    drawn, figures = curves(judged), {}
    figures[f"roc_{name}"] = _roc_figure(f"ROC curves, {dataset}", drawn["roc"], COLOURS)
    for key, title, models in PAPER_FIGURES:
        found = {m: curves(input_ablation[m])["roc"] for m in models if m in input_ablation}
        roc = {models[m]: own["osteoporosis"] for m, own in found.items() if "osteoporosis" in own}
        if roc:
            figures[f"{key}_{name}"] = _roc_figure(f"{title}, {dataset}", roc, dict(zip(roc, PALETTE, strict=False)))
    figures[f"reliability_{name}"] = _reliability_figure(dataset, drawn["reliability"])
    figures[f"decision_{name}"] = _decision_figure(dataset, *drawn["decision"])
    if np.isfinite(judged.t_estimates).sum() > 2:
        figures[f"t_score_{name}"] = _t_score_figure(dataset, judged)
    return figures


def _roc_figure(title: str, roc: Mapping[str, tuple[Any, Any]], colours: Mapping[str, str]) -> Figure:
    figure, axes = panel(title, "1 - specificity", "sensitivity")
    for name, (false, true) in roc.items():
        area = float(np.trapezoid(true, false))
        axes.plot(false, true, color=colours[name], label=f"{name} {area:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    if roc:
        axes.legend(fontsize=8, loc="lower right", frameon=False)
    else:
        axes.text(0.5, 0.5, "one class alone: no curve", ha="center", backgroundcolor="white")
    return figure


def _reliability_figure(dataset: str, points: Any) -> Figure:
    figure, axes = panel(f"Calibration of osteoporosis, {dataset}", "predicted share", "observed share")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    if len(points):
        axes.plot(points[:, 0], points[:, 1], color=COLOURS["osteoporosis"], marker="o")
        for x, y, count in points:
            axes.annotate(f"{count:.0f}", (x, y), textcoords="offset points", xytext=(4, -10), fontsize=7)
    return figure


def _decision_figure(dataset: str, thresholds: Any, benefit: Any, everyone: Any) -> Figure:
    figure, axes = panel(f"Decision curve of osteoporosis, {dataset}", "threshold", "net benefit")
    axes.plot(thresholds, benefit, color=COLOURS["osteoporosis"], label="OsteoLens")
    axes.plot(thresholds, everyone, color="grey", linewidth=0.9, label="DXA for everyone")
    axes.axhline(0, color="black", linewidth=0.6, label="DXA for no one")
    axes.set_ylim(-0.05, max(0.05, float(np.max(benefit)) * 1.15))
    axes.legend(fontsize=8, frameon=False)
    return figure


def _t_score_figure(dataset: str, judged: EvaluatedCases) -> Figure:
    figure, axes = panel(f"T-score, {dataset}", "mean of estimate and DXA", "estimate minus DXA")
    gap, mean = judged.t_estimates - judged.t_scores, (judged.t_estimates + judged.t_scores) / 2
    axes.scatter(mean, gap, s=6, alpha=0.5, color="#3b5b7a", linewidths=0)
    bias, spread = float(np.nanmean(gap)), float(np.nanstd(gap, ddof=1))
    for level in (bias, bias - 1.96 * spread, bias + 1.96 * spread):
        axes.axhline(level, color="black", linewidth=0.8, linestyle="-" if level == bias else "--")
    return figure


def _checklist(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Items of TRIPOD+AI and CLAIM that the run itself can answer; the others are the authors' to fill."""
    sites = ", ".join(f"{name} ({own['studies']})" for name, own in document["datasets"].items())
    missing = document["not_judged"]
    return [
        ("Data sources and numbers (TRIPOD+AI 5a, 20a; CLAIM 7, 32)", sites),
        ("Eligibility and exclusions (TRIPOD+AI 6b; CLAIM 8)", f"{document['excluded']} studies excluded by criteria"),
        ("Outcome and reference standard (TRIPOD+AI 8a; CLAIM 14)", "WHO class of the L1-L4 DXA T-score"),
        (
            "Missing data (TRIPOD+AI 11; CLAIM 12)",
            f"{missing['predictions_without_truth']['count']} predictions without DXA, "
            f"{missing['truth_without_predictions']['count']} DXA results without a prediction",
        ),
        (
            "Performance with intervals (TRIPOD+AI 12e, 23a; CLAIM 28, 36)",
            "AUC by DeLong, macro AUC by bootstrap, shares by Wilson with continuity correction",
        ),
        ("Calibration (TRIPOD+AI 12e)", "expected calibration error, Brier score, reliability curves"),
        ("Subgroups and fairness (TRIPOD+AI 14, 23a)", "sex, age, BMI, machine, site"),
        (
            "Failures of the index test (CLAIM 37)",
            "; ".join(f"{n}: {o['rejected']} of {o['studies']} rejected" for n, o in document["datasets"].items()),
        ),
        ("Population, setting, intended use, ethics, funding", "to be stated by the authors"),
    ]
