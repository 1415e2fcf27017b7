"""The six models: a tiny run of the real path that resumes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.inputs import SIX
from cli.main import app
from cohort.eligibility import EligibilityCriteria
from cohort.io.folder import index_cohort
from cohort.splits import SiteSplits
from pipeline.reproduction import six_models as module
from pipeline.reproduction.tables import COLUMNS
from tests import WEIGHTS
from tests.conftest import MakeDicom


def test_test_sites_are_those_of_training(make_dicom: MakeDicom, tmp_path: Path) -> None:
    """By column, setting and name; one that is called as another split is told apart from it."""
    cohort = tmp_path / "cohort"
    names = ("external", "north", "", "validation", "all", "training")
    for number in range(len(names)):
        make_dicom(f"cohort/{number}.dcm", StudyInstanceUID=f"1.{number}", PatientID=f"P{number}")
    splits = ("", "test", "holdout", "test", "", "")
    lines = [f"1.{k},{site},{split},-2,70" for k, (site, split) in enumerate(zip(names, splits, strict=True))]
    (cohort / "cohort.csv").write_text("\n".join(["study_uid,site,split,t_score,age_years", *lines]))
    criteria = EligibilityCriteria()
    found = module._test_sites([cohort], criteria, SiteSplits())
    assert list(found) == ["external", "north", "test", "validation (test)"]
    told = module._test_sites([cohort], criteria, SiteSplits(training=("external",), test=("all", "training")))
    assert list(told) == ["all", "north", "test", "training (test)", "validation (test)"]


def test_predictions_without_patients_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("dataset,study_uid,p_normal\n")
    assert not module._has_patients(path)
    path.write_text("dataset,study_uid,patient_id,p_normal\n")
    assert module._has_patients(path)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_tiny_run_trains_predicts_and_resumes(
    tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    sites = pd.read_csv(examples / "cohort.csv", dtype=str)
    sites.assign(site=[*["training"] * 4, "test1", "test2"]).to_csv(examples / "cohort.csv", index=False)
    two = tuple(model for model in SIX if model.name in ("ap-images", "ap-lat-covariates"))
    monkeypatch.setattr(module, "reproduce", partial(module.reproduce, models=two))
    command = [
        "reproduce",
        str(examples),
        "--out",
        str(tmp_path / "six"),
        "--set",
        "resolution_schedule=[[48, 1]]",
        "--set",
        "batch=2",
    ]
    command += ["--set", "validation_fraction=0.3", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "ap-images: training" in done.stderr
    table = pd.read_csv(tmp_path / "six" / "ap-images" / "predictions.csv")
    assert set(table["dataset"]) == {"validation", "test1", "test2"}
    patients = {study.study_uid: study.patient_id for study in index_cohort(examples).studies}
    assert list(table["patient_id"]) == [patients[uid] for uid in table["study_uid"]]
    np.testing.assert_allclose(table[list(COLUMNS)].to_numpy().sum(1), 1, atol=1e-4)
    config = json.loads((tmp_path / "six" / "ap-images" / "metrics.json").read_text())["config"]
    assert config["views"] == ["AP"] and config["covariates"] is False
    document = json.loads(done.stdout)
    assert {(row["projection"], row["table"]) for row in document["rows"]} == {("AP", 2), ("AP and LAT", 4)}
    assert (tmp_path / "six" / "table_2.csv").is_file() and (tmp_path / "six" / "comparisons.csv").is_file()
    before = (tmp_path / "six" / "ap-images" / "predictions.csv").stat().st_mtime_ns
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "ap-images: training" not in again.stderr
    assert (tmp_path / "six" / "ap-images" / "predictions.csv").stat().st_mtime_ns == before, "read back"
    joint = CliRunner().invoke(app, [*command, "--joint-network", str(WEIGHTS)])
    assert joint.exit_code == 0, joint.output
    assert (tmp_path / "six" / "joint" / "ap-images" / "predictions.csv").is_file()
    shown = CliRunner().invoke(app, [option for option in command if option != "--json"])
    assert "Table 4: osteoporosis" in shown.stdout
