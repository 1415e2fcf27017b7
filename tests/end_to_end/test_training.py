"""Both trainings, from a cohort folder to weights that load. Tiny, but the real path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.classifier import BmdClassifier
from classify.training.config import BODIES
from cli.main import app
from cohort.covariates import Covariates
from cohort.io.annotations import read_rois
from cohort.spine import View
from detect.detector import VertebraDetector
from osteolens.errors import ReadError
from tests import EXAMPLES

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def cohort(examples: Path) -> str:
    """The six examples, all of a site that may be trained on."""
    table = pd.read_csv(examples / "cohort.csv")
    table.assign(site="training").to_csv(examples / "cohort.csv", index=False)
    return str(examples)


def test_a_detector_trains_and_loads(cohort: str, tmp_path: Path) -> None:
    options = ["image_px=128", "renders=1", "epochs=1", "batch=4", "validation_fraction=0.3"]
    command = ["train", "detector", cohort, "--out", str(tmp_path / "d")]
    for option in options:
        command += ["--set", option]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["training"] == 4 and printed["validation"] == 2 and "mAP50" in printed["metrics"]
    detector = VertebraDetector(tmp_path / "d" / "detector.onnx")
    assert detector.side == 128
    metrics = json.loads((tmp_path / "d" / "metrics.json").read_text("utf-8"))
    assert set(metrics["validation"]) == {"precision", "recall", "mAP50", "mAP50-95"}
    assert [row["epoch"] for row in metrics["history"]] == [0, 1], "the start is judged first"
    assert metrics["run"]["precision"]["name"] in ("float32", "bfloat16")
    assert "the start" in done.stderr and "{" not in done.stderr and "Ultralytics" not in done.stderr, done.stderr
    assert 0 <= metrics["onnx_apart_px"] < 0.5
    shown = {"curves.png", "curves.svg", "history.csv", "training_images.png", "validation_images.png"}
    assert shown <= {path.name for path in (tmp_path / "d").iterdir()}
    assert metrics["config"]["epochs"] == 1
    assert (tmp_path / "d" / "split.csv").is_file()
    assert (tmp_path / "d" / "detector.safetensors").is_file()


def test_other_architectures_do_not_start_from_the_shipped_weights(tmp_path: Path) -> None:
    command = ["train", "detector", str(EXAMPLES), "--out", str(tmp_path / "d"), "--set", "model=yolo11s"]
    done = CliRunner().invoke(app, [*command, "--set", "image_px=128", "--set", "renders=1"])
    assert done.exit_code == 1 and "start from weights of the same architecture" in done.stderr


def test_boxes_of_another_image_are_refused(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "in")
    table = pd.read_csv(EXAMPLES / "rois.csv")
    moved = table.assign(x0=table.x0 + 5000, x1=table.x1 + 5000)
    moved.to_csv(tmp_path / "in" / "rois.csv", index=False)
    for stage, setting in (("detector", "image_px=128"), ("classifier", "batch=2")):
        command = ["train", stage, str(tmp_path / "in"), "--out", str(tmp_path / stage), "--set", setting]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1 and "lies outside its image" in done.stderr, done.output
        assert any(uid in done.stderr for uid in table.study_uid)


def test_a_level_drawn_twice_is_refused(tmp_path: Path) -> None:
    table = pd.read_csv(EXAMPLES / "rois.csv")
    pd.concat([table, table.iloc[[3]]]).to_csv(tmp_path / "rois.csv", index=False)
    twice = table.iloc[3]
    with pytest.raises(ReadError, match=f"study {twice.study_uid} has a second {twice['view']} box of {twice.level}"):
        read_rois(tmp_path / "rois.csv")


def test_a_classifier_trains_resumes_and_loads(cohort: str, tmp_path: Path) -> None:
    command = ["train", "classifier", cohort, "--validation", cohort, "--out", str(tmp_path / "c")]
    assert CliRunner().invoke(app, command).exit_code == 1, "a patient on both sides must be rejected"
    command = ["train", "classifier", cohort, "--out", str(tmp_path / "c"), "--set", "batch=2"]
    command += ["--set", "validation_fraction=0.3"]
    done = CliRunner().invoke(app, [*command, "--set", "resolution_schedule=[[48, 1]]"])
    assert done.exit_code == 0, done.output
    assert "macro_auc" in done.stdout and "4 studies to train on" in done.stderr, "a table, and lines on stderr"
    assert "no calibration: 2 validation patients, 20 are needed" in done.stderr and "{" not in done.stderr, done.stderr
    done = CliRunner().invoke(app, [*command, "--set", "resolution_schedule=[[48, 2]]", "--resume", "-q"])
    assert done.exit_code == 1 and "setting resolution_schedule [[48, 1]], now [[48, 2]]" in done.stderr, done.output
    done = CliRunner().invoke(app, [*command, "--set", "resolution_schedule=[[48, 1]]", "--resume", "-q"])
    assert done.exit_code == 0 and "studies to train on" not in done.stderr, done.output
    metrics = json.loads((tmp_path / "c" / "metrics.json").read_text("utf-8"))
    assert [row["epoch"] for row in metrics["history"]] == [0, 1], "the start is judged first"
    assert metrics["history"][1]["loss"] > 0, "steps were taken"
    assert metrics["working_px"] == 48 and metrics["network"]["crops"] == 4, "what inference needs to know"
    classifier = BmdClassifier(tmp_path / "c" / "classifier.onnx", BODIES)
    image = np.zeros((4, BODIES.size_px, BODIES.size_px), np.float32)
    found = classifier.classify({View.AP: image}, Covariates(age_years=70))
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert -6 < found.t_score < 3
    assert len(found.prediction_set) == 3 and found.decision == "indeterminate", "six studies calibrate nothing"
    assert json.loads((tmp_path / "c" / "calibration.json").read_text("utf-8"))["studies"] == 0
