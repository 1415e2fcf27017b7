"""osteolens weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests import WEIGHTS

runner = CliRunner()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(WEIGHTS, tmp_path / "w")


def test_show_names_release_files_and_what_each_part_reached() -> None:
    manifest = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    reached = manifest["models"]["classifier"]["metrics"]["validation"]["macro_auc"]
    done = runner.invoke(app, ["weights", "show"])
    assert done.exit_code == 0
    for word in (
        manifest["version"],
        "AGPL-3.0-or-later",
        "not a medical device",
        "yolo11n",
        f"macro auc {reached:.3f}",
    ):
        assert word in done.stdout
    shown = json.loads(runner.invoke(app, ["weights", "show", str(WEIGHTS), "--json"]).stdout)
    assert shown["release"] == manifest["version"] and shown["files"] == manifest["files"]
    known = manifest["models"]["classifier"]["metrics"]["validation"]
    of_the_run = {"epoch", "loss", "minutes"}
    expected = {name: value for name, value in known.items() if name not in of_the_run}
    assert shown["models"]["classifier"]["validation"] == pytest.approx(expected)


def test_verify_screens_the_examples_with_the_shipped_weights() -> None:
    done = runner.invoke(app, ["weights", "verify", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["files"] == 7 and sum(found["examples"].values()) == 6
    assert {"normal", "osteopenia", "osteoporosis"} <= set(found["examples"])


def test_verify_names_a_file_that_was_altered(copy: Path) -> None:
    with (copy / "segmenter.onnx").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\x00\x01\x02\x03")
    done = runner.invoke(app, ["weights", "verify", str(copy)])
    assert done.exit_code == 1 and "segmenter.onnx: SHA-256 is" in done.stderr


def test_verify_refuses_a_network_that_matches_its_hash_but_does_not_load(copy: Path) -> None:
    from cohort.io.digest import sha256_of

    (copy / "segmenter.onnx").write_bytes(b"no network")
    document = json.loads((copy / "manifest.json").read_text("utf-8"))
    document["files"]["segmenter.onnx"] = {"sha256": sha256_of(copy / "segmenter.onnx"), "bytes": 10}
    (copy / "manifest.json").write_text(json.dumps(document))
    done = runner.invoke(app, ["weights", "verify", str(copy)])
    assert done.exit_code == 1 and "segmenter.onnx: cannot be loaded as ONNX" in done.stderr


def test_assemble_prints_what_it_made(tmp_path: Path) -> None:
    done = runner.invoke(app, ["weights", "assemble", str(tmp_path / "w"), "--release", "mine", "--json", "-q"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["release"] == "mine" and not done.stderr


@pytest.mark.parametrize("release", ["", "x" * 101])
def test_a_release_without_a_name_changes_nothing(release: str, tmp_path: Path) -> None:
    done = runner.invoke(app, ["weights", "assemble", str(tmp_path / "w"), "--release", release])
    assert done.exit_code == 1 and "release" in done.stderr and "expected 1 to 100 characters" in done.stderr
    assert not (tmp_path / "w").exists()


def test_a_run_without_its_network_leaves_the_folder_as_it_was(copy: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    detector, segmenter = tmp_path / "detector", tmp_path / "segmenter"
    for run, names in ((detector, ("detector.onnx", "detector.safetensors")), (segmenter, ())):
        run.mkdir()
        (run / "metrics.json").write_text(
            json.dumps({"config": {"model": "yolo11n", "image_px": 640}, "validation": {}})
        )
        for name in names:
            (run / name).write_bytes(b"another network")
    command = ["weights", "assemble", str(copy), "--release", "new", "--detector", str(detector)]
    done = runner.invoke(app, [*command, "--segmenter", str(segmenter)])
    assert done.exit_code == 1 and "segmenter.onnx is missing; expected a finished run" in done.stderr
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
