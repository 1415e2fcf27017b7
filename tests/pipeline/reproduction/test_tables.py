"""Tables of the six models follow their predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classify.inputs import SIX
from osteolens.documents.json_document import json_ready
from osteolens.errors import ReadError
from pipeline.reproduction.tables import COLUMNS, Network, tabulate


def write_predictions(folder: Path, sharpness: float, seed: int = 0, count: int = 400) -> None:
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(1).integers(3, size=count)
    logits = rng.normal(0, 1, (count, 3)) + sharpness * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    table = pd.DataFrame(probabilities, columns=list(COLUMNS))
    table.insert(0, "dataset", np.where(np.arange(count) < 200, "validation", "test1"))
    table.insert(1, "study_uid", [f"s{k}" for k in range(count)])
    table["label"], table["t_score"], table["t_score_true"] = labels, -1.0 * labels, -1.2 * labels
    folder.mkdir(parents=True)
    table.to_csv(folder / "predictions.csv", index=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for number, model in enumerate(SIX):
        write_predictions(tmp_path / model.name, 3.0 if model.projection == "AP and LAT" else 1.0, number)
    write_predictions(tmp_path / Network.JOINT / "ap-lat-covariates", 3.0, 99)
    return tmp_path


def test_rows_follow_the_predictions(run: Path) -> None:
    tables = tabulate(run, ["validation", "test1"])
    rows = {(r.network, r.model.table, r.dataset, r.model.projection): r.osteoporosis for r in tables.rows}
    assert len(rows) == 2 * (6 + 1)
    assert rows[Network.DEDICATED, 2, "test1", "AP and LAT"].auc.value > 0.95
    assert 0.6 < rows[Network.DEDICATED, 2, "test1", "AP"].auc.value < 0.9
    one = rows[Network.DEDICATED, 4, "validation", "LAT"]
    assert one.studies == 200
    assert one.sensitivity.low < one.sensitivity.value < one.sensitivity.high


def test_models_are_compared_on_the_same_studies(run: Path) -> None:
    pairs = {(c.dataset, c.first, c.second): c for c in tabulate(run, ["validation", "test1"]).comparisons}
    better = pairs["test1", "ap-images", "ap-lat-images"].auc
    assert better is not None and better.difference.low > 0 and better.difference.value > 0.1 and better.p < 0.001
    same = pairs["test1", "ap-lat-images", "ap-lat-covariates"].auc
    assert same is not None and same.difference.low < 0 < same.difference.high
    assert ("test1", "ap-lat-covariates: dedicated", "joint") in pairs


def test_tables_are_frames_and_json(run: Path) -> None:
    tables = tabulate(run, ["validation", "test1"])
    four = tables.table(4)
    assert list(four["projection"].unique()) == ["AP", "LAT", "AP and LAT"] and len(four) == 8
    assert (four["auc_low"] <= four["auc"]).all() and (four["auc_low"] < four["auc_high"]).any()
    assert {"difference", "p"} <= set(tables.comparison_table())
    document = json.loads(json.dumps(json_ready(tables.as_json())))
    assert len(document["rows"]) == 14 and document["rows"][0]["metrics"]["macro_auc"]["value"] > 0.5


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no predictions of this model"):
        tabulate(tmp_path, ["validation"])
