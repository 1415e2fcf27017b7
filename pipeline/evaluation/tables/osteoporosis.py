"""Osteoporosis at operating points, by net benefit, from parts of the inputs, after each stage and in subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.evaluation.classification.decision_curves import NetBenefit
from pipeline.evaluation.classification.input_ablation import InputComparison
from pipeline.evaluation.classification.intention_to_diagnose import IntentionToDiagnose
from pipeline.evaluation.classification.operating_points import OperatingPoint
from pipeline.evaluation.classification.planning import SampleSize
from pipeline.evaluation.classification.stage_attribution import StageAttribution, StageMetrics
from pipeline.evaluation.classification.subgroups import Interaction, Subgroup
from pipeline.evaluation.estimable import as_cell, gap_text, interval_text, metric_text, told
from pipeline.evaluation.tables.classification import PERCENT, auc_label, interval_label
from pipeline.report_page.tables import p_value

STAGES = {
    "manual": "manual ROIs, every study that has them",
    "manual_passed": "manual ROIs, studies that pass quality control",
    "detected": "detector's ROIs, the same studies",
}


def operating_point_table(points: Mapping[str, Sequence[OperatingPoint]]) -> pd.DataFrame:
    """Metrics of osteoporosis at each operating point, and what the choice of its threshold promises."""
    rows = [
        {
            "dataset": dataset,
            "osteoporosis is predicted at": point.name,
            "from probability": told(point.threshold),
            **_point_cells(point),
            "what the choice promises": point.promise or "-",
        }
        for dataset, own in points.items()
        for point in own
    ]
    return pd.DataFrame(rows)


def intention_to_diagnose_table(intention: Mapping[str, IntentionToDiagnose | None]) -> pd.DataFrame:
    """Metrics over every study with DXA, both ways to count those without a class."""
    rows = [
        {
            "dataset": dataset,
            "studies": intended.studies,
            "without a class": intended.studies - intended.evaluated,
            "of them with osteoporosis": intended.osteoporosis_without_class,
            "a study without a class counts as": counted_as,
            **_point_cells(point),
        }
        for dataset, intended in intention.items()
        if intended is not None
        for counted_as, point in (
            ("not called osteoporotic", intended.not_called),
            ("referred to DXA", intended.referred),
        )
    ]
    return pd.DataFrame(rows)


def predictive_value_table(points: Mapping[str, Sequence[OperatingPoint]]) -> pd.DataFrame:
    """PPV and NPV at the prevalence of the settings, of every operating point; empty without one."""
    rows = [
        {
            "dataset": dataset,
            "osteoporosis is predicted at": point.name,
            "prevalence %": told(100 * values.prevalence, digits=1),
            "PPV % (95 %)": metric_text(values, "ppv", values.not_estimable, 100, 1),
            "NPV % (95 %)": metric_text(values, "npv", values.not_estimable, 100, 1),
        }
        for dataset, own in points.items()
        for point in own
        if (values := point.at_prevalence) is not None
    ]
    return pd.DataFrame(rows)


def net_benefit_table(benefits: Mapping[str, Sequence[NetBenefit]]) -> pd.DataFrame:
    """Net benefit of sending to DXA by the prediction, per 100 patients."""
    rows = [
        {
            "dataset": dataset,
            "threshold probability %": told(100 * benefit.threshold, digits=0),
            "by the prediction": told(100 * benefit.model, digits=2),
            "DXA for everyone": told(100 * benefit.everyone, digits=2),
            "prediction minus DXA for everyone (95 %, bootstrap)": gap_text(benefit.against_everyone, None, 100, 2),
            "prediction minus the better of everyone and no one (95 %, bootstrap)": gap_text(
                benefit.against_better, None, 100, 2
            ),
            "DXA avoided per 100 patients (95 %, bootstrap)": gap_text(benefit.dxa_avoided, None, 1, 1),
        }
        for dataset, own in benefits.items()
        for benefit in own
    ]
    return pd.DataFrame(rows)


def sample_size_table(sizes: Mapping[str, Sequence[SampleSize]]) -> pd.DataFrame:
    """Studies that a planned evaluation needs, where it performs as this one."""
    rows = [
        {
            "dataset": dataset,
            "aim": size.aim,
            "expected": told(size.expected),
            "prevalence %": told(100 * size.prevalence, digits=1),
            "studies needed": told(size.studies, size.not_estimable.get("studies")),
            "of them with osteoporosis": told(size.cases),
        }
        for dataset, own in sizes.items()
        for size in own
    ]
    return pd.DataFrame(rows)


def _point_cells(point: OperatingPoint) -> dict[str, str]:
    """Metrics in percent; a dash where no threshold keeps the promise, which then stands beside."""
    if not np.isfinite([getattr(point, key).value for key in PERCENT]).any() and point.promise:
        return dict.fromkeys(PERCENT.values(), "-")
    return {name: metric_text(point, key, point.not_estimable, 100, 1) for key, name in PERCENT.items()}


def input_table(comparisons: Mapping[str, Sequence[InputComparison]]) -> pd.DataFrame:
    """Paired comparisons of parts of the inputs."""
    of = interval_label(clustered=any(c.patients < c.studies for compared in comparisons.values() for c in compared))
    rows = [
        {
            "dataset": dataset,
            "first": comparison.first,
            "second": comparison.second,
            "studies": comparison.studies,
            f"AUC, second minus first ({of})": gap_text(
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
    stages = [getattr(attribution, key) for attribution in attributed.values() for key in STAGES]
    clustered = any(stage.patients < stage.studies for stage in stages)
    area = auc_label(clustered).replace("AUC", "AUC of osteoporosis")
    rows: list[dict[str, object]] = []
    for dataset, attribution in attributed.items():
        for key, label in STAGES.items():
            stage: StageMetrics = getattr(attribution, key)
            row: dict[str, object] = {
                "dataset": dataset,
                "classified on": label,
                "studies": stage.studies,
                area: metric_text(stage, "auc", stage.not_estimable),
                f"accuracy % ({interval_label(clustered=clustered)})": interval_text(stage.accuracy, 100, 1),
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
    """Classification of osteoporosis in each subgroup."""
    clustered = any(subgroup.patients < subgroup.studies for subgroup in groups)
    rows = [
        {
            "by": subgroup.kind,
            "group": subgroup.group,
            "studies": subgroup.studies,
            **({"patients": subgroup.patients} if clustered else {}),
            "osteoporosis": subgroup.cases,
            auc_label(clustered): metric_text(subgroup, "auc", subgroup.not_estimable),
            **{
                f"{name} % (95 %)": metric_text(subgroup, name, subgroup.not_estimable, 100, 1)
                for name in ("sensitivity", "specificity", "accuracy")
            },
            "observed/expected (95 %)": metric_text(subgroup, "observed_expected", subgroup.not_estimable, digits=2),
            "calibration slope (95 %)": metric_text(subgroup, "slope", subgroup.not_estimable, digits=2),
        }
        for subgroup in groups
    ]
    return pd.DataFrame(rows)


def interaction_table(tests: Sequence[Interaction]) -> pd.DataFrame:
    """Whether subgroups of each kind differ."""
    rows = [
        {
            "by": test.kind,
            "measure": test.measure,
            "groups compared": ", ".join(test.groups) or "-",
            "p": p_value(test.p) if np.isfinite(test.p) else as_cell(test.not_estimable.get("p")),
            "p after Holm": p_value(test.p_holm),
        }
        for test in tests
    ]
    return pd.DataFrame(rows)
