"""Parts of the inputs on the same studies, some of one patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.classification.input_ablation import compare_inputs
from pipeline.evaluation.tables.osteoporosis import input_table
from tests.pipeline.evaluation.classification.made_up import input_studies


def test_copies_of_studies_do_not_narrow_a_comparison_of_inputs() -> None:
    (once,), (copied,) = compare_inputs(input_studies(0)), compare_inputs(input_studies(0, 3))
    assert (once.studies, once.patients, copied.studies, copied.patients) == (40, 40, 120, 40)
    assert copied.difference.value == pytest.approx(once.difference.value)
    assert copied.difference.low == pytest.approx(once.difference.low, abs=0.01)
    assert copied.p == pytest.approx(once.p, abs=0.02)
    assert "AUC, second minus first (95 %, by patient)" in input_table({"all": [copied]}).columns
    assert "AUC, second minus first (95 %)" in input_table({"all": [once]}).columns


def test_studies_of_one_patient_have_a_word_for_the_lacking_interval() -> None:
    one = [replace(study, study=replace(study.study, patient_id="p")) for study in input_studies(3)]
    (compared,) = compare_inputs(one)
    assert np.isnan(compared.difference.low)
    assert compared.not_estimable["difference"] == "not estimable: all cases are of one patient"
