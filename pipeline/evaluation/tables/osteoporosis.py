"""Osteoporosis at operating points, from parts of the inputs, after each stage and in subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.evaluation.classification.input_ablation import InputComparison
from pipeline.evaluation.classification.intention_to_diagnose import IntentionToDiagnose
from pipeline.evaluation.classification.operating_points import OperatingPoint
from pipeline.evaluation.classification.stage_attribution import StageAttribution, StageMetrics
from pipeline.evaluation.classification.subgroups import Subgroup
from pipeline.evaluation.estimable import gap_text, interval_text
from pipeline.evaluation.tables.classification import PERCENT
from pipeline.report_page.tables import p_value

STAGES = {
    "manual": "manual ROIs, every study that has them",
    "manual_passed": "manual ROIs, studies that pass quality control",
    "detected": "detector's ROIs, the same studies",
}


def operating_point_table(
    points: Mapping[str, Sequence[OperatingPoint]], intention: Mapping[str, IntentionToDiagnose | None]
) -> pd.DataFrame:
    """Metrics of osteoporosis at each operating point, and by intention to diagnose."""
    rows: list[dict[str, str]] = []
    for dataset, dataset_points in points.items():
        intended = intention[dataset]
        for point in (*dataset_points, *(() if intended is None else (intended.metrics,))):
            words = point.not_estimable
            cells = {name: interval_text(getattr(point, key), 100, 1, words.get(key)) for key, name in PERCENT.items()}
            rows.append({"dataset": dataset, "osteoporosis is predicted at": point.name, **cells})
    return pd.DataFrame(rows)


def input_table(comparisons: Mapping[str, Sequence[InputComparison]]) -> pd.DataFrame:
    """Paired comparisons of parts of the inputs."""
    rows = [
        {
            "dataset": dataset,
            "first": comparison.first,
            "second": comparison.second,
            "studies": comparison.studies,
            "AUC, second minus first (95 %)": gap_text(
                comparison.difference, comparison.not_estimable.get("difference")
            ),
            "p": p_value(comparison.p),
        }
        for dataset, compared in comparisons.items()
        for comparison in compared
    ]
    return pd.DataFrame(rows)


def stage_table(attributed: Mapping[str, StageAttribution]) -> pd.DataFrame:
    """Metrics on manual ROIs and on the detector's ROIs, and the difference of their AUCs."""
    rows: list[dict[str, object]] = []
    for dataset, attribution in attributed.items():
        for key, label in STAGES.items():
            stage: StageMetrics = getattr(attribution, key)
            row: dict[str, object] = {
                "dataset": dataset,
                "classified on": label,
                "studies": stage.studies,
                "AUC of osteoporosis (95 %, DeLong)": interval_text(
                    stage.auc, word=next(iter(stage.not_estimable.values()), None)
                ),
                "accuracy % (95 %)": interval_text(stage.accuracy, 100, 1),
                "difference of AUC": "",
                "p": "",
                "reclassified": "",
            }
            if key == "detected":
                row["difference of AUC"] = gap_text(attribution.difference, attribution.not_estimable.get("difference"))
                row["p"], row["reclassified"] = p_value(attribution.p), attribution.reclassified
            rows.append(row)
    return pd.DataFrame(rows)


def subgroup_table(groups: Sequence[Subgroup]) -> pd.DataFrame:
    """AUC and accuracy of each subgroup."""
    rows = [
        {
            "by": subgroup.kind,
            "group": subgroup.group,
            "studies": subgroup.studies,
            "osteoporosis": subgroup.cases,
            "AUC (95 %, DeLong)": interval_text(subgroup.auc),
            "accuracy % (95 %)": interval_text(subgroup.accuracy, 100, 1),
        }
        for subgroup in groups
    ]
    return pd.DataFrame(rows)
