"""The option for DICOM objects stands for a setting, and says what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

runner = CliRunner()


def test_none_writes_no_objects_and_a_wrong_word_is_told(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert runner.invoke(app, ["process", "--out", out, "--dry-run", "--dicom", "none"]).exit_code == 0
    wrong = runner.invoke(app, ["process", "--out", out, "--dry-run", "--dicom", "sr,pdf"])
    assert wrong.exit_code != 0 and "expected a list of one of sr, sc, gsps" in wrong.output


def test_it_names_the_extra_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "highdicom")
    done = runner.invoke(app, ["process", "--out", str(tmp_path / "out"), "--dicom", "sr"])
    assert done.exit_code == 1 and "pip install 'osteolens[dicom]'" in " ".join(done.output.split())
    assert not list((tmp_path / "out" / "studies").glob("*"))


def test_another_engine_names_its_extra_before_any_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "ray")
    done = runner.invoke(app, ["process", "--out", str(tmp_path / "out"), "--engine", "ray"])
    assert done.exit_code == 1 and "pip install 'osteolens[cluster]'" in " ".join(done.output.split())
    assert not list((tmp_path / "out" / "studies").glob("*"))
