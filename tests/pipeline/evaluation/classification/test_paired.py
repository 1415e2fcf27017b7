"""Parts of the inputs and stages of the pipeline on the same studies, some of one patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classify.inputs import PAIRS
from cohort.bmd import BMD_CLASSES
from cohort.covariates import Sex
from pipeline.evaluation.classification.input_ablation import compare_inputs
from pipeline.evaluation.classification.stage_attribution import stage_attribution
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.evaluation.tables.osteoporosis import input_table, stage_table
from tests.pipeline.evaluation.classification.made_up import evaluated


def studies(seed: int, copies: int = 1) -> list[EvaluatedStudy]:
    """Forty patients, half with osteoporosis, with probabilities by chance and copies of each study."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(40):
        t_score = -3.0 if k % 2 else 0.0
        own = rng.dirichlet([1, 1, 2 if k % 2 else 1], 3)
        for copy in range(copies):
            study = evaluated(f"s{k}-{copy}", t_score, t_score, Sex.FEMALE, patient_id=f"p{k}")
            full, first, second = ({c: float(p) for c, p in zip(BMD_CLASSES, row, strict=True)} for row in own)
            ablation = {PAIRS[0][0]: first, PAIRS[0][1]: second}
            prediction = replace(study.prediction, probabilities=full, input_ablation=ablation)
            made.append(replace(study, prediction=prediction))
    return made


def test_copies_of_studies_do_not_narrow_a_comparison_of_inputs() -> None:
    (once,), (copied,) = compare_inputs(studies(0)), compare_inputs(studies(0, 3))
    assert (once.studies, once.patients, copied.studies, copied.patients) == (40, 40, 120, 40)
    assert copied.difference.value == pytest.approx(once.difference.value)
    assert copied.difference.low == pytest.approx(once.difference.low, abs=0.01)
    assert copied.p == pytest.approx(once.p, abs=0.02)
    assert "AUC, second minus first (95 %, by patient)" in input_table({"all": [copied]}).columns
    assert "AUC, second minus first (95 %)" in input_table({"all": [once]}).columns


def test_copies_of_studies_do_not_narrow_the_stages() -> None:
    once, copied = (stage_attribution(studies(1, copies), studies(2, copies)) for copies in (1, 3))
    assert once is not None and copied is not None
    assert (copied.detected.studies, copied.detected.patients) == (120, 40)
    assert copied.detected.auc.low == pytest.approx(once.detected.auc.low, abs=0.01)
    assert copied.detected.accuracy.low == pytest.approx(once.detected.accuracy.low, abs=0.02)
    assert copied.difference.low == pytest.approx(once.difference.low, abs=0.01)
    table = stage_table({"all": copied})
    assert "AUC of osteoporosis (95 %, DeLong, logit scale, by patient)" in table.columns
    assert "accuracy % (95 %, by patient)" in table.columns


def test_studies_of_one_patient_have_a_word_for_the_lacking_interval() -> None:
    one = [replace(study, study=replace(study.study, patient_id="p")) for study in studies(3)]
    (compared,) = compare_inputs(one)
    assert np.isnan(compared.difference.low)
    assert compared.not_estimable["difference"] == "not estimable: all cases are of one patient"
