"""Classification against DXA, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.classification.metrics import ClassificationMetrics, ClassMetrics
from pipeline.evaluation.estimable import interval_text, told

PERCENT = {"sensitivity": "sensitivity %", "specificity": "specificity %", "ppv": "PPV %", "npv": "NPV %"}


def class_table(classes: Mapping[str, ClassMetrics]) -> pd.DataFrame:
    """One class against the rest, all inputs that each study has."""
    rows = [
        {"dataset": dataset, "studies": metrics.studies, "cases": metrics.cases, **class_cells(metrics)}
        for dataset, metrics in classes.items()
    ]
    return pd.DataFrame(rows)


def class_cells(metrics: ClassMetrics) -> dict[str, str]:
    """AUC with both intervals, and the metrics at the most probable class in percent."""
    words = metrics.not_estimable
    return {
        "AUC (95 %, DeLong)": interval_text(metrics.auc, word=words.get("auc", words.get("auc_interval"))),
        "AUC (95 %, the paper's way)": interval_text(metrics.auc_paper_interval, word=words.get("auc")),
        **{name: interval_text(getattr(metrics, key), 100, 2, words.get(key)) for key, name in PERCENT.items()},
    }


def confusion_table(matrices: Mapping[str, Sequence[Sequence[int]]]) -> pd.DataFrame:
    """Studies by DXA (rows) and by prediction (columns)."""
    names = [c.value for c in BMD_CLASSES]
    rows = [
        {"dataset": dataset, "by DXA": truth, **dict(zip(names, counted, strict=True))}
        for dataset, matrix in matrices.items()
        for truth, counted in zip(names, matrix, strict=True)
    ]
    return pd.DataFrame(rows)


def classification_table(metrics: Mapping[str, ClassificationMetrics], rejected: Mapping[str, int]) -> pd.DataFrame:
    """All classes together: agreement, calibration, T-scores, prediction sets and decisions; one column a dataset."""
    columns = {dataset: dict(_classification_cells(result, rejected[dataset])) for dataset, result in metrics.items()}
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells))
    return pd.DataFrame(
        {"metric": names, **{name: [cells.get(key, "-") for key in names] for name, cells in columns.items()}}
    )


def _classification_cells(metrics: ClassificationMetrics, rejected: int) -> Iterator[tuple[str, object]]:
    words = metrics.not_estimable
    yield "studies with a class and DXA", metrics.studies
    yield "rejected studies", rejected
    yield "macro AUC (95 %, bootstrap)", interval_text(metrics.macro_auc, word=words.get("macro_auc"))
    yield "accuracy at the most probable class (95 %)", interval_text(metrics.accuracy)
    yield "kappa", told(metrics.kappa, words.get("kappa"))
    yield "quadratic-weighted kappa", told(metrics.kappa_quadratic, words.get("kappa_quadratic"))
    yield "expected calibration error (ECE)", told(metrics.ece)
    yield "ECE expected under perfect calibration, mean", told(metrics.ece_expected)
    yield "ECE expected under perfect calibration, 95th percentile", told(metrics.ece_expected_high)
    yield "Brier score", told(metrics.brier)
    t_score, word = metrics.t_score, words.get("t_score")
    yield "T-score: mean absolute error", told(t_score and t_score.mae, word)
    yield "T-score: r", told(t_score and t_score.r, word or words.get("r"))
    yield "T-score: estimate minus DXA, mean", told(t_score and t_score.bias.value, word)
    yield "T-score: limit of agreement, low", told(t_score and t_score.bias.low, word)
    yield "T-score: limit of agreement, high", told(t_score and t_score.bias.high, word)
    sets = metrics.prediction_sets
    yield "prediction sets that hold the truth (95 %)", interval_text(None if sets is None else sets.coverage)
    yield "mean size of prediction sets", told(sets and sets.mean_size)
    decided = metrics.decisions
    yield "studies ruled in", told(decided and decided.rule_in)
    yield "PPV of rule-in (95 %)", interval_text(None if decided is None else decided.rule_in_ppv)
    yield "studies ruled out", told(decided and decided.rule_out)
    yield "NPV of rule-out (95 %)", interval_text(None if decided is None else decided.rule_out_npv)
    yield "indeterminate studies", told(decided and decided.indeterminate)
