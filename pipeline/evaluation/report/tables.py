"""Tables 1 to 4 in the layout of Mao et al. 2022, with their lines beside those of this run."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from classify.inputs import PROJECTIONS, SIX
from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.metrics import ClassMetrics
from pipeline.evaluation.estimable import interval_text
from pipeline.evaluation.evaluation import DatasetEvaluation, Evaluation
from pipeline.evaluation.report.published import CONFUSION, ROWS, TABLE_1
from pipeline.evaluation.tables.classification import PERCENT, auc_label, class_cells
from pipeline.evaluation.tables.evaluation import in_order

THIS_RUN, PAPER = "this run", "the paper"

TITLES = {
    "table_1_population": "Table 1: population",
    "table_2_images": "Table 2: osteoporosis, images alone",
    "table_3_confusion": "Table 3: confusion matrices",
    "table_4_covariates": "Table 4: osteoporosis, with age, sex and BMI",
}


def published_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """The paper's four tables by name; Table 2 or 4 is empty where this run has no such line."""
    return {
        "table_1_population": evaluation.tables["population"],
        "table_2_images": _osteoporosis_table(evaluation, 2),
        "table_3_confusion": _confusion_table(evaluation.datasets),
        "table_4_covariates": _osteoporosis_table(evaluation, 4),
    }


def report_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Every table of the report by name, in its order; those beside the paper's where the paper has such datasets."""
    beside = {name: table for name, table in published_tables(evaluation).items() if name != "table_1_population"}
    if not set(evaluation.datasets) & set(CONFUSION):
        beside.pop("table_3_confusion")
    return in_order({**evaluation.tables, **beside})


def _osteoporosis_table(evaluation: Evaluation, number: int) -> pd.DataFrame:
    """Osteoporosis in the layout of the paper's Table 2 (images alone) or 4 (covariates), the paper's lines last."""
    rows = [
        {
            "dataset": dataset,
            "projection": projection,
            "by": THIS_RUN,
            "studies": metrics.studies,
            **class_cells(metrics),
        }
        for dataset, evaluated in evaluation.datasets.items()
        for projection, metrics in _lines(evaluated, number, evaluation.has_covariates).items()
    ]
    if not rows:
        return pd.DataFrame()
    for row in (row for row in ROWS if row.table == number and row.dataset in evaluation.datasets):
        auc = interval_text(row.auc)
        rows.append(
            {
                "dataset": row.dataset,
                "projection": row.projection,
                "by": PAPER,
                "studies": int(TABLE_1[row.dataset]["n"]),
            }
            | {auc_label(): "", "AUC (95 %, the paper's way)": auc}
            | {name: f"{getattr(row, key):.2f}" for key, name in PERCENT.items()}
        )
    order, projections = list(evaluation.datasets), list(PROJECTIONS)
    rows.sort(key=lambda row: (order.index(str(row["dataset"])), projections.index(str(row["projection"]))))
    return pd.DataFrame(rows)


def _lines(evaluated: DatasetEvaluation, number: int, has_covariates: bool) -> dict[str, ClassMetrics]:
    """Metrics by projection; without an ablation, those of all inputs stand for both views."""
    lines = {
        model.projection: evaluated.input_ablation[model.name]
        for model in SIX
        if model.table == number and model.name in evaluated.input_ablation
    }
    if not lines and number == (4 if has_covariates else 2) and evaluated.classification is not None:
        lines["AP and LAT"] = evaluated.classification.classes[BmdClass.OSTEOPOROSIS]
    return {projection: lines[projection] for projection in PROJECTIONS if projection in lines}


def _confusion_table(datasets: Mapping[str, DatasetEvaluation]) -> pd.DataFrame:
    names = [c.value for c in BMD_CLASSES]
    rows = []
    for dataset, evaluated in datasets.items():
        matrix = () if evaluated.classification is None else evaluated.classification.confusion
        for by, counted in ((THIS_RUN, matrix), (PAPER, CONFUSION.get(dataset, ()))):
            rows += [
                {"dataset": dataset, "by": by, "truth": truth, **dict(zip(names, line, strict=True))}
                for truth, line in zip(names, counted, strict=False)
            ]
    return pd.DataFrame(rows)
