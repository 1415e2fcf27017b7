"""Input ablation: metrics of the paper's six parts of the inputs from one network, and paired comparisons of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classify.inputs import PAIRS, SIX
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.estimable import gap_word
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.evaluation.statistics.roc import delong_test
from pipeline.evaluation.studies.joined import EvaluatedStudy


@dataclass(frozen=True, slots=True, kw_only=True)
class InputComparison:
    """Two parts of the inputs on the same studies.

    Attributes:
        first: name of one of the six models.
        second: of another.
        studies: that have both.
        patients: of whom these are.
        difference: AUC of osteoporosis of the second minus that of the first, with DeLong's interval, by patient.
        p: two-sided, of no difference.
        not_estimable: a word where the interval cannot be given.
    """

    first: str
    second: str
    studies: int
    patients: int
    difference: Estimate
    p: float
    not_estimable: Mapping[str, str]


def ablation_cases(studies: Sequence[EvaluatedStudy]) -> dict[str, EvaluatedCases]:
    """The studies that have both views and were classified from each part of the inputs, by model; empty where the
    results hold no input_ablation (`ScreeningConfig.input_ablation`)."""
    both = [study for study in studies if "ap-lat-images" in study.prediction.input_ablation]
    by_model = {model.name: cases_of(both, model.name) for model in SIX}
    return {name: cases for name, cases in by_model.items() if cases is not None}


def compare_inputs(studies: Sequence[EvaluatedStudy]) -> tuple[InputComparison, ...]:
    """Paired DeLong tests of the osteoporosis AUC on the same studies, for each of `PAIRS`."""
    comparisons = []
    for names in PAIRS:
        shared = [study for study in studies if set(names) <= set(study.prediction.input_ablation)]
        first, second = (cases_of(shared, name) for name in names)
        if first is None or second is None or not 0 < first.positive.sum() < len(first.positive):
            continue
        paired = delong_test(first.positive, first.p_osteoporosis, second.p_osteoporosis, clusters=first.patients)
        word = gap_word(first.positive, first.patients)
        comparisons.append(
            InputComparison(
                first=names[0],
                second=names[1],
                studies=len(first.positive),
                patients=len(np.unique(first.patients)),
                difference=paired.difference,
                p=paired.p,
                not_estimable={"difference": word, "p": word} if word else {},
            )
        )
    return tuple(comparisons)
