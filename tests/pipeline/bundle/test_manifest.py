"""The manifest and its hashes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from classify.config import NetworkSpec, PreprocessSpec
from classify.training.config import ClassifierTraining
from cli.main import app
from cohort.io.digest import sha256_of
from cohort.io.folder import index_cohort
from cohort.spine import View
from osteolens.errors import WeightsError
from pipeline.bundle.assemble import assemble_weights
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import ManifestParts, Part, read_manifest, write_manifest
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener
from tests import WEIGHTS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    target = tmp_path / "w"
    shutil.copytree(WEIGHTS, target)
    return target


def test_shipped_weights_match_their_hashes() -> None:
    manifest = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    for name, entry in manifest["files"].items():
        assert sha256_of(WEIGHTS / name) == entry["sha256"]
    assert manifest["licence"] == "AGPL-3.0-or-later"
    assert manifest["models"]["detector"]["metrics"] and manifest["models"]["classifier"]["metrics"]


def test_an_altered_file_is_refused(copy: Path) -> None:
    with (copy / "classifier_ap.safetensors").open("r+b") as stream:
        stream.seek(1_000_000)
        stream.write(b"\x00\x01\x02\x03")
    with pytest.raises(WeightsError, match=r"classifier_ap\.safetensors: SHA-256 is"):
        load_bundle(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "detector.onnx").unlink()
    with pytest.raises(WeightsError, match=r"detector\.onnx is missing"):
        load_bundle(copy)


def test_a_manifest_cannot_reach_outside_its_folder(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    for name in ("../secret", "/etc/passwd", "..", "", "a/b.onnx", "a\\b.onnx", "c:x.onnx", "x\0y"):
        path.write_text(json.dumps({**document, "files": {**document["files"], name: {"sha256": "0" * 64}}}))
        with pytest.raises(WeightsError, match=r"files lists '.*', which leads out of the folder"):
            load_bundle(copy)
    path.write_text(json.dumps(document))
    (copy / "detector.onnx").unlink()
    (copy / "detector.onnx").symlink_to(WEIGHTS / "detector.onnx")
    with pytest.raises(WeightsError, match=r"detector\.onnx: is a link that leads out of the folder"):
        load_bundle(copy)
    (copy / "detector.onnx").unlink()
    (copy / "detector.onnx").mkdir()
    with pytest.raises(WeightsError, match=r"detector\.onnx is missing"):
        load_bundle(copy)


def test_a_folder_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(WEIGHTS, target_is_directory=True)
    assert load_bundle(tmp_path / "link").identifiers == load_bundle().identifiers


def replaced(path: str, value: object) -> str:
    """The shipped manifest with one field replaced, or removed where the value is `...`."""
    document = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    *above, last = path.split("/")
    part = document
    for key in above:
        part = part[key]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return json.dumps(document)


CLASSIFIER = "models/classifier"
MALFORMED = {
    "no version": (replaced("version", ...), "version is missing"),
    "version a number": (replaced("version", 5), "version is 5, expected a valid string"),
    "no files": (replaced("files", ...), "files is missing"),
    "files empty": (replaced("files", {}), r"files is empty; expected detector\.onnx, .*segmenter\.onnx.* SHA-256"),
    "files a list": (replaced("files", ["detector.onnx"]), r"files is \['detector\.onnx'\]"),
    "file a text": (replaced("files/detector.onnx", "abc"), r"files\.detector\.onnx is 'abc'"),
    "no hash": (replaced("files/detector.onnx", {}), r"files\.detector\.onnx\.sha256 is missing"),
    "hash short": (replaced("files/detector.onnx/sha256", "ab"), r"files\.detector\.onnx\.sha256 is 'ab'"),
    "size a text": (replaced("files/detector.onnx/bytes", "9"), r"files\.detector\.onnx\.bytes is '9'"),
    "no detector file": (replaced("files/detector.onnx", ...), r"files does not list detector\.onnx; every file"),
    "no graph": (replaced("files/classifier.onnx", ...), r"files does not list classifier\.onnx"),
    "no branch": (replaced("files/classifier_ap.safetensors", ...), r"not list classifier_ap\.safetensors"),
    "no fusion": (replaced("files/classifier_fusion.safetensors", ...), r"not list classifier_fusion\.safetensors"),
    "no tensors": (replaced("files/detector.safetensors", ...), r"not list detector\.safetensors"),
    "no segmenter": (replaced("files/segmenter.onnx", ...), r"files does not list segmenter\.onnx"),
    "unknown key": (replaced("filse", {}), "filse is unknown"),
    "models a text": (replaced("models", "x"), "models is 'x'"),
    "no classifier": (replaced(CLASSIFIER, ...), r"models\.classifier is missing"),
    "NaN": (replaced(f"{CLASSIFIER}/preprocess/mean", float("nan")), r"models\.classifier\.preprocess\.mean is NaN"),
    "huge": (replaced(f"{CLASSIFIER}/preprocess/size_px", 10**40), r"preprocess\.size_px is an integer of 41 digits"),
    "text": (replaced(f"{CLASSIFIER}/preprocess/sigma_px", "0.5"), r"preprocess\.sigma_px is '0\.5'"),
    "bool": (replaced(f"{CLASSIFIER}/calibration/temperature", True), r"calibration\.temperature is True"),
    "bound": (replaced(f"{CLASSIFIER}/calibration/temperature", 0), r"calibration\.temperature is 0, expected greater"),
    "calibration null": (replaced(f"{CLASSIFIER}/calibration", None), r"models\.classifier\.calibration is None"),
    "unknown setting": (replaced(f"{CLASSIFIER}/preprocess/sigma", 1), r"preprocess\.sigma is unknown"),
    "no network": (replaced(f"{CLASSIFIER}/network", ...), r"models\.classifier\.network is missing"),
    "network without views": (
        replaced(f"{CLASSIFIER}/network/views", []),
        r"models\.classifier\.network\.views is \[\]",
    ),
    "other crops": (
        replaced(f"{CLASSIFIER}/network/crops", 1),
        r"network\.crops is 1, but preprocess\.roi vertebra gives 4",
    ),
    "working side": (replaced(f"{CLASSIFIER}/working_px", 256), r"working_px is 256, expected at most 96"),
    "settings a list": (replaced(f"{CLASSIFIER}/settings", []), r"models\.classifier\.settings is \[\]"),
    "format true": (replaced("format", True), "format is True, expected 2 or 1"),
    "format a fraction": (replaced("format", 2.0), r"format is 2\.0, expected 2 or 1"),
    "a list": ("[]", "found list, expected the weights' manifest"),
    "truncated": ('{"format": 1', "no complete JSON"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "absurd": ('{"format": ' + "1" * 6000 + "}", "format is an integer of 6000 digits"),
    "twice": ('{"format": 1, "format": 1}', "the key 'format' stands twice"),
    "empty": ("", "no complete JSON"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_manifest_names_its_field(tmp_path: Path, kind: str) -> None:
    text, words = MALFORMED[kind]
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match=words):
        load_bundle(tmp_path)


def test_a_file_that_lies_in_the_folder_must_be_listed(tmp_path: Path) -> None:
    document = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    del document["files"]["segmenter.onnx"], document["models"]["segmenter"]
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(WeightsError, match=r"detector\.onnx is missing"):
        load_bundle(tmp_path)
    (tmp_path / "segmenter.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"files does not list segmenter\.onnx"):
        load_bundle(tmp_path)


def test_another_size_is_refused(copy: Path) -> None:
    with (copy / "detector.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(WeightsError, match=r"detector\.onnx: 10,522,869 bytes, the manifest says 10,522,868"):
        load_bundle(copy)


def test_a_folder_without_a_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"manifest\.json: is no file.*see --weights"):
        load_bundle(tmp_path)


def test_another_format_is_refused(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, "format": 3}))
    with pytest.raises(WeightsError, match="format is 3, expected 2 or 1; update OsteoLens or the weights"):
        load_bundle(copy)


@pytest.mark.parametrize("schedule", ["resolution_schedule", "stages"])
def test_a_manifest_of_format_1_gives_the_same_bundle(copy: Path, schedule: str) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    classifier = document["models"]["classifier"]
    del classifier["network"], classifier["working_px"]
    settings = classifier["settings"]
    settings[schedule] = settings.pop("resolution_schedule")
    path.write_text(json.dumps({**document, "format": 1}))
    assert read_manifest(copy).models.classifier.network == read_manifest(WEIGHTS).models.classifier.network
    found, shipped = load_bundle(copy), load_bundle()
    assert (found.network, found.working_px, found.preprocess) == (
        shipped.network,
        shipped.working_px,
        shipped.preprocess,
    )
    settings["views"] = ["LATERAL"]
    path.write_text(json.dumps({**document, "format": 1}))
    assert load_bundle(copy).network.views == (View.LATERAL,)
    del settings[schedule]
    path.write_text(json.dumps({**document, "format": 1}))
    with pytest.raises(WeightsError, match=r"models\.classifier\.working_px is missing"):
        load_bundle(copy)


def test_settings_of_trainings_are_records_that_nobody_parses(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    for part in document["models"].values():
        part["settings"] = {"a_setting_of_tomorrow": [1, None, {"x": "y"}]}
    path.write_text(json.dumps(document))
    assert load_bundle(copy).network == load_bundle().network


def test_preprocessing_is_read_from_the_manifest(copy: Path) -> None:
    models = json.loads((copy / "manifest.json").read_text("utf-8"))["models"]
    models["classifier"]["preprocess"]["sigma_px"] = 2.5
    write_manifest(copy, "changed", "notice", ManifestParts.model_validate(models))
    assert load_bundle(copy).preprocess.sigma_px == 2.5
    path = copy / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"roi": "vertebra"', '"roi": "guess"'), "utf-8")
    with pytest.raises(WeightsError, match=r"models\.classifier\.preprocess\.roi is 'guess'"):
        load_bundle(copy)


def test_a_run_replaces_its_part_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("detector.onnx", "detector.safetensors"):
        shutil.copyfile(WEIGHTS / name, run / name)
    validation = {"mAP50": 0.5, "recall": float("nan")}
    metrics = {"config": {"model": "yolo11n", "image_px": 416}, "validation": validation}
    (run / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "test.json").write_text('{"AP": 1}')
    command = ["weights", "assemble", str(tmp_path / "mine"), "--release", "mine", "--detector", str(run)]
    done = CliRunner().invoke(app, [*command, "--test-detector", str(tmp_path / "test.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "mine" / "manifest.json").read_text("utf-8"))
    shipped = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    assert found["models"]["detector"]["metrics"] == {
        "validation": {"mAP50": 0.5, "recall": None},
        "test": {"AP": 1},
    }
    assert found["models"]["classifier"] == shipped["models"]["classifier"]
    assert "simulated" not in found["notice"], "what users train on is theirs to say"
    assert load_bundle(tmp_path / "mine").version == "mine"


def test_a_run_without_weights_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["weights", "assemble", str(tmp_path / "w"), "--release", "x", "--detector", str(tmp_path)]
    )
    assert done.exit_code == 1 and "no metrics of a finished run" in done.stderr
    for text in ("[]", "{", '{"config": 3, "validation": {}}', '{"config": {}}', "[" * 100_000):
        (tmp_path / "metrics.json").write_text(text)
        done = CliRunner().invoke(
            app, ["weights", "assemble", str(tmp_path / "w"), "--release", "x", "--detector", str(tmp_path)]
        )
        assert done.exit_code == 1 and done.stderr.startswith("error: ") and not (tmp_path / "w").exists()
    (tmp_path / "metrics.json").write_text(
        json.dumps({"config": {"model": "yolo11n", "image_px": 416}, "validation": {}})
    )
    done = CliRunner().invoke(
        app, ["weights", "assemble", str(tmp_path / "w"), "--release", "x", "--detector", str(tmp_path)]
    )
    assert done.exit_code == 1 and "detector.onnx is missing" in done.stderr


def test_damaged_calibration_tests_and_provenance_are_named(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "w"
    run.mkdir()
    config = ClassifierTraining().model_dump(mode="json")
    (run / "metrics.json").write_text(json.dumps({"config": config, "validation": {"macro_auc": float("nan")}}))
    command = ["weights", "assemble", str(out), "--release", "x", "--classifier", str(run)]
    for text, words in (
        ('{"temperature": NaN}', "calibration.json: temperature is NaN"),
        ('{"temperature": "1"}', "temperature is '1'"),
        ('{"temprature": 1}', "temprature is unknown"),
        ("3", "found int"),
    ):
        (run / "calibration.json").write_text(text)
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1 and words in done.stderr, done.output
        assert not out.exists(), "nothing is copied before all of it is checked"
    for option, text, words in (
        ("--test-detector", "[1]", "found list, expected an object"),
        ("--test-detector", "{", "no complete JSON"),
        ("--provenance", '{"detector": 3}', "'detector' is 3; expected detector, segmenter"),
        ("--provenance", '{"detektor": "x"}', "'detektor' is 'x'"),
    ):
        (tmp_path / "x.json").write_text(text)
        done = CliRunner().invoke(
            app, ["weights", "assemble", str(out), "--release", "x", option, str(tmp_path / "x.json")]
        )
        assert done.exit_code == 1 and words in done.stderr, done.output


@pytest.mark.train
def test_a_classifier_of_one_view_is_assembled_and_rejects_the_other(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from classify.network.densenet import DualChannelDenseNet
    from classify.network.export import export_classifier

    torch.manual_seed(0)
    run, out = tmp_path / "run", tmp_path / "mine"
    run.mkdir()
    spec = PreprocessSpec(size_px=64)
    config = ClassifierTraining(views=(View.LATERAL,), covariates=False, preprocess=spec, resolution_schedule=[(64, 1)])
    network = DualChannelDenseNet(NetworkSpec(views=config.views, covariates=False)).eval()
    export_classifier(network, run, spec, 64)
    figures = {"config": config.model_dump(mode="json"), "preprocess": spec.model_dump(), "validation": {}}
    (run / "metrics.json").write_text(json.dumps(figures))
    (run / "calibration.json").write_text("{}")
    assemble_weights(out, "both", {})
    assemble_weights(out, "lateral", {Part.CLASSIFIER: run})
    assert not (out / "classifier_ap.safetensors").exists(), "the branch that stood there belongs to other weights"
    screener = Screener(load_bundle(out))
    study = index_cohort(WEIGHTS.parent / "examples").studies[0]
    alone = replace(study, lateral=None)
    rejection = screener.screen_loaded(read_study(alone)).prediction.rejection
    assert (
        rejection is not None and rejection.code == "no_view" and "these weights take LATERAL alone" in rejection.reason
    )
    assert screener.screen_loaded(read_study(study)).prediction.rejection is None
