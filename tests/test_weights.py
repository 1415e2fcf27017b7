"""The manifest and its hashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cohort.errors import WeightsError
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
    write_manifest(copy, "changed", models)
    assert load_weights(copy).preprocess.sigma_px == 2.5
    models["classifier"]["preprocess"]["roi"] = "guess"
    write_manifest(copy, "changed", models)
    with pytest.raises(WeightsError, match="no valid classifier preprocessing"):
        load_weights(copy)
