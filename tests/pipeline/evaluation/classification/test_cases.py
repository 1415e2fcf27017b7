"""Studies as arrays: the class that a result states counts, whatever its rounded probabilities say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from tests.predictions import save, screened

NORMAL, OSTEOPENIA, OSTEOPOROSIS = BMD_CLASSES


def test_a_tie_of_rounded_probabilities_decides_no_class(tmp_path: Path) -> None:
    tie = {NORMAL: 0.1, OSTEOPENIA: 0.45, OSTEOPOROSIS: 0.45}
    results = [replace(screened(f"s{k}", -3.0), probabilities=tie) for k in range(4)]
    out = save(tmp_path / "out", [*results, screened("s4", 0.0)])
    (tmp_path / "cohort").mkdir()
    table = pd.DataFrame({"study_uid": [f"s{k}" for k in range(5)], "t_score": [-3.0] * 4 + [0.0], "site": "test1"})
    table.to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    evaluation = evaluate(out, tmp_path / "cohort", EvaluationConfig(bootstrap_draws=20))
    metrics, intended = evaluation.overall.classification, evaluation.overall.intention_to_diagnose
    assert metrics is not None and metrics.confusion == ((1, 0, 0), (0, 0, 0), (0, 0, 4))
    assert intended is not None and intended.not_called.sensitivity.value == 1 and not evaluation.errors
