"""Tables of an evaluation, as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.classification import ClassificationMetrics, ClassMetrics
from pipeline.evaluation.detection.detection import Detection, DetectionMetrics, FractureMetrics
from pipeline.evaluation.estimable import gap_text, interval_text, told
from pipeline.evaluation.input_ablation import InputComparison
from pipeline.evaluation.operating_points import IntentionToDiagnose, OperatingPoint
from pipeline.evaluation.population import MeanSd, Population
from pipeline.evaluation.stage_attribution import StageAttribution, StageMetrics
from pipeline.evaluation.subgroups import Subgroup
from pipeline.report_page.tables import p_value

PERCENT = {"sensitivity": "sensitivity %", "specificity": "specificity %", "ppv": "PPV %", "npv": "NPV %"}

STAGES = {
    "manual": "manual ROIs, every study that has them",
    "manual_passed": "manual ROIs, studies that pass quality control",
    "detected": "detector's ROIs, the same studies",
}


def population_table(populations: Mapping[str, Population], p: Mapping[str, float]) -> pd.DataFrame:
    """The paper's Table 1: one column a dataset, and whether sites differ."""
    lines: list[tuple[str, str, list[str]]] = [
        ("studies", "", [str(population.studies) for population in populations.values()]),
        ("age, years, mean (SD)", "age_years", [_mean_sd(population.age_years) for population in populations.values()]),
        ("men", "", [str(population.men) for population in populations.values()]),
        ("women", "sex", [str(population.women) for population in populations.values()]),
        ("BMI, kg/m², mean (SD)", "bmi_kg_m2", [_mean_sd(population.bmi_kg_m2) for population in populations.values()]),
        ("T-score, mean (SD)", "", [_mean_sd(population.t_score) for population in populations.values()]),
    ]
    for c in BMD_CLASSES:
        key = "bmd_class" if c is BMD_CLASSES[-1] else ""
        lines.append((c.value, key, [str(population.classes[c]) for population in populations.values()]))
    rows = [
        {"characteristic": name, **dict(zip(populations, cells, strict=True)), "p": p_value(p.get(key))}
        for name, key, cells in lines
    ]
    return pd.DataFrame(rows)


def _mean_sd(value: MeanSd | None) -> str:
    return "-" if value is None else f"{value.mean:.2f} ({value.sd:.2f})"


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


def detection_tables(detection: Detection | None) -> dict[str, pd.DataFrame]:
    """Boxes of L1-L4 by view and level, by site and finding, suspected fractures, and quality control."""
    names = ("detection", "detection_by_site", "detection_by_finding", "fractures", "quality_control")
    if detection is None:
        return {name: pd.DataFrame() for name in names}
    return {
        "detection": _view_table(detection),
        "detection_by_site": _group_table({"all": detection.both_views, **detection.by_site}, "site"),
        "detection_by_finding": _group_table(detection.by_finding, "finding, excluded studies too"),
        "fractures": _fracture_table(detection.fractures),
        "quality_control": _quality_table(detection),
    }


def _view_table(detection: Detection) -> pd.DataFrame:
    rows: list[dict[str, str]] = []
    for view, metrics in detection.views.items():
        millimetres = {
            "edge, mm, median": metrics.edge_mm_median,
            "edge, mm, 95th percentile": metrics.edge_mm_p95,
            "centre, mm, median": metrics.centre_mm_median,
        }
        rows.append(
            {
                "view": view.value,
                "level": "L1-L4",
                "mAP50": told(metrics.precision.map50),
                "mAP50-95": told(metrics.precision.map50_95),
                "mean IoU": told(metrics.mean_iou),
                **{name: told(value, digits=2) for name, value in millimetres.items()},
            }
        )
        for level, iou in metrics.mean_iou_by_level.items():
            cells = {
                "mAP50-95": told(metrics.precision.ap50_95[level]),
                "mean IoU": told(iou, metrics.not_estimable.get(level)),
            }
            rows.append({"view": view.value, "level": level.value, **cells})
    return pd.DataFrame(rows).fillna("")


def _group_table(groups: Mapping[str, DetectionMetrics], name: str) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
        {
            name: group,
            "studies": metrics.studies,
            "rejected": metrics.rejected,
            "L1-L4 all right, % of studies": told(
                100 * metrics.levels_right, metrics.not_estimable.get("levels_right"), 1
            ),
            "mean IoU": told(metrics.mean_iou, metrics.not_estimable.get("mean_iou")),
        }
        for group, metrics in groups.items()
    ]
    return pd.DataFrame(rows)


def _fracture_table(metrics: FractureMetrics | None) -> pd.DataFrame:
    if metrics is None:
        return pd.DataFrame()
    words = metrics.not_estimable
    cells = {
        "vertebrae": str(metrics.vertebrae),
        "vertebrae of grade 2 or 3": str(metrics.grade_2_or_3),
        "suspected of them, fraction": told(metrics.sensitivity, words.get("sensitivity")),
        "suspected of vertebrae without loss, fraction": told(
            metrics.false_positive_rate, words.get("false_positive_rate")
        ),
        "studies with grade 2 or 3": str(metrics.studies_grade_2_or_3),
        "suspected of these studies, fraction": told(metrics.study_sensitivity, words.get("study_sensitivity")),
        "suspected of studies without loss, fraction": told(
            metrics.study_false_positive_rate, words.get("study_false_positive_rate")
        ),
        "error of the loss of height, SD": told(metrics.height_loss_error_sd),
    }
    return pd.DataFrame({"metric": list(cells), "value": list(cells.values())})


def _quality_table(detection: Detection) -> pd.DataFrame:
    rows = [
        {"group": group, "of studies": quality.studies, "what": what, "reason": str(reason), "studies": count}
        for group, quality in detection.quality_control.items()
        for what, counted in (
            ("rejected", quality.rejected),
            ("level left out", quality.levels_left_out),
            ("warned", quality.warned),
        )
        for reason, count in counted.items()
        if count
    ]
    return pd.DataFrame(rows)
