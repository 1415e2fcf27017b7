"""Cross-validation: every patient is predicted once, by a network that never saw him. Tiny, but the real path."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.evaluation.studies.results import load_predictions

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]

TINY = [
    "preprocess.roi=vertebra",
    "preprocess.size_px=64",
    "views=[AP]",
    "pooled=last",
    "resolution_schedule=[[64, 0]]",
    "head_epochs=1",
    "head_weight_decays=[1.0]",
]
"""Heads alone, on branches of the shipped weights."""


@pytest.fixture
def cohort(examples: Path) -> Path:
    """The six examples, all of a site that may be trained on."""
    table = pd.read_csv(examples / "cohort.csv", dtype=str)
    table.assign(site="north").to_csv(examples / "cohort.csv", index=False)
    return examples


def run(cohort: Path, out: Path, *more: str) -> tuple[int, str, str]:
    settings = [part for value in TINY for part in ("--set", value)]
    done = CliRunner().invoke(app, ["train", "classifier", str(cohort), "--out", str(out), *settings, *more])
    return done.exit_code, done.stdout, done.stderr


def test_every_patient_has_one_result_by_a_network_that_never_saw_him(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "cv"
    code, stdout, stderr = run(cohort, out, "--folds", "2", "--json")
    assert code == 0, stderr
    printed = json.loads(stdout)
    assert printed["patients"] == printed["studies"] == 6 and 0 <= printed["metrics"]["macro_auc"] <= 1
    folds = pd.read_csv(out / "folds.csv", dtype=str)
    assert list(folds.groupby("fold").patient_id.nunique()) == [3, 3]
    results = {prediction.study_uid: prediction for prediction in load_predictions(out / "out-of-fold")}
    assert sorted(results) == sorted(folds.study_uid)
    assert len(pd.read_csv(out / "out-of-fold" / "predictions.csv")) == 6
    for fold, own in folds.groupby("fold"):
        split = pd.read_csv(out / f"fold-{fold}" / "split.csv", dtype=str)
        assert not set(split.patient_id) & set(own.patient_id), "the patients of a fold decide nothing in it"
        assert set(split.split) == {"training", "validation"} and len(split) == 3
        manifest = json.loads((out / f"fold-{fold}" / "weights" / "manifest.json").read_text())
        digest = manifest["files"]["classifier.onnx"]["sha256"][:16]
        assert {results[uid].model.hashes["classifier"] for uid in own.study_uid} == {digest}
    report = json.loads((out / "report" / "evaluation.json").read_text())
    assert report["studies"] == 6 and (out / "report" / "report.html").is_file()

    code, _, stderr = run(cohort, out, "--folds", "2", "--resume")
    assert code == 0 and "fold 1 is trained already" in stderr and "fold 2 is trained already" in stderr, stderr
    code, _, stderr = run(cohort, out, "--folds", "3", "--resume")
    assert code == 1 and "was split with other folds 2, now 3" in stderr, stderr
    table = pd.read_csv(cohort / "cohort.csv", dtype=str)
    table.loc[0, "t_score"] = "-3.9" if float(table.t_score[0]) > -2.5 else "0.5"
    table.to_csv(cohort / "cohort.csv", index=False)
    code, _, stderr = run(cohort, out, "--folds", "2", "--resume")
    assert code == 1 and "was split with other studies" in stderr, stderr


def test_too_few_patients_and_second_cohorts_are_refused(cohort: Path, tmp_path: Path) -> None:
    code, _, stderr = run(cohort, tmp_path, "--folds", "7")
    assert code == 1 and "7 folds of 6 patients; expected 2 folds or more, and 7 patients" in stderr
    code, _, stderr = run(cohort, tmp_path, str(cohort), "--folds", "2")
    assert code == 1 and "--folds takes one cohort folder, found 2" in stderr
    code, _, stderr = run(cohort, tmp_path, "--validation", str(cohort), "--folds", "2")
    assert code == 1 and "a cross-validation has folds of its own" in stderr
