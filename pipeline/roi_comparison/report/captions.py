"""Titles and notes of the tables of a comparison of ROIs."""

from __future__ import annotations

from pipeline.report_page.captions import Caption
from pipeline.roi_comparison.comparison import Comparison

WORST_CASE = (
    "AUC, and sensitivity and specificity at the most probable class, without the studies on which the detector gives "
    "no ROIs, and with them: there osteoporosis ranks lowest and is not called, anything else ranks highest and is "
    "called. Where the images cannot be read, the readers count as right."
)


def table_captions(comparison: Comparison) -> dict[str, Caption]:
    """By name of the table."""
    return {
        "flow": Caption(
            "Studies",
            "Each study of the folder once. Missing boxes of a reader and failures of the detector are counted apart.",
        ),
        "classes": Caption(
            "AUC on both ROIs through the same classifier",
            f"Each class against the rest. The detector against the mean of the readers' AUCs; {comparison.design}. "
            "Bootstrap over patients, readers fixed. The p of non-inferiority is one-sided, at the margin; no p is "
            "adjusted for the three classes." + _patients(comparison),
        ),
        "decisions": Caption(
            "Sensitivity and specificity at the most probable class",
            "Each class against the rest, the detector against the mean of the readers, with the same analysis.",
        ),
        "readers": Caption(
            "Osteoporosis by who drew the ROIs",
            "AUC with the interval on the logit scale; sensitivity and specificity at the most probable class. The "
            "mean of the readers' probabilities is one more reader, and not what the detector is tested against.",
        ),
        "worst_case": Caption("Failures of the detector as worst case", WORST_CASE),
        "reclassification": Caption(
            "Reclassification",
            "Readings (studies times readers) by predicted class: rows on manual ROIs, columns on the detector's.",
        ),
        "overlap": Caption(
            "Overlap of boxes", "Mean IoU and Dice by view and level. The paper asks for an IoU above 0.90 of readers."
        ),
        "pairs": Caption("IoU of every two readers", "Mean over L1-L4 of both views."),
        "icc_readers": Caption(
            "Intraclass correlation of the readers' boxes",
            "ICC(2,1), absolute agreement of single readers, of positions and heights in mm, with 95 % intervals.",
        ),
        "icc_detector": Caption(
            "Intraclass correlation of the readers' and the detector's boxes",
            "ICC(2,1) with the detector as one more rater, of positions and heights in mm, with 95 % intervals.",
        ),
        "differences": Caption(
            "Detector minus mean reader",
            "Bias and 95 % limits of agreement (Bland and Altman) at the detector plane; along is downwards.",
        ),
    }


def _patients(comparison: Comparison) -> str:
    if comparison.patients == comparison.count:
        return ""
    return f" {comparison.count} studies of {comparison.patients} patients; intervals and tests are by patient."
