"""Stages of the pipeline on the same studies, some of one patient."""

from __future__ import annotations

import pytest

from pipeline.evaluation.classification.stage_attribution import stage_attribution
from pipeline.evaluation.tables.osteoporosis import stage_table
from tests.pipeline.evaluation.classification.made_up import input_studies


def test_copies_of_studies_do_not_narrow_the_stages() -> None:
    once, copied = (stage_attribution(input_studies(1, copies), input_studies(2, copies)) for copies in (1, 3))
    assert once is not None and copied is not None
    assert (copied.detected.studies, copied.detected.patients) == (120, 40)
    assert copied.detected.auc.low == pytest.approx(once.detected.auc.low, abs=0.01)
    assert copied.detected.accuracy.low == pytest.approx(once.detected.accuracy.low, abs=0.02)
    assert copied.difference.low == pytest.approx(once.difference.low, abs=0.01)
    table = stage_table({"all": copied})
    assert "AUC of osteoporosis (95 %, DeLong, logit scale, by patient)" in table.columns
    assert "accuracy % (95 %, by patient)" in table.columns
