"""What each part of the inputs is worth: the paper's six rows from one network, and paired comparisons of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from classify.inputs import PAIRS, SIX
from cohort.bmd import OSTEOPOROSIS_INDEX
from cohort.io.tables.cohort_tables import CohortRow
from pipeline.evaluation.classification import EvaluatedCases
from pipeline.evaluation.estimable import gap_word
from pipeline.evaluation.evaluate import evaluated_cases
from pipeline.evaluation.statistics import delong_test

Documents = Sequence[dict[str, Any]]


def ablation_cases(documents: Documents, rows: Mapping[str, CohortRow]) -> dict[str, EvaluatedCases]:
    """The studies that have both views and were classified from each part of the inputs, by model; empty where the
    results hold no input_ablation (`ScreeningConfig.input_ablation`)."""
    both = [d for d in documents if "ap-lat-images" in d.get("input_ablation", {})]
    judged = {model.name: evaluated_cases(both, rows, model.name) for model in SIX}
    return {name: own for name, own in judged.items() if own is not None}


def compare_inputs(documents: Documents, rows: Mapping[str, CohortRow]) -> list[dict[str, Any]]:
    """Second minus first of the osteoporosis AUC on the same studies (paired DeLong), for each of `PAIRS`."""
    found = []
    for names in PAIRS:
        shared = [d for d in documents if set(names) <= set(d.get("input_ablation", {}))]
        one, other = (evaluated_cases(shared, rows, name) for name in names)
        if one is None or other is None or not 0 < (positive := one.labels == OSTEOPOROSIS_INDEX).sum() < len(positive):
            continue
        paired = delong_test(positive, one.shares[:, OSTEOPOROSIS_INDEX], other.shares[:, OSTEOPOROSIS_INDEX])
        gap = paired.difference
        found.append(
            {"first": names[0], "second": names[1], "studies": len(positive)}
            | {"difference": [gap.value, gap.low, gap.high], "p": paired.p}
            | ({"not_estimable": {"difference": word, "p": word}} if (word := gap_word(positive)) else {})
        )
    return found
