"""Options of the trainings reach the functions that they are shells of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.reproduction.six_models import ReproductionOptions, RoiSource
from pipeline.reproduction.tables import ReproductionTables
from pipeline.training.cross_validation import CrossValidation
from pipeline.training.run import Start, TrainingOptions, TrainingRun

runner = CliRunner()

STAGES = ("detector", "segmenter", "classifier")


told_features: list[int] = []
"""How many folders of features each training was given."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the functions were called with; they train nothing."""
    found: list[tuple[Any, ...]] = []
    run = TrainingRun(out=tmp_path, training=4, validation=2, left_out={"test site": 1}, metrics={"dice": 0.75})

    def train(*given: Any, features: Sequence[Path] = ()) -> TrainingRun:
        found.append(given)
        assert list(features) == [tmp_path / "f"] * len(features)
        told_features.append(len(features))
        given[-1]("a line")
        given[-2](1, 3)
        return run

    for stage in STAGES:
        monkeypatch.setattr(f"pipeline.training.{stage}.train_{stage}", train)
    return found


def test_the_classifier_takes_features(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    command = ["train", "classifier", str(tmp_path), "--features", str(tmp_path / "f"), "--out", str(tmp_path / "out")]
    told_features.clear()
    assert runner.invoke(app, command).exit_code == 0 and len(calls) == 1 and told_features == [1]
    done = runner.invoke(app, [*command, "--folds", "3"])
    assert done.exit_code == 1 and "--folds and --features are given" in done.output


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_gets_its_options(calls: list[tuple[Any, ...]], tmp_path: Path, stage: str) -> None:
    command = ["train", stage, str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out"), "--seed", "7"]
    command += [
        "--device",
        "cuda",
        "--validation",
        str(tmp_path / "v"),
        "--start-from",
        str(tmp_path / "s.safetensors"),
    ]
    more = ["--weights", str(tmp_path / "w")] if stage != "segmenter" else []
    done = runner.invoke(app, [*command, *more, "--resume", "--set", "validation_fraction=0.2"])
    assert done.exit_code == 0, done.output
    (cohorts, out, config, options, _, _) = calls[0]
    assert (cohorts, out) == ([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert config.validation_fraction == 0.2
    expected = TrainingOptions(
        device="cuda",
        seed=7,
        resume=True,
        start_from=tmp_path / "s.safetensors",
        weights=tmp_path / "w" if more else None,
        validation=tmp_path / "v",
    )
    assert options == expected, "lines, not a bar, where stderr is no terminal"


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_is_printed_as_a_table_or_as_json(calls: list[tuple[Any, ...]], tmp_path: Path, stage: str) -> None:
    table = runner.invoke(app, ["train", stage, str(tmp_path)])
    assert "dice" in table.stdout and "0.75" in table.stdout and table.stderr == "a line\n"
    printed = runner.invoke(app, ["train", stage, str(tmp_path), "--json", "-q"])
    assert printed.stderr == "" and json.loads(printed.stdout)["left_out"] == {"test site": 1}
    default = Start.NONE if stage == "segmenter" else Start.WEIGHTS
    assert calls[0][3].start_from is default and calls[0][3].resume is False


def test_the_classifier_takes_inputs_criteria_and_recipes(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    command = ["train", "classifier", str(tmp_path), "--config", "paper-column", "--views", "lateral"]
    done = runner.invoke(app, [*command, "--no-covariates", "--set", "criteria.max_cobb_deg=30"])
    assert done.exit_code == 0, done.output
    config = calls[0][2]
    assert config.preprocess.roi == "column" and [view.value for view in config.views] == ["LATERAL"]
    assert config.covariates is False and config.criteria.max_cobb_deg == 30 and config.criteria.min_age_years == 50


@pytest.mark.parametrize("stage", STAGES)
def test_a_training_takes_what_sites_are_for(calls: list[tuple[Any, ...]], tmp_path: Path, stage: str) -> None:
    done = runner.invoke(app, ["train", stage, str(tmp_path), "--set", "sites.training=[external]"])
    assert done.exit_code == 0, done.output
    assert calls[0][2].sites.training == ("external",)


def test_a_wrong_setting_stops_before_anything_is_read(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", "classifier", str(tmp_path), "--set", "criteria.max_cob_deg=30"])
    assert done.exit_code == 1 and "did you mean 'criteria.max_cobb_deg'" in done.stderr and not calls


def test_a_reproduction_gets_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[tuple[Any, ...]] = []

    def reproduce(*given: Any, notify: Any) -> ReproductionTables:
        found.append(given)
        notify("a line")
        return ReproductionTables(rows=(), comparisons=())

    monkeypatch.setattr("pipeline.reproduction.six_models.reproduce", reproduce)
    command = ["reproduce", str(tmp_path), "--out", str(tmp_path / "out"), "--test-rois", "manual", "--no-resume"]
    command += ["--joint-network", str(tmp_path / "j"), "--start-from", str(tmp_path / "s"), "--weights", str(tmp_path)]
    done = runner.invoke(app, [*command, "--json", "-q"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"rows": [], "comparisons": []} and done.stderr == ""
    assert found[0][3] == ReproductionOptions(
        device="cpu",
        resume=False,
        start_from=tmp_path / "s",
        weights=tmp_path,
        joint_network=tmp_path / "j",
        test_rois=RoiSource.MANUAL,
    )


def test_a_quiet_cross_validation_prints_its_result_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = CrossValidation(out=tmp_path, folds=2, patients=6, studies=6, left_out={}, metrics={"macro_auc": 0.75})
    monkeypatch.setattr("pipeline.training.cross_validation.cross_validate", lambda *_: found)
    command = ["train", "classifier", str(tmp_path), "--folds", "2"]
    loud, quiet = runner.invoke(app, command), runner.invoke(app, [*command, "--quiet"])
    assert loud.exit_code == quiet.exit_code == 0, loud.output
    assert loud.stdout == quiet.stdout and "macro_auc" in loud.stdout
    assert "report.html" in loud.stderr and not quiet.stderr
