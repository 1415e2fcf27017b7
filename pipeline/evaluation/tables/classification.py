"""Classification against DXA, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.classification.metrics import ClassificationMetrics, ClassMetrics
from pipeline.evaluation.estimable import interval_text, metric_text, told

PERCENT = {"sensitivity": "sensitivity %", "specificity": "specificity %", "ppv": "PPV %", "npv": "NPV %"}


def class_table(classes: Mapping[str, ClassMetrics]) -> pd.DataFrame:
    """One class against the rest, all inputs that each study has; says where intervals are by patient."""
    clustered = any(metrics.clustered for metrics in classes.values())
    rows = [
        {
            "dataset": dataset,
            "studies": metrics.studies,
            **({"patients": metrics.patients} if clustered else {}),
            "cases": metrics.cases,
            **class_cells(metrics, clustered),
        }
        for dataset, metrics in classes.items()
    ]
    return pd.DataFrame(rows)


def class_cells(metrics: ClassMetrics, clustered: bool = False) -> dict[str, str]:
    """AUC with both intervals, and the metrics at the most probable class in percent.

    Args:
        metrics: of one class.
        clustered: whether the labels say that intervals are by patient.
    """
    words = metrics.not_estimable
    return {
        auc_label(clustered): metric_text(metrics, "auc", words),
        "AUC (95 %, the paper's way)": interval_text(metrics.auc_paper_interval, word=words.get("auc")),
        **{name: metric_text(metrics, key, words, 100, 2) for key, name in PERCENT.items()},
    }


def auc_label(clustered: bool = False) -> str:
    """Name of a column of AUCs with their intervals."""
    return f"AUC ({interval_label('DeLong, logit scale', clustered)})"


def interval_label(way: str = "", clustered: bool = False) -> str:
    """How an interval is called: its confidence, how it is made, and whether by patient."""
    return ", ".join(part for part in ("95 %", way, "by patient" if clustered else "") if part)


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
    clustered = any(result.clustered for result in metrics.values())
    columns = {
        dataset: dict(_classification_cells(result, rejected[dataset], clustered))
        for dataset, result in metrics.items()
    }
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells))
    return pd.DataFrame(
        {"metric": names, **{name: [cells.get(key, "-") for key in names] for name, cells in columns.items()}}
    )


def _classification_cells(
    metrics: ClassificationMetrics, rejected: int, clustered: bool
) -> Iterator[tuple[str, object]]:
    words = metrics.not_estimable
    of = interval_label(clustered=clustered)
    yield "studies with a class and DXA", metrics.studies
    if clustered:
        yield "patients of these studies", metrics.patients
    yield "rejected studies", rejected
    yield f"macro AUC ({interval_label('bootstrap', clustered)})", metric_text(metrics, "macro_auc", words)
    yield f"accuracy at the most probable class ({of})", metric_text(metrics, "accuracy", words)
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
    limits = word if t_score is None else t_score.not_estimable.get("bias_interval")
    yield "T-score: limit of agreement, low", told(t_score and t_score.bias.low, limits)
    yield "T-score: limit of agreement, high", told(t_score and t_score.bias.high, limits)
    sets = metrics.prediction_sets
    yield (
        f"prediction sets that hold the truth ({of})",
        interval_text(None if sets is None else sets.coverage, word=words.get("prediction_sets_interval")),
    )
    yield "mean size of prediction sets", told(sets and sets.mean_size)
    decided = metrics.decisions
    yield "studies ruled in", told(decided and decided.rule_in)
    yield (
        f"PPV of rule-in ({of})",
        interval_text(None if decided is None else decided.rule_in_ppv, word=words.get("decisions_interval")),
    )
    yield "studies ruled out", told(decided and decided.rule_out)
    yield (
        f"NPV of rule-out ({of})",
        interval_text(None if decided is None else decided.rule_out_npv, word=words.get("decisions_interval")),
    )
    yield "indeterminate studies", told(decided and decided.indeterminate)
    if metrics.unlike_training is not None:
        word = words.get("unlike_training_interval")
        yield f"studies unlike the training's films ({of})", interval_text(metrics.unlike_training, word=word)
