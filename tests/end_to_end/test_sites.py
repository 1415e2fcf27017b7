"""Sites of one cohort: test sites never train, validation is held out, results are judged site by site."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.splits import is_test_site
from osteolens.errors import ReadError
from pipeline.evaluation.evaluate import evaluate_results
from pipeline.training.cohorts import training_cohorts
from tests import EXAMPLES

runner = CliRunner()


def cohort_with(tmp_path: Path, **columns: list[object]) -> Path:
    folder = tmp_path / "cohort"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    table = pd.read_csv(folder / "cohort.csv")
    for name, values in columns.items():
        table[name] = values
    table.to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.mark.parametrize(("name", "answer"), [("test1", True), ("Test-B", True), ("training", False), (None, False)])
def test_test_sites_are_told_by_name(name: str | None, answer: bool) -> None:
    assert is_test_site(name) is answer


def test_test_sites_never_train_and_the_validation_site_is_held_out(tmp_path: Path) -> None:
    sites = ["training", "training", "training", "validation", "test1", "test2"]
    found = training_cohorts([cohort_with(tmp_path, site=sites)], None, 0.3, 0, tmp_path / "out")
    assert {s.site for s in found.training} == {"training"} and len(found.training) == 3
    assert {s.site for s in found.held_out} == {"validation"}
    assert found.left_out == {"test site": 2}
    split = pd.read_csv(tmp_path / "out" / "split.csv")
    assert sorted(split["split"]) == ["training"] * 3 + ["validation"]


def test_only_eligible_studies_train_a_classifier(tmp_path: Path) -> None:
    implants = ["screws", "none", "none", "none", "none", "none"]
    folder = cohort_with(tmp_path, site=["training"] * 6, implant=implants, cobb_deg=[0, 44, 0, 0, 0, 0])
    everyone = training_cohorts([folder], None, 0.3, 0, tmp_path / "a")
    chosen = training_cohorts([folder], None, 0.3, 0, tmp_path / "b", only_eligible=True)
    assert len(everyone.training) + len(everyone.held_out) == 6
    assert len(chosen.training) + len(chosen.held_out) == 4
    assert chosen.left_out == {"implant or cement at L1-L4": 1, "scoliosis above 20 degrees": 1}


def test_a_cohort_of_test_sites_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="nothing is left to train on: test site 6"):
        training_cohorts([cohort_with(tmp_path, site=["test1"] * 6)], None, 0.3, 0, tmp_path / "out")


def test_one_site_is_screened_and_judged(tmp_path: Path) -> None:
    sites = ["a", "a", "b", "b", "b", "b"]
    folder = cohort_with(tmp_path, site=sites, implant=["none", "cement", *["none"] * 4])
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "a", "--json"])
    assert done.exit_code == 0 and len(json.loads(done.stdout)) == 2
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "a,b", "--json"])
    assert len(json.loads(done.stdout)) == 6
    figures = evaluate_results(tmp_path / "out", folder, "a")
    assert (figures["studies"], figures["excluded"]) == (1, 1)
    assert evaluate_results(tmp_path / "out", folder, "a", everyone=True)["studies"] == 2
    done = runner.invoke(app, ["evaluate", str(tmp_path / "out"), str(folder), "--site", "a", "--everyone", "--json"])
    assert json.loads(done.stdout)["studies"] == 2


def test_an_unknown_site_is_named_with_those_found(tmp_path: Path) -> None:
    folder = cohort_with(tmp_path, site=["a"] * 6)
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "c"])
    assert done.exit_code == 1 and "no study is of this site; found a" in done.stderr
    runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "-q"])
    with pytest.raises(ReadError, match="no study is of site 'c'"):
        evaluate_results(tmp_path / "out", folder, "c")
