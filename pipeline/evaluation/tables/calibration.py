"""Calibration of the predicted probabilities and of the estimated T-score, as people read it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cohort.bmd import BmdClass
from pipeline.evaluation.classification.calibration import ClassCalibration, TScoreAgreement
from pipeline.evaluation.classification.metrics import ClassificationMetrics
from pipeline.evaluation.estimable import gap_text, interval_text, metric_text, told
from pipeline.evaluation.tables.classification import interval_label


def calibration_table(metrics: Mapping[str, ClassificationMetrics]) -> pd.DataFrame:
    """Calibration of each class's probability, and of the most probable class, one line each."""
    of = interval_label(clustered=any(found.clustered for found in metrics.values()))
    rows = []
    for dataset, found in metrics.items():
        rows += [
            {"dataset": dataset, **_class_cells(bmd_class, own, of)} for bmd_class, own in found.calibration.items()
        ]
        cells = {"probability of": "most probable class", "studies": found.studies}
        rows.append({"dataset": dataset, **cells, "ECE": told(found.ece), "Brier score": told(found.brier)})
    return pd.DataFrame(rows).fillna("")


def t_score_calibration_table(metrics: Mapping[str, ClassificationMetrics]) -> pd.DataFrame:
    """DXA regressed on the estimated T-score; empty where none was estimated."""
    of = interval_label(clustered=any(found.clustered for found in metrics.values()))
    rows = [
        {
            "dataset": dataset,
            f"intercept ({of})": gap_text(t_score.calibration.intercept, _word(t_score), digits=2),
            f"slope ({of})": interval_text(t_score.calibration.slope, digits=2, word=_word(t_score)),
            "mean of estimate minus DXA": told(t_score.bias.value, digits=2),
            "mean absolute error": told(t_score.mae, digits=2),
        }
        for dataset, found in metrics.items()
        if (t_score := found.t_score) is not None
    ]
    return pd.DataFrame(rows)


def _word(t_score: TScoreAgreement) -> str | None:
    words = t_score.not_estimable
    return words.get("calibration", words.get("calibration_interval"))


def _class_cells(bmd_class: BmdClass, calibration: ClassCalibration, of: str) -> dict[str, object]:
    words = calibration.not_estimable
    return {
        "probability of": bmd_class.value,
        "studies": calibration.studies,
        "cases": str(calibration.cases),
        f"intercept ({of})": gap_text(calibration.intercept, words.get("intercept"), digits=2),
        f"slope ({of})": metric_text(calibration, "slope", words, digits=2),
        f"observed/expected ({of})": metric_text(calibration, "observed_expected", words, digits=2),
        "ICI": told(calibration.ici, words.get("ici")),
        "E50": told(calibration.e50),
        "E90": told(calibration.e90),
        "ECE": told(calibration.ece),
        "Brier score": told(calibration.brier),
    }
