"""The evaluation as one self-contained page, with its tables and figures beside it in the formats of papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from osteolens.errors import ConfigError
from osteolens.progress import Progress, silent
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.report.checklist import checklist_table
from pipeline.evaluation.report.error_page import write_errors
from pipeline.evaluation.report.figures import ReportFigure, evaluation_figures
from pipeline.evaluation.report.tables import report_tables
from pipeline.evaluation.tables.evaluation import TableGroup, captions, group_of
from pipeline.report_page.captions import numbered
from pipeline.report_page.figures import COLUMN_IN
from pipeline.report_page.page import Page, write_page

DAMAGED_NAMED = 20
"""Damaged files that a report names; JSON names all."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its heading, and the names of its tables and figures."""

    title: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """For links within the page."""
        return "part-" + self.title.lower().replace(" ", "-")


def check_folder(out: Path, results: Path, cohort: Path) -> None:
    """Whether a report may lie in a folder: it would replace the page of results, or lie among radiographs.

    Raises:
        ConfigError: the folder is that of the results or of the cohort, or one that the results lie in.
    """
    place, of_results = out.resolve(), results.resolve()
    if place == of_results or any(place.is_relative_to(of_results / name) for name in ("studies", "overlays")):
        raise ConfigError(
            f"{out}: holds results, and a report would mix with them; expected a folder of its own, such as "
            f"--out {results / 'evaluation'}"
        )
    if place == cohort.resolve():
        raise ConfigError(
            f"{out}: is the cohort, and a report would mix with it; expected a folder of its own, such as "
            f"--out {cohort / 'evaluation'}"
        )


def write_evaluation(
    out: Path,
    evaluation: Evaluation,
    notice: str,
    overlays: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Write report.html, errors.html, evaluation.json, tables.html, tables/* and figures/* into a folder.

    Args:
        out: folder, made where it is missing.
        evaluation: from `evaluate`.
        notice: what kind of data this is, printed at the top.
        overlays: folder of pictures of the results, for the page of errors; none are shown when left out.
        progress: called after every figure.

    Raises:
        ConfigError: the folder cannot be written.
    """
    figures = evaluation_figures(evaluation)
    figure_captions = {own.name: own.caption for own in figures}
    tables = _with_checklist(report_tables(evaluation), figures)
    write_page(
        out,
        Page(
            package="pipeline.evaluation.report",
            name="evaluation",
            title="Evaluation against DXA",
            notice=notice,
            document=evaluation.as_json(),
            tables=tables,
            figures={own.name: own.figure for own in figures},
            table_captions=captions(tables),
            figure_captions=figure_captions,
            context={
                "evaluation": evaluation,
                "errors": len(evaluation.errors),
                "sections": _sections(tables, figures),
                "wide_figures": [own.name for own in figures if own.figure.get_figwidth() > COLUMN_IN],
                "most_named": DAMAGED_NAMED,
            },
        ),
        progress,
    )
    write_errors(out, evaluation.errors, notice, overlays)


def _with_checklist(tables: Mapping[str, pd.DataFrame], figures: Sequence[ReportFigure]) -> dict[str, pd.DataFrame]:
    """The tables and, last, where they and the figures answer the guidelines."""
    names = [name for name, table in tables.items() if len(table)]
    labels = {name: own.label for name, own in numbered("Table", names, {}).items()}
    shown = {name: own.label for name, own in numbered("Figure", [own.name for own in figures], {}).items()}
    return {**tables, "checklist": checklist_table(labels, shown)}


def _sections(tables: Mapping[str, pd.DataFrame], figures: Sequence[ReportFigure]) -> list[Section]:
    """Groups that have a table or a figure, in their order."""
    sections = [
        Section(
            group.value,
            tuple(name for name, table in tables.items() if len(table) and group_of(name) is group),
            tuple(own.name for own in figures if own.group is group),
        )
        for group in TableGroup
    ]
    return [section for section in sections if section.tables or section.figures]
