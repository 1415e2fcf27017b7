"""Tables of an evaluation, in the paper's layout where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from classify.inputs import PROJECTIONS, SIX
from cohort.bmd import BMD_CLASSES
from cohort.spine import View
from pipeline.evaluation.estimable import gap_text, interval_text, told
from pipeline.evaluation.report.published import CONFUSION, ROWS, TABLE_1
from pipeline.report_page.tables import p_value

METRICS = ("sensitivity", "specificity", "ppv", "npv")


def evaluation_tables(document: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table of a report by name, from `pipeline.evaluation.datasets.evaluate_datasets`."""
    datasets = document["datasets"]
    return {
        "table_1_population": _population_table(document),
        "table_2_images": _paper_table(document, 2),
        "table_3_confusion": _confusion_table(datasets),
        "table_4_covariates": _paper_table(document, 4),
        "comparisons": _comparison_table(datasets),
        **{c.value: _class_table(datasets, c.value) for c in BMD_CLASSES},
        "detection": _detection_table(document.get("detection")),
        "agreement": _agreement_table(datasets),
        "operating_points": _points_table(datasets),
        "stages": _stages_table(document["stages"]),
        "subgroups": _subgroup_table(document["subgroups"]),
    }


def _population_table(document: dict[str, Any]) -> pd.DataFrame:
    names = {
        "age_years": "age, years, mean (SD)",
        "bmi_kg_m2": "BMI, kg/m², mean (SD)",
        "t_score": "T-score, mean (SD)",
    }
    p_of = {"age_years": "age_years", "bmi_kg_m2": "bmi_kg_m2", "women": "sex", "osteoporosis": "bmd_class"}
    rows = []
    first = next(iter(document["population"].values()))
    for key in first:
        row: dict[str, Any] = {"characteristic": names.get(key, key)}
        for site, own in document["population"].items():
            value = own[key]
            row[site] = (
                "-" if value is None else f"{value[0]:.2f} ({value[1]:.2f})" if isinstance(value, list) else str(value)
            )
        p = document["population_p"].get(p_of.get(key, ""))
        row["p"] = p_value(p)
        rows.append(row)
    return pd.DataFrame(rows)


def _class_table(datasets: Mapping[str, Any], name: str) -> pd.DataFrame:
    """One class against the rest, all inputs that each study has."""
    rows = []
    for dataset, own in datasets.items():
        if "classes" in own:
            found, studies = own["classes"][name], own["figures"]["studies_with_dxa"]
            rows.append({"dataset": dataset, "studies": studies, "cases": found["cases"], **_areas_and_shares(found)})
    return pd.DataFrame(rows)


def _areas_and_shares(found: Mapping[str, Any]) -> dict[str, str]:
    words = found.get("not_estimable", {})
    return {
        "AUC (95 %, DeLong)": interval_text(found.get("auc"), word=words.get("auc", words.get("auc_interval"))),
        "AUC (95 %, the paper's way)": interval_text(found.get("auc_paper_interval"), word=words.get("auc")),
        **{f"{key} %": interval_text(found[key], 100, 2, words.get(key)) for key in METRICS},
    }


def _paper_table(document: dict[str, Any], number: int) -> pd.DataFrame:
    """Osteoporosis in the layout of the paper's Table 2 (images alone) or 4 (with covariates), its lines below ours;
    empty where this run has no such line."""
    rows = []
    for dataset, own in document["datasets"].items():
        ours = {
            model.projection: own.get("input_ablation", {}).get(model.name) for model in SIX if model.table == number
        }
        if not any(ours.values()) and number == document["paper_table"] and "classes" in own:
            ours["AP and LAT"] = {"studies": own["figures"]["studies_with_dxa"], **own["classes"]["osteoporosis"]}
        for projection in PROJECTIONS:
            if found := ours.get(projection):
                where = {"dataset": dataset, "projection": projection, "by": "this run", "studies": found["studies"]}
                rows.append({**where, **_areas_and_shares(found)})
    if not rows:
        return pd.DataFrame()
    for theirs in (row for row in ROWS if row.table == number and row.dataset in document["datasets"]):
        area = interval_text((theirs.auc, theirs.auc_low, theirs.auc_high))
        rows.append(
            {"dataset": theirs.dataset, "projection": theirs.projection, "by": "the paper"}
            | {"studies": int(TABLE_1[theirs.dataset]["n"])}
            | {"AUC (95 %, DeLong)": "", "AUC (95 %, the paper's way)": area}
            | {f"{key} %": f"{getattr(theirs, key):.2f}" for key in METRICS}
        )
    order = list(document["datasets"])
    rows.sort(key=lambda row: (order.index(row["dataset"]), list(PROJECTIONS).index(row["projection"])))
    return pd.DataFrame(rows)


def paper_tables(document: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The paper's Tables 1 to 4 by title, its own lines beside ours; Table 2 or 4 is left out without such results."""
    tables = evaluation_tables(document)
    titles = {
        "table_1_population": "Table 1: population",
        "table_2_images": "Table 2: osteoporosis, images alone",
        "table_3_confusion": "Table 3: confusion matrices",
        "table_4_covariates": "Table 4: osteoporosis, with age, sex and BMI",
    }
    return {title: tables[name] for name, title in titles.items() if len(tables[name])}


def _confusion_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    names = [c.value for c in BMD_CLASSES]
    rows = []
    for dataset, own in datasets.items():
        for by, matrix in (("this run", own.get("confusion", ())), ("the paper", CONFUSION.get(dataset, ()))):
            rows += [
                {"dataset": dataset, "by": by, "truth": truth, **dict(zip(names, counted, strict=True))}
                for truth, counted in zip(names, matrix, strict=False)
            ]
    return pd.DataFrame(rows)


def _comparison_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        {
            "dataset": dataset,
            "first": pair["first"],
            "second": pair["second"],
            "studies": pair["studies"],
            "AUC, second minus first (95 %)": gap_text(
                pair["difference"], pair.get("not_estimable", {}).get("difference")
            ),
            "p": p_value(pair["p"]),
        }
        for dataset, own in datasets.items()
        for pair in own.get("comparisons", ())
    ]
    return pd.DataFrame(rows)


LABELS = {
    "accuracy": "accuracy at the most probable class",
    "kappa": "kappa",
    "kappa_quadratic": "quadratic-weighted kappa",
    "ece": "expected calibration error",
    "ece_by_chance": "the same by chance alone, mean",
    "ece_by_chance_high": "the same by chance alone, 95th percentile",
    "brier": "Brier score",
    "t_score_mae": "T-score: mean absolute error",
    "t_score_r": "T-score: r",
    "t_score_bias": "T-score: estimate minus DXA, mean",
    "t_score_limit_low": "T-score: lower 95 % limit of agreement",
    "t_score_limit_high": "T-score: upper 95 % limit of agreement",
    "set_coverage": "share of prediction sets that hold the truth",
    "set_size_mean": "classes a prediction set, mean",
    "decided_likely": "osteoporosis likely, studies",
    "decided_ppv": "their PPV",
    "decided_unlikely": "osteoporosis unlikely, studies",
    "decided_npv": "their NPV",
    "undecided": "undecided, studies",
}


def _agreement_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {"measure": ["studies", "rejected", "macro AUC (95 %)", *LABELS.values()]}
    for dataset, own in datasets.items():
        figures = own.get("figures", {})
        words = figures.get("not_estimable", {})
        area = interval_text(own.get("macro_auc"), word=words.get("macro_auc"))
        columns[dataset] = [
            own["studies"],
            own["rejected"],
            area,
            *(v if isinstance(v := figures.get(key), int) else told(v, words.get(key)) for key in LABELS),
        ]
    return pd.DataFrame(columns)


def _points_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for dataset, own in datasets.items():
        points = dict(own.get("operating_points", {}))
        if own.get("intention_to_diagnose"):
            points["intention to diagnose: every study counts, a rejected one is not called"] = own[
                "intention_to_diagnose"
            ]
        for name, metrics in points.items():
            words = metrics.get("not_estimable", {})
            shares = {f"{key} %": interval_text(metrics[key], 100, 1, words.get(key)) for key in METRICS}
            rows.append({"dataset": dataset, "osteoporosis is called at": name, **shares})
    return pd.DataFrame(rows)


def _detection_table(detection: Mapping[str, Any] | None) -> pd.DataFrame:
    """Boxes of L1-L4 by view over all eligible studies, and by site over both views."""
    if detection is None:
        return pd.DataFrame()
    rows = []
    for view in (view.value for view in View if view.value in detection["eligible"]):
        own = detection["eligible"][view]
        millimetres = {
            f"{label}, mm": told(own[key], digits=2)
            for label, key in (("edge, median", "edge_mm_median"), ("edge, 95th percentile", "edge_mm_p95"))
            if key in own
        }
        shares = {name: told(own[name]) for name in ("mAP50", "mAP50-95")}
        rows.append({"eligible studies": view, **shares, "mean IoU": told(own["mean_iou"]), **millimetres})
    for site, own in detection["by_site"].items():
        right = told(100 * own["studies_with_all_levels_right"], digits=1)
        rows.append(
            {"eligible studies": site, "mean IoU": told(own["mean_iou"]), "L1-L4 all right, % of studies": right}
        )
    return pd.DataFrame(rows)


def _stages_table(stages: Mapping[str, Any]) -> pd.DataFrame:
    names = {
        "drawn": "hand-drawn ROIs, every study that has them",
        "drawn_passed": "hand-drawn ROIs, studies that pass the gate",
        "detected": "detector's ROIs, the same studies",
    }
    rows = []
    for dataset, own in stages.items():
        for key, label in names.items() if own else ():
            last = key == "detected"
            rows.append(
                {
                    "dataset": dataset,
                    "classified on": label,
                    "studies": own[key]["studies"],
                    "AUC of osteoporosis (95 %, DeLong)": interval_text(
                        own[key].get("auc"), word=next(iter(own[key]["not_estimable"].values()), None)
                    ),
                    "accuracy % (95 %)": interval_text(own[key]["accuracy"], 100, 1),
                    "difference of AUC": gap_text(own.get("difference"), own["not_estimable"].get("difference"))
                    if last
                    else "",
                    "p": p_value(own.get("p")) if last else "",
                    "other class": own["changed_class"] if last else "",
                }
            )
    return pd.DataFrame(rows)


def _subgroup_table(subgroups: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        {
            "by": row["kind"],
            "group": row["group"],
            "studies": row["studies"],
            "osteoporosis": row["cases"],
            "AUC (95 %, DeLong)": interval_text(row.get("auc")),
            "accuracy % (95 %)": interval_text(row["accuracy"], 100, 1),
        }
        for row in subgroups
    ]
    return pd.DataFrame(rows)
