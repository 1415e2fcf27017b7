"""Tables of a comparison of ROIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.estimable import gap_text, told
from pipeline.report_page.tables import p_value
from pipeline.roi_comparison.agreement import EdgeDifference, MeanIou
from pipeline.roi_comparison.classification import ClassComparison, Reclassification

NONINFERIOR = {True: "yes", False: "no", None: "too few"}


def class_table(classes: Sequence[ClassComparison], margin: float) -> pd.DataFrame:
    """One line a class: AUC on both kinds of ROI, their difference, and its tests."""
    return pd.DataFrame([_class_row(comparison, margin) for comparison in classes])


def _class_row(comparison: ClassComparison, margin: float) -> dict[str, object]:
    row: dict[str, object] = {"class": comparison.bmd_class.value, "cases": comparison.cases}
    paired = comparison.auc
    if paired is None:
        return {**row, "difference (95 %, DeLong)": "one class is absent; no AUC can be computed"}
    return {
        **row,
        "AUC, manual": told(paired.manual),
        "AUC, detector": told(paired.automatic),
        "difference (95 %, DeLong)": gap_text(paired.difference, paired.not_estimable.get("difference")),
        "difference (95 %, bootstrap)": gap_text(paired.bootstrap),
        "p (difference)": p_value(paired.p_difference),
        "p (non-inferiority)": p_value(paired.p_noninferiority),
        f"non-inferior at {margin:g}": NONINFERIOR[paired.noninferior],
        "p (McNemar)": p_value(comparison.p_mcnemar),
    }


def overlap_table(between: MeanIou, detector: MeanIou) -> pd.DataFrame:
    """Mean intersection over union by view and level; without a second reader the first column is empty."""
    rows = [
        {"ROI": name, "between readers": told(between[name]) if between else "", "reader and detector": told(value)}
        for name, value in detector.items()
    ]
    return pd.DataFrame(rows)


def pair_table(overlap: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Mean intersection over union of every two readers, as the upper triangle of a matrix."""
    names = list(dict.fromkeys(name for pair in overlap for name in pair))
    rows = [
        {
            "": first,
            **{second: told(overlap[first, second]) if (first, second) in overlap else "" for second in names[1:]},
        }
        for first in names[:-1]
    ]
    return pd.DataFrame(rows)


def difference_table(differences: Sequence[EdgeDifference]) -> pd.DataFrame:
    """Bias and 95 % limits of agreement in mm, one line an edge."""
    rows = [
        {
            "edge": difference.name,
            "bias": f"{difference.mm.value:+.2f}",
            "lower limit": f"{difference.mm.low:+.2f}",
            "upper limit": f"{difference.mm.high:+.2f}",
        }
        for difference in differences
    ]
    return pd.DataFrame(rows)


def reader_table(auc_by_reader: Mapping[str, float], word: str | None) -> pd.DataFrame:
    """AUC of osteoporosis by who drew the ROIs."""
    return pd.DataFrame([{"ROIs by": name, "AUC": told(value, word)} for name, value in auc_by_reader.items()])


def reclassification_table(reclassification: Reclassification) -> pd.DataFrame:
    """Studies by predicted class, rows on manual ROIs and columns on the detector's."""
    names = [c.value for c in BMD_CLASSES]
    counts = reclassification.counts.tolist()
    return pd.DataFrame(
        [
            {"on manual ROIs": name, **dict(zip(names, row, strict=True))}
            for name, row in zip(names, counts, strict=True)
        ]
    )
