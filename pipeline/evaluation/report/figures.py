"""Figures of an evaluation, with their captions, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
from matplotlib.figure import Figure

from classify.inputs import SIX
from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.classification.input_ablation import ablation_cases
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.report.curves import (
    COLOURS,
    LINES,
    PALETTE,
    STYLES,
    calibration_figure,
    decision_figure,
    roc,
    roc_figure,
    t_score_figure,
)
from pipeline.evaluation.report.flow import evaluation_flow
from pipeline.evaluation.report.forest import forest_figure
from pipeline.evaluation.tables.evaluation import TableGroup
from pipeline.report_page.captions import Caption

PAPER_FIGURES = (
    ("figure_3", "Osteoporosis, images alone", {m.name: m.projection for m in SIX if not m.covariates}),
    (
        "figure_4",
        "Osteoporosis, lateral image",
        {"lat-images": "image alone", "lat-covariates": "with age, sex, BMI"},
    ),
)
"""The paper's ROC figures: name, title, and its models with their labels."""

MOST_DATASETS = 8
"""That are drawn; the tables hold all."""

LONGEST_NAME = 40
"""Characters of a site's name in a file name, of four bytes at most each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        kind: of figure; those of one kind stand together.
        dataset: short name of the dataset, empty where there is one figure of the kind.
        group: under which it stands.
        figure: drawn.
        title: of its caption.
        note: how to read it.
    """

    kind: str
    dataset: str = ""
    group: TableGroup
    figure: Figure
    title: str
    note: str = ""

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.kind}_{self.dataset}" if self.dataset else self.kind

    @property
    def caption(self) -> Caption:
        """Title and note."""
        return Caption(self.title, self.note)


def evaluation_figures(evaluation: Evaluation) -> list[ReportFigure]:
    """Of every dataset, by the group of tables that they belong to."""
    figures = [
        ReportFigure(
            kind="flow",
            group=TableGroup.POPULATION,
            figure=evaluation_flow(evaluation.overall),
            title="Flow of studies",
            note="Every study is counted once, at the first reason for which it leaves.",
        )
    ]
    for dataset, name in file_names(evaluation.datasets).items():
        studies = evaluation.datasets[dataset].members
        if (cases := cases_of(studies)) is not None:
            figures += _figures(dataset, name, cases, ablation_cases(studies))
    figures += _forest(evaluation)
    groups, kinds = list(TableGroup), [own.kind for own in figures]
    return sorted(figures, key=lambda own: (groups.index(own.group), kinds.index(own.kind)))


def _drawn(evaluation: Evaluation) -> dict[str, str]:
    """File names of the datasets that are drawn: the last one, of all studies, and the first of the others."""
    names = file_names(evaluation.datasets)
    return {dataset: names[dataset] for dataset in (*list(names)[:-1][: MOST_DATASETS - 1], list(names)[-1])}


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
) -> Iterator[ReportFigure]:
    curves = {c.value: curve for c in BMD_CLASSES if (curve := roc(cases, c)) is not None}
    studies = f"{len(cases.labels)} studies"
    yield ReportFigure(
        kind="roc",
        dataset=name,
        group=TableGroup.CLASSIFICATION,
        figure=roc_figure(f"ROC curves, {dataset}", curves, COLOURS, LINES),
        title=f"ROC curves, {dataset}",
        note=f"Each class against the rest, with its area under the curve; {studies}.",
    )
    if np.isfinite(cases.t_estimates).sum() > 2:
        yield ReportFigure(
            kind="t_score",
            dataset=name,
            group=TableGroup.CLASSIFICATION,
            figure=t_score_figure(dataset, cases),
            title=f"Estimated T-score against DXA, {dataset}",
            note="Bias and 95 % limits of agreement (Bland and Altman).",
        )
    yield ReportFigure(
        kind="calibration",
        dataset=name,
        group=TableGroup.CALIBRATION,
        figure=calibration_figure(dataset, cases),
        title=f"Calibration of osteoporosis, {dataset}",
        note=f"Smoothed observed frequency with its pointwise interval, and the predictions below; {studies}.",
    )
    yield ReportFigure(
        kind="decision",
        dataset=name,
        group=TableGroup.DECISIONS,
        figure=decision_figure(dataset, cases),
        title=f"Decision curve of osteoporosis, {dataset}",
        note="Net benefit of DXA for those above the threshold, for everyone and for no one.",
    )
    yield from _paper_figures(dataset, name, ablation)


def _paper_figures(dataset: str, name: str, ablation: Mapping[str, EvaluatedCases]) -> Iterator[ReportFigure]:
    for key, title, models in PAPER_FIGURES:
        known = {
            label: curve
            for model, label in models.items()
            if model in ablation and (curve := roc(ablation[model], BmdClass.OSTEOPOROSIS)) is not None
        }
        if known:
            colours, lines = (dict(zip(known, signs, strict=False)) for signs in (PALETTE, STYLES))
            yield ReportFigure(
                kind=key,
                dataset=name,
                group=TableGroup.COMPARISONS,
                figure=roc_figure(f"{title}, {dataset}", known, colours, lines),
                title=f"{title}, {dataset}",
                note=f"As {key.replace('_', ' ').capitalize()} of Mao et al. 2022.",
            )


def _forest(evaluation: Evaluation) -> Iterator[ReportFigure]:
    found = evaluation.overall.classification
    if found is None:
        return
    own = found.classes[BmdClass.OSTEOPOROSIS]
    overall = {"auc": own.auc, "sensitivity": own.sensitivity, "specificity": own.specificity}
    figure = forest_figure(evaluation.subgroups, overall)
    if figure is not None:
        yield ReportFigure(
            kind="subgroups",
            group=TableGroup.SUBGROUPS,
            figure=figure,
            title="Osteoporosis in subgroups, with 95 % intervals",
            note="Cases of osteoporosis and studies in brackets; dashed: all studies; at the most probable class.",
        )
