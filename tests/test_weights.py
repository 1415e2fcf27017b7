"""The manifest and its hashes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from classify.config import ClassifierTraining, NetworkSpec, PreprocessSpec
from cli.main import app
from cohort.errors import WeightsError
from cohort.index import index_cohort
from cohort.spine import View
from pipeline.assemble import assemble_weights
from pipeline.screen import Screener, read_study
from pipeline.weights import load_weights, sha256, write_manifest

WEIGHTS = Path(__file__).parent.parent / "weights"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    target = tmp_path / "w"
    shutil.copytree(WEIGHTS, target)
    return target


def test_shipped_weights_match_their_hashes() -> None:
    manifest = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    for name, entry in manifest["files"].items():
        assert sha256(WEIGHTS / name) == entry["sha256"]
    assert manifest["licence"] == "AGPL-3.0-or-later"
    assert manifest["models"]["detector"]["metrics"] and manifest["models"]["classifier"]["metrics"]


def test_an_altered_file_is_refused(copy: Path) -> None:
    with (copy / "classifier_ap.safetensors").open("r+b") as stream:
        stream.seek(1_000_000)
        stream.write(b"\x00\x01\x02\x03")
    with pytest.raises(WeightsError, match=r"classifier_ap\.safetensors: SHA-256 is"):
        load_weights(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "detector.onnx").unlink()
    with pytest.raises(WeightsError, match=r"detector\.onnx is missing"):
        load_weights(copy)


def test_a_manifest_cannot_reach_outside_its_folder(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    document["files"]["../secret"] = {"sha256": "0" * 64}
    path.write_text(json.dumps(document))
    with pytest.raises(WeightsError, match="is missing"):
        load_weights(copy)


def test_another_format_is_refused(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, "format": 2}))
    with pytest.raises(WeightsError, match="format 2, expected 1"):
        load_weights(copy)


def test_preprocessing_is_read_from_the_manifest(copy: Path) -> None:
    models = json.loads((copy / "manifest.json").read_text("utf-8"))["models"]
    models["classifier"]["preprocess"]["sigma_px"] = 2.5
    write_manifest(copy, "changed", "notice", models)
    assert load_weights(copy).preprocess.sigma_px == 2.5
    models["classifier"]["preprocess"]["roi"] = "guess"
    write_manifest(copy, "changed", "notice", models)
    with pytest.raises(WeightsError, match="of a classifier that this version knows"):
        load_weights(copy)


def test_a_run_replaces_its_part_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("detector.onnx", "detector.safetensors"):
        shutil.copyfile(WEIGHTS / name, run / name)
    figures = {"config": {"model": "yolo11n", "image_px": 416}, "validation": {"mAP50": 0.5}}
    (run / "metrics.json").write_text(json.dumps(figures))
    (tmp_path / "test.json").write_text('{"AP": 1}')
    command = ["weights", str(tmp_path / "mine"), "--version", "mine", "--detector", str(run)]
    done = CliRunner().invoke(app, [*command, "--test-detector", str(tmp_path / "test.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "mine" / "manifest.json").read_text("utf-8"))
    shipped = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    assert found["models"]["detector"]["metrics"] == {"validation": {"mAP50": 0.5}, "test": {"AP": 1}}
    assert found["models"]["classifier"] == shipped["models"]["classifier"]
    assert "simulated" not in found["notice"], "what users train on is theirs to say"
    assert load_weights(tmp_path / "mine").identifiers["version"] == "mine"


def test_a_run_without_weights_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["weights", str(tmp_path / "w"), "--version", "x", "--detector", str(tmp_path)])
    assert done.exit_code == 1 and "no metrics of a finished run" in done.stderr
    (tmp_path / "metrics.json").write_text(
        json.dumps({"config": {"model": "yolo11n", "image_px": 416}, "validation": {}})
    )
    done = CliRunner().invoke(app, ["weights", str(tmp_path / "w"), "--version", "x", "--detector", str(tmp_path)])
    assert done.exit_code == 1 and "detector.onnx is missing" in done.stderr


@pytest.mark.train
def test_a_classifier_of_one_view_is_assembled_and_refuses_the_other(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from classify.export import export_classifier
    from classify.model import DualChannelDenseNet

    torch.manual_seed(0)
    run, out = tmp_path / "run", tmp_path / "mine"
    run.mkdir()
    spec = PreprocessSpec(size_px=64)
    config = ClassifierTraining(views=(View.LATERAL,), covariates=False, preprocess=spec, stages=[(64, 1)])
    network = DualChannelDenseNet(NetworkSpec(views=config.views, covariates=False)).eval()
    export_classifier(network, run, spec, 64)
    figures = {"config": config.model_dump(mode="json"), "preprocess": spec.model_dump(), "validation": {}}
    (run / "metrics.json").write_text(json.dumps(figures))
    (run / "calibration.json").write_text("{}")
    assemble_weights(out, "both", {})
    assemble_weights(out, "lateral", {"classifier": run})
    assert not (out / "classifier_ap.safetensors").exists(), "the branch that stood there belongs to other weights"
    screener = Screener(load_weights(out))
    study = index_cohort(WEIGHTS.parent / "examples").studies[0]
    alone = replace(study, lateral=None)
    refusal = screener.screen(read_study(alone)).prediction.refusal
    assert refusal is not None and refusal.code == "no_view" and "these weights take LATERAL alone" in refusal.reason
    assert screener.screen(read_study(study)).prediction.refusal is None
