"""What each stage costs: the same studies on hand-drawn ROIs, and through the detector and its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cohort.bmd import OSTEOPOROSIS_INDEX
from cohort.io.tables.cohort_tables import CohortRow
from pipeline.evaluation.classification import EvaluatedCases
from pipeline.evaluation.estimable import ONE_CLASS, gap_word
from pipeline.evaluation.evaluate import evaluated_cases
from pipeline.evaluation.statistics import auc, delong_test, proportion


def stage_attribution(
    detected: Sequence[dict[str, Any]], drawn: Sequence[dict[str, Any]], rows: Mapping[str, CohortRow]
) -> dict[str, Any]:
    """End-to-end loss of one dataset, split between the stages.

    Args:
        detected: results through the whole pipeline.
        drawn: results of the same studies on hand-drawn ROIs (`osteolens process --rois`).
        rows: of cohort.csv.

    Returns:
        `drawn`, `drawn_passed` (studies that the gate let pass) and `detected` (the same studies): studies, and AUC of
        osteoporosis and accuracy with intervals; `difference` of the areas of the last two with DeLong's interval, its
        `p`, and how many studies change their class. Empty where no study has both results.
    """
    passed = {d["study_uid"] for d in detected if d["probabilities"]}
    whole = evaluated_cases(drawn, rows)
    same = [d for d in drawn if d["study_uid"] in passed and d["probabilities"]]
    both = {d["study_uid"] for d in same}
    by_hand = evaluated_cases(same, rows)
    found = evaluated_cases([d for d in detected if d["study_uid"] in both], rows)
    if whole is None or by_hand is None or found is None:
        return {}
    result: dict[str, Any] = {
        "drawn": _figures(whole),
        "drawn_passed": _figures(by_hand),
        "detected": _figures(found),
        "changed_class": int((by_hand.shares.argmax(1) != found.shares.argmax(1)).sum()),
    }
    positive = found.labels == OSTEOPOROSIS_INDEX
    word = gap_word(positive)
    result["not_estimable"] = {"difference": word, "p": word} if word else {}
    if 0 < positive.sum() < len(positive):
        paired = delong_test(positive, by_hand.shares[:, OSTEOPOROSIS_INDEX], found.shares[:, OSTEOPOROSIS_INDEX])
        gap = paired.difference
        result.update({"difference": [gap.value, gap.low, gap.high], "p": paired.p})
    return result


def _figures(judged: EvaluatedCases) -> dict[str, Any]:
    positive = judged.labels == OSTEOPOROSIS_INDEX
    right = int(np.sum(judged.shares.argmax(1) == judged.labels))
    share = proportion(right, len(positive))
    figures: dict[str, Any] = {"studies": len(positive), "accuracy": [share.value, share.low, share.high]}
    word = gap_word(positive)
    figures["not_estimable"] = {} if word is None else {"auc" if word == ONE_CLASS else "auc_interval": word}
    if 0 < positive.sum() < len(positive):
        found = auc(positive, judged.shares[:, OSTEOPOROSIS_INDEX])
        figures["auc"] = [found.value, found.low, found.high]
    return figures
