"""The command prints what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from tests import EXAMPLES
from tests.pipeline.roi_comparison.fakes import FakeScreener

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def fake_screener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.screening.screener.Screener", lambda _: FakeScreener())


def command(*more: str) -> list[str]:
    return ["compare-rois", str(EXAMPLES), "--manual-rois", str(EXAMPLES / "rois.csv"), *more]


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, command("--out", str(tmp_path / "c"), "--json", "--set", "margin=0.05"))
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    written = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert written.pop("notice").startswith("In-silico") and printed == written and printed["studies"] == 6
    assert printed["config"]["margin"] == 0.05
    assert printed["classes"]["osteoporosis"]["auc"]["noninferior"] is None, "six studies"
    assert "Manual against automatic ROIs" in (tmp_path / "c" / "report.html").read_text("utf-8")
    assert len(pd.read_csv(tmp_path / "c" / "tables" / "classes.csv")) == 3


def test_tables_and_the_verdict_are_shown(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, command())
    assert done.exit_code == 0 and "reader and detector" in done.stdout
    assert "AUC on both ROIs through the same classifier" in done.stdout and "saved" not in done.stderr
    assert "Too few studies" in done.stderr and "6 studies compared, 0 left out" in done.stderr


def test_a_seed_and_a_file_of_settings_are_obeyed(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("bootstrap_draws: 27\nseed: 3\n")
    file = ("--config", str(tmp_path / "settings.yaml"), "--json")
    assert json.loads(RUNNER.invoke(app, command(*file)).stdout)["config"]["seed"] == 3
    for seed in (4, 0):
        config = json.loads(RUNNER.invoke(app, command(*file, "--seed", str(seed))).stdout)["config"]
        assert config["seed"] == seed and config["bootstrap_draws"] == 27


def test_the_time_saved_is_told_where_a_readers_is_given() -> None:
    done = RUNNER.invoke(app, command("--set", "manual_seconds=120"))
    assert "reader time saved: 2.0 minutes a study, 12 minutes over 6 studies" in done.stderr
