"""Tables of an evaluation, in the paper's layout where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cohort.spine import View
from cohort.study import BMD_CLASSES
from pipeline.paper import CONFUSION, ROWS, paper_row

METRICS = ("sensitivity", "specificity", "ppv", "npv")


def evaluation_tables(document: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table of a report by name, from `pipeline.evaluation.evaluate_datasets`."""
    datasets = document["datasets"]
    return {
        "table_1_population": _population_table(document),
        "table_2_osteoporosis": _class_table(datasets, "osteoporosis", document["paper_table"]),
        "osteopenia": _class_table(datasets, "osteopenia"),
        "normal": _class_table(datasets, "normal"),
        "table_3_confusion": _confusion_table(datasets),
        "detection": _detection_table(document.get("detection")),
        "agreement": _agreement_table(datasets),
        "operating_points": _points_table(datasets),
        "stages": _stages_table(document["stages"]),
        "subgroups": _subgroup_table(document["subgroups"]),
    }


def _interval(values: Sequence[float] | None, scale: float = 1.0, digits: int = 3) -> str:
    if values is None or not np.isfinite(values).all():
        return ""
    value, low, high = (f"{scale * v:.{digits}f}" for v in values)
    return f"{value} ({low}-{high})"


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
                "" if value is None else f"{value[0]:.2f} ({value[1]:.2f})" if isinstance(value, list) else str(value)
            )
        p = document["population_p"].get(p_of.get(key, ""))
        row["p"] = "" if p is None else f"{p:.3f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _class_table(datasets: Mapping[str, Any], name: str, paper_table: int | None = None) -> pd.DataFrame:
    rows = []
    for dataset, own in datasets.items():
        if "classes" not in own:
            continue
        found = own["classes"][name]
        row = {
            "dataset": dataset,
            "studies": own["figures"]["studies_with_dxa"],
            "cases": found["cases"],
            "AUC (95 %, DeLong)": _interval(found.get("auc")),
            "AUC (95 %, the paper's way)": _interval(found.get("auc_paper_interval")),
            **{f"{key} %": _interval(found[key], 100, 2) for key in METRICS},
        }
        if paper_table is not None:
            theirs = paper_row(paper_table, dataset, "AP and LAT")
            row[f"paper's Table {paper_table}, AP and LAT: AUC"] = (
                "" if theirs is None else f"{theirs.auc:.3f} ({theirs.auc_low:.3f}-{theirs.auc_high:.3f})"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def paper_tables(document: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The paper's Tables 1, 3 and 2 (images alone) or 4 (with covariates) in its layout, its own lines below ours."""
    number = document["paper_table"]
    lines, matrices = [], []
    names = [c.value for c in BMD_CLASSES]
    for dataset, own in document["datasets"].items():
        if "classes" in own:
            found = own["classes"]["osteoporosis"]
            shares = {key: _interval(found[key], 100, 2) for key in METRICS}
            lines.append(
                {"dataset": dataset, "projection": "AP and LAT", "by": "this run"}
                | {"AUC (95 % CI)": _interval(found.get("auc_paper_interval"))}
                | {f"{key} % (95 % CI)": value for key, value in shares.items()}
            )
            counted = zip(names, own["confusion"], strict=True)
            matrices += [
                {"dataset": dataset, "by": "this run", "truth": a, **dict(zip(names, r, strict=True))}
                for a, r in counted
            ]
        for theirs in (row for row in ROWS if (row.table, row.dataset) == (number, dataset)):
            lines.append(
                {"dataset": dataset, "projection": theirs.projection, "by": "the paper"}
                | {"AUC (95 % CI)": _interval((theirs.auc, theirs.auc_low, theirs.auc_high))}
                | {f"{key} % (95 % CI)": f"{getattr(theirs, key):.2f}" for key in METRICS}
            )
        for truth, counted_row in zip(names, CONFUSION.get(dataset, ()), strict=False):
            matrices.append(
                {"dataset": dataset, "by": "the paper", "truth": truth, **dict(zip(names, counted_row, strict=True))}
            )
    return {
        "Table 1: population": _population_table(document),
        f"Table {number}: osteoporosis": pd.DataFrame(lines),
        "Table 3: confusion matrices": pd.DataFrame(matrices),
    }


def _confusion_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    names = [c.value for c in BMD_CLASSES]
    rows = [
        {"dataset": dataset, "truth": names[i], **dict(zip(names, own["confusion"][i], strict=True))}
        for dataset, own in datasets.items()
        if "confusion" in own
        for i in range(3)
    ]
    return pd.DataFrame(rows)


def _agreement_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    wanted = (
        "accuracy", "kappa", "kappa_quadratic", "ece", "ece_by_chance", "ece_by_chance_high", "brier", "t_score_mae",
        "t_score_r", "t_score_bias", "t_score_limit_low", "t_score_limit_high", "set_coverage", "set_size_mean",
        "decided_likely", "decided_ppv", "decided_unlikely", "decided_npv", "undecided",
    )  # fmt: skip
    columns: dict[str, list[Any]] = {
        "measure": ["studies", "refused", "macro AUC", *(k.replace("_", " ") for k in wanted)]
    }
    for dataset, own in datasets.items():
        figures = own.get("figures", {})
        values = [figures.get(key) for key in wanted]
        shown = ["" if v is None else v if isinstance(v, int) else f"{v:.3f}" for v in values]
        columns[dataset] = [own["studies"], own["refused"], _interval(own.get("macro_auc")), *shown]
    return pd.DataFrame(columns)


def _points_table(datasets: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for dataset, own in datasets.items():
        points = dict(own.get("operating_points", {}))
        if own.get("intention_to_screen"):
            points["intention to screen: every study counts, a refused one is not called"] = own["intention_to_screen"]
        for name, metrics in points.items():
            shares = {f"{key} %": _interval(metrics[key], 100, 1) for key in METRICS}
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
            f"{label}, mm": f"{own[key]:.2f}"
            for label, key in (("edge, median", "edge_mm_median"), ("edge, 95th percentile", "edge_mm_p95"))
            if key in own
        }
        shares = {name: f"{own[name]:.3f}" for name in ("mAP50", "mAP50-95")}
        rows.append({"eligible studies": view, **shares, "mean IoU": f"{own['mean_iou']:.3f}", **millimetres})
    for site, own in detection["by_site"].items():
        right = f"{100 * own['studies_with_all_levels_right']:.1f}"
        rows.append(
            {"eligible studies": site, "mean IoU": f"{own['mean_iou']:.3f}", "L1-L4 all right, % of studies": right}
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
                    "AUC of osteoporosis (95 %, DeLong)": _interval(own[key].get("auc")),
                    "accuracy % (95 %)": _interval(own[key]["accuracy"], 100, 1),
                    "difference of AUC": _interval(own.get("difference")) if last else "",
                    "p": f"{own['p']:.3f}" if last and "p" in own else "",
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
            "AUC (95 %, DeLong)": _interval(row.get("auc")),
            "accuracy % (95 %)": _interval(row["accuracy"], 100, 1),
        }
        for row in subgroups
    ]
    return pd.DataFrame(rows)
