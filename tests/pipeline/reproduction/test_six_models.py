"""The six models: a tiny run of the real path that resumes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.inputs import SIX
from cli.main import app
from pipeline.reproduction import six_models as module
from pipeline.reproduction.tables import COLUMNS
from tests import EXAMPLES


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_tiny_run_trains_predicts_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    two = tuple(model for model in SIX if model.name in ("ap-images", "ap-lat-covariates"))
    monkeypatch.setattr(module, "reproduce", partial(module.reproduce, models=two))
    command = [
        "reproduce",
        str(EXAMPLES),
        "--out",
        str(tmp_path),
        "--set",
        "resolution_schedule=[[64, 1]]",
        "--set",
        "batch=2",
    ]
    command += ["--set", "validation_fraction=0.3", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "ap-images: training" in done.stderr
    table = pd.read_csv(tmp_path / "ap-images" / "predictions.csv")
    assert set(table["dataset"]) == {"validation", "test1", "test2"}
    np.testing.assert_allclose(table[list(COLUMNS)].to_numpy().sum(1), 1, atol=1e-4)
    config = json.loads((tmp_path / "ap-images" / "metrics.json").read_text())["config"]
    assert config["views"] == ["AP"] and config["covariates"] is False
    document = json.loads(done.stdout)
    assert {(row["projection"], row["table"]) for row in document["rows"]} == {("AP", 2), ("AP and LAT", 4)}
    assert (tmp_path / "table_2.csv").is_file() and (tmp_path / "comparisons.csv").is_file()
    before = (tmp_path / "ap-images" / "predictions.csv").stat().st_mtime_ns
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "ap-images: training" not in again.stderr
    assert (tmp_path / "ap-images" / "predictions.csv").stat().st_mtime_ns == before, "read back"
    shown = CliRunner().invoke(app, [option for option in command if option != "--json"])
    assert "Table 4: osteoporosis" in shown.stdout
