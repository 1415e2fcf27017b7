"""Tables of a comparison of ROIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.estimable import gap_text, interval_text, told
from pipeline.report_page.tables import p_value
from pipeline.roi_comparison.agreement import MEASURES, EdgeDifference, Overlap, Overlaps, Reliability
from pipeline.roi_comparison.classification import ClassComparison, Compared, Metrics, Reclassification
from pipeline.roi_comparison.failures import Performance
from pipeline.roi_comparison.read import Cause
from pipeline.roi_comparison.studies import AUTOMATIC_NAME, MEAN_NAME

NONINFERIOR = {True: "yes", False: "no", None: "not tested"}


def flow_table(flow: Mapping[tuple[Cause, str], int], compared: int) -> pd.DataFrame:
    """Every study once: why it was left out, or compared."""
    rows = [
        {"studies": count, "what became of them": cause.value, "reason": why} for (cause, why), count in flow.items()
    ]
    total = {"studies": compared + sum(flow.values()), "what became of them": "all", "reason": ""}
    return pd.DataFrame([total, *rows, {"studies": compared, "what became of them": "compared", "reason": ""}])


def class_table(classes: Sequence[ClassComparison], margin: float) -> pd.DataFrame:
    """One line a class: AUC of the readers and of the detector, their difference, and its tests."""
    return pd.DataFrame([_class_row(comparison, margin) for comparison in classes])


def _class_row(comparison: ClassComparison, margin: float) -> dict[str, object]:
    row: dict[str, object] = {"class": comparison.bmd_class.value, "cases": comparison.cases}
    compared = comparison.auc
    if compared is None:
        return {**row, "difference (95 %)": "one class is absent; no AUC can be computed"}
    return {
        **row,
        "AUC, mean of readers (95 %)": interval_text(compared.readers, word=compared.not_estimable.get("difference")),
        "AUC, detector (95 %)": interval_text(compared.automatic, word=compared.not_estimable.get("difference")),
        "difference (95 %)": gap_text(compared.difference, compared.not_estimable.get("difference")),
        "difference (95 %, bootstrap)": gap_text(comparison.bootstrap),
        "p (difference)": p_value(compared.p_difference),
        "p (non-inferiority)": p_value(compared.p_noninferiority),
        f"non-inferior at {margin:g}": NONINFERIOR[compared.noninferior],
    }


def decision_table(classes: Sequence[ClassComparison]) -> pd.DataFrame:
    """Two lines a class: sensitivity and specificity at the most probable class."""
    rows = []
    for comparison in classes:
        for name, compared in (("sensitivity", comparison.sensitivity), ("specificity", comparison.specificity)):
            row: dict[str, object] = {"class": comparison.bmd_class.value, "metric": name}
            rows.append({**row, **_compared_cells(compared), "p (difference)": _p(compared)})
    return pd.DataFrame(rows)


def _compared_cells(compared: Compared | None) -> dict[str, object]:
    if compared is None:
        return {"mean of readers (95 %)": "-", "detector (95 %)": "-", "difference (95 %)": "-"}
    return {
        "mean of readers (95 %)": interval_text(compared.readers),
        "detector (95 %)": interval_text(compared.automatic),
        "difference (95 %)": gap_text(compared.difference, compared.not_estimable.get("difference")),
    }


def _p(compared: Compared | None) -> str:
    return "-" if compared is None else p_value(compared.p_difference)


def reader_table(
    osteoporosis: ClassComparison, overlap: Mapping[str, Overlap], kappa: Mapping[str, float]
) -> pd.DataFrame:
    """One line a reader, the mean of their probabilities and the detector: osteoporosis, and agreement."""
    rows = [
        {
            "ROIs by": name,
            **_metric_cells(metrics),
            "IoU with the detector": told(overlap[name].iou),
            "kappa with the detector": told(kappa[name]),
        }
        for name, metrics in osteoporosis.readers.items()
    ]
    if len(rows) > 1:
        rows.append({"ROIs by": MEAN_NAME, **_metric_cells(osteoporosis.mean_of_readers)})
    return pd.DataFrame([*rows, {"ROIs by": AUTOMATIC_NAME, **_metric_cells(osteoporosis.automatic)}])


def _metric_cells(metrics: Metrics) -> dict[str, str]:
    return {
        title: interval_text(metrics.values[name], word=metrics.not_estimable.get(name))
        for name, title in (
            ("auc", "AUC (95 %)"),
            ("sensitivity", "sensitivity (95 %)"),
            ("specificity", "specificity (95 %)"),
        )
    }


def worst_case_table(complete: Performance, worst: Performance, margin: float) -> pd.DataFrame:
    """AUC, sensitivity and specificity of osteoporosis without the detector's failures and with them against it."""
    rows = []
    for name in ("auc", "sensitivity", "specificity"):
        for title, performance in (("complete cases", complete), ("failures against the detector", worst)):
            compared: Compared | None = getattr(performance, name)
            row = {"metric": "AUC" if name == "auc" else name, "studies": f"{title}, {performance.studies}"}
            tested = name == "auc" and compared is not None
            verdict = NONINFERIOR[compared.noninferior] if tested and compared is not None else ""
            rows.append({**row, **_compared_cells(compared), f"non-inferior at {margin:g}": verdict})
    return pd.DataFrame(rows)


def overlap_table(between: Overlaps, detector: Overlaps) -> pd.DataFrame:
    """Mean IoU and Dice by view and level; without a second reader the columns between readers are left out."""
    rows = []
    for name, overlap in detector.items():
        row = {"ROI": "all levels, both views" if name == "all" else name}
        if between:
            row |= {
                "IoU between readers": told(between[name].iou),
                "Dice between readers": told(between[name].dice),
            }
        rows.append(
            row | {"IoU, reader and detector": told(overlap.iou), "Dice, reader and detector": told(overlap.dice)}
        )
    return pd.DataFrame(rows)


def pair_table(overlap: Mapping[tuple[str, str], Overlap]) -> pd.DataFrame:
    """Mean intersection over union of every two readers, as the upper triangle of a matrix."""
    names = list(dict.fromkeys(name for pair in overlap for name in pair))
    rows = [
        {
            "": first,
            **{second: told(overlap[first, second].iou) if (first, second) in overlap else "" for second in names[1:]},
        }
        for first in names[:-1]
    ]
    return pd.DataFrame(rows)


def reliability_tables(reliability: Sequence[Reliability]) -> dict[str, pd.DataFrame]:
    """ICC(2,1) by view and level, one column a measure: of the readers, and of the readers and the detector."""
    if not reliability:
        return {}
    with_detector = _reliability_table(reliability, False)
    if reliability[0].readers is None:
        return {"icc_detector": with_detector}
    return {"icc_readers": _reliability_table(reliability, True), "icc_detector": with_detector}


def _reliability_table(reliability: Sequence[Reliability], manual: bool) -> pd.DataFrame:
    rows: dict[str, dict[str, str]] = {}
    for one in reliability:
        row = rows.setdefault(f"{one.view} {one.level}", {})
        row[one.measure] = interval_text(one.readers if manual else one.with_detector)
    return pd.DataFrame([{"ROI": name, **{m: row[m] for m in MEASURES}} for name, row in rows.items()])


def difference_table(differences: Sequence[EdgeDifference]) -> pd.DataFrame:
    """Bias and 95 % limits of agreement in mm, one line an edge."""
    rows = [
        {
            "edge": difference.name,
            "bias, mm": f"{difference.mm.value:+.2f}",
            "95 % limits of agreement, mm": f"{difference.mm.low:+.2f} to {difference.mm.high:+.2f}",
        }
        for difference in differences
    ]
    return pd.DataFrame(rows)


def reclassification_table(reclassification: Reclassification) -> pd.DataFrame:
    """Readings by predicted class, rows on a reader's ROIs and columns on the detector's."""
    names = [c.value for c in BMD_CLASSES]
    counts = reclassification.counts.tolist()
    return pd.DataFrame(
        [
            {"on manual ROIs": name, **dict(zip(names, row, strict=True))}
            for name, row in zip(names, counts, strict=True)
        ]
    )
