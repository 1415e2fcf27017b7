"""The evaluation as one self-contained page, with its tables as CSV and JSON and its figures as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.report.figures import evaluation_figures
from pipeline.evaluation.report.published import SOURCE
from pipeline.evaluation.report.tables import report_tables
from pipeline.report_page.page import Page, write_page

DAMAGED_NAMED = 20
"""Damaged files that a report names; JSON names all."""


def write_evaluation(out: Path, evaluation: Evaluation, notice: str) -> None:
    """Write report.html, evaluation.json, tables/*.csv and figures/*.svg and *.png into a folder.

    Args:
        out: folder, made where it is missing.
        evaluation: from `evaluate`.
        notice: what kind of data this is, printed at the top.

    Raises:
        ConfigError: the folder cannot be written.
    """
    write_page(
        out,
        Page(
            package="pipeline.evaluation.report",
            name="evaluation",
            title="Evaluation against DXA",
            notice=notice,
            document=evaluation.as_json(),
            tables=report_tables(evaluation),
            figures=evaluation_figures(evaluation),
            context={
                "evaluation": evaluation,
                "checklist": _checklist(evaluation),
                "most_named": DAMAGED_NAMED,
                "source": SOURCE,
            },
        ),
    )


def _checklist(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Items of TRIPOD+AI and CLAIM that the run itself can answer; the others are the authors' to fill."""
    sites = ", ".join(f"{name} ({dataset.studies})" for name, dataset in evaluation.datasets.items())
    missing = evaluation.not_evaluated
    return [
        ("Data sources and numbers (TRIPOD+AI 5a, 20a; CLAIM 7, 32)", sites),
        ("Eligibility and exclusions (TRIPOD+AI 6b; CLAIM 8)", f"{evaluation.excluded} studies excluded by criteria"),
        ("Outcome and reference standard (TRIPOD+AI 8a; CLAIM 14)", "WHO class of the L1-L4 DXA T-score"),
        (
            "Missing data (TRIPOD+AI 11; CLAIM 12)",
            f"{missing.predictions_without_dxa.count} predictions without DXA, "
            f"{missing.dxa_without_prediction.count} DXA results without a prediction",
        ),
        (
            "Performance with intervals (TRIPOD+AI 12e, 23a; CLAIM 28, 36)",
            "AUC by DeLong, macro AUC by bootstrap, proportions by Wilson with continuity correction",
        ),
        ("Calibration (TRIPOD+AI 12e)", "expected calibration error, Brier score, reliability curves"),
        ("Subgroups and fairness (TRIPOD+AI 14, 23a)", "sex, age, BMI, radiography system, site"),
        (
            "Failures of the index test (CLAIM 37)",
            "; ".join(
                f"{name}: {dataset.rejected} of {dataset.studies} rejected"
                for name, dataset in evaluation.datasets.items()
            ),
        ),
        ("Population, setting, intended use, ethics, funding", "to be stated by the authors"),
    ]
