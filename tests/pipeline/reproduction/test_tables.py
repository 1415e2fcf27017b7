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


def write_predictions(folder: Path, sharpness: float, seed: int = 0, count: int = 400, studies: int = 1) -> None:
    """`studies` of each patient, all with the same predictions."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(1).integers(3, size=count)
    logits = rng.normal(0, 1, (count, 3)) + sharpness * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    table = pd.DataFrame(probabilities, columns=list(COLUMNS))
    table.insert(0, "dataset", np.where(np.arange(count) < 200, "validation", "test1"))
    table.insert(1, "study_uid", [f"s{k}" for k in range(count)])
    table.insert(2, "patient_id", [f"p{k}" for k in range(count)])
    table["label"], table["t_score"], table["t_score_true"] = labels, -1.0 * labels, -1.2 * labels
    copies = [table.assign(study_uid=table["study_uid"] + f".{copy}") for copy in range(studies)]
    table = pd.concat(copies)
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


def test_copies_of_a_patient_make_no_interval_narrower(tmp_path: Path) -> None:
    """Five equal studies of each patient say as much as one."""
    pair = tuple(model for model in SIX if model.name in ("ap-images", "ap-lat-images"))
    found = {}
    for studies in (1, 5):
        for number, model in enumerate(pair):
            write_predictions(tmp_path / str(studies) / model.name, 1.0 + number, number, studies=studies)
        found[studies] = tabulate(tmp_path / str(studies), ["test1"], pair)
    for one, five in zip(found[1].rows, found[5].rows, strict=True):
        assert five.osteoporosis.studies == 5 * one.osteoporosis.studies
        width, as_wide = (r.osteoporosis.auc.high - r.osteoporosis.auc.low for r in (one, five))
        assert as_wide == pytest.approx(width, rel=0.02)
    (one_pair,), (five_pair,) = found[1].comparisons, found[5].comparisons
    assert one_pair.auc is not None and five_pair.auc is not None
    assert five_pair.auc.p == pytest.approx(one_pair.auc.p, rel=0.2)
    assert five_pair.auc.difference.low == pytest.approx(one_pair.auc.difference.low, rel=0.05)


def test_predictions_that_tell_no_patients_apart_are_refused(run: Path) -> None:
    path = run / SIX[0].name / "predictions.csv"
    pd.read_csv(path).drop(columns="patient_id").to_csv(path, index=False)
    with pytest.raises(ReadError, match="has no column patient_id; run osteolens reproduce again"):
        tabulate(run, ["test1"])


def test_words_that_look_empty_are_names_of_patients_and_sites(tmp_path: Path) -> None:
    write_predictions(tmp_path / SIX[0].name, 1.0)
    path = tmp_path / SIX[0].name / "predictions.csv"
    table = pd.read_csv(path).assign(dataset="NA", patient_id="NA")
    table.to_csv(path, index=False)
    (row,) = tabulate(tmp_path, ["NA"], SIX[:1]).rows
    assert row.dataset == "NA" and row.osteoporosis.studies == 400
