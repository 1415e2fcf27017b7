"""The six models: their tables from predictions, and a tiny run of the real path that resumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.inputs import SIX
from cli.main import app
from osteolens.errors import ReadError
from pipeline.reproduction import six_models as module
from pipeline.reproduction.six_models import COLUMNS, SHARED, tabulate
from tests import EXAMPLES


def write_predictions(folder: Path, sharpness: float, seed: int = 0, count: int = 400) -> None:
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(1).integers(3, size=count)
    logits = rng.normal(0, 1, (count, 3)) + sharpness * np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    table = pd.DataFrame(shares, columns=list(COLUMNS))
    table.insert(0, "cohort", np.where(np.arange(count) < 200, "validation", "test1"))
    table.insert(1, "study_uid", [f"s{k}" for k in range(count)])
    table["label"], table["t_score"], table["t_score_true"] = labels, -1.0 * labels, -1.2 * labels
    folder.mkdir(parents=True)
    table.to_csv(folder / "predictions.csv", index=False)


def test_tables_and_comparisons_follow_the_predictions(tmp_path: Path) -> None:
    for number, model in enumerate(SIX):
        write_predictions(tmp_path / model.name, 3.0 if model.projection == "AP and LAT" else 1.0, number)
    write_predictions(tmp_path / SHARED / "ap-lat-covariates", 3.0, 99)
    found = tabulate(tmp_path, ["validation", "test1"])
    rows = {(r["network"], r["table"], r["dataset"], r["projection"]): r for r in found["rows"]}
    assert len(rows) == 2 * (6 + 1)
    assert rows["dedicated", 2, "test1", "AP and LAT"]["auc_osteoporosis"] > 0.95
    assert 0.6 < rows["dedicated", 2, "test1", "AP"]["auc_osteoporosis"] < 0.9
    one = rows["dedicated", 4, "validation", "LAT"]
    assert one["studies_with_dxa"] == 200
    low, value, high = (one[f"osteoporosis_sensitivity{end}"] for end in ("_low", "", "_high"))
    assert low < value < high
    pairs = {(c["dataset"], c["first"], c["second"]): c for c in found["comparisons"]}
    better = pairs["test1", "ap-images", "ap-lat-images"]
    assert better["difference"] > 0.1 and better["p"] < 0.001 and better["low"] > 0
    same = pairs["test1", "ap-lat-images", "ap-lat-covariates"]
    assert same["low"] < 0 < same["high"]
    assert ("test1", "ap-lat-covariates: dedicated", SHARED) in pairs


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no predictions of this model"):
        tabulate(tmp_path, ["validation"])


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_tiny_run_trains_predicts_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    two = tuple(model for model in SIX if model.name in ("ap-images", "ap-lat-covariates"))
    monkeypatch.setattr(module, "SIX", two)
    monkeypatch.setattr(module, "tabulate", lambda out, cohorts: {"rows": [{"cohorts": list(cohorts)}]})
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
    assert set(table["cohort"]) == {"validation", "test1", "test2"}
    np.testing.assert_allclose(table[list(COLUMNS)].sum(1), 1, atol=1e-4)
    config = json.loads((tmp_path / "ap-images" / "metrics.json").read_text())["config"]
    assert config["views"] == ["AP"] and config["covariates"] is False
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "training" not in again.stderr.replace("training site", "")
