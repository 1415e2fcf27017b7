"""osteolens weights recalibrate."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from tests.pipeline.recalibration.conftest import MakeSite, make_site

__all__ = ["make_site"]
QUICK = ["--set", "bootstrap_draws=50", "--set", "folds=3"]


def test_it_prints_before_and_after_and_how_to_use_the_weights(make_site: MakeSite, tmp_path: Path) -> None:
    results, cohort = make_site(bias=0.8)
    command = ["weights", "recalibrate", str(results), str(cohort), "--out", str(tmp_path / "new"), "--release", "ours"]
    done = CliRunner().invoke(app, [*command, *QUICK])
    assert done.exit_code == 0, done.output
    for words in ("Fitted on", "90, 90", "3-fold cross-validation", "T-score bias", "better: +"):
        assert words in done.stdout
    assert "use them with --weights" in done.stderr
    again = CliRunner().invoke(app, [*command, *QUICK])
    assert again.exit_code == 1 and "not empty" in again.stderr
    shown = CliRunner().invoke(app, ["weights", "show", str(tmp_path / "new")])
    assert "recalibrated" in shown.stdout and "90 patients" in shown.stdout
    shown = CliRunner().invoke(app, ["weights", "show", str(tmp_path / "new"), "--json"])
    assert json.loads(shown.stdout)["recalibration"]["patients"] == 90


def test_json_holds_calibration_record_and_figures(make_site: MakeSite, tmp_path: Path) -> None:
    results, cohort = make_site()
    command = ["weights", "recalibrate", str(results), str(cohort), "--out", str(tmp_path / "new"), "--release", "ours"]
    done = CliRunner().invoke(app, [*command, *QUICK, "--json", "-q"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["recalibration"]["patients"] == 90 and found["figures"]["folds"] == 3 and not done.stderr
