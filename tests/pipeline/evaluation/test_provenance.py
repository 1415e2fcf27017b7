"""Where an evaluation comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.provenance import provenance
from pipeline.evaluation.tables.provenance import provenance_table
from pipeline.prediction import ModelIdentifiers, Prediction
from tests.predictions import MODEL, screened

OTHER = ModelIdentifiers(version="later", settings="1" * 12, hashes={"classifier": "2" * 16}, rois="3" * 12)
RUN = {
    "osteolens": "0.1.0",
    "onnxruntime": "1.32.0",
    "config": {"min_confidence": 0.25, "detection": {"min_levels": 2}},
    "weights": {"version": "test", "detector": "1" * 16},
    "counts": {"screened": 3},
}


def folders(tmp_path: Path, run: object = RUN) -> tuple[Path, Path]:
    out, cohort = tmp_path / "out", tmp_path / "cohort"
    out.mkdir()
    cohort.mkdir()
    if run is not None:
        (out / "run.json").write_text(run if isinstance(run, str) else json.dumps(run), "utf-8")
    (cohort / "cohort.csv").write_text("patient_id\n", "utf-8")
    (cohort / "rois.csv").write_bytes(b"\x00")
    return out, cohort


def of(model: ModelIdentifiers, count: int) -> list[Prediction]:
    return [replace(screened(f"{model.version}{k}", -2.0), model=model) for k in range(count)]


def test_versions_time_weights_settings_and_tables_are_told(tmp_path: Path) -> None:
    config = EvaluationConfig(seed=7)
    command = ["/home/someone/bin/osteolens", "evaluate", "out put", "/data/cohort"]
    found = provenance(*folders(tmp_path), of(MODEL, 3), config, command)
    assert found.osteolens == version("osteolens") and found.libraries["scipy"] == version("scipy")
    assert abs(datetime.now(UTC) - found.created) < timedelta(minutes=1)
    assert found.command == "osteolens evaluate 'out put' /data/cohort"
    assert [(w.version, w.results, w.settings, w.hashes) for w in found.weights] == [
        ("test", 3, MODEL.settings, MODEL.hashes)
    ]
    assert found.screening is not None and found.screening.settings == RUN["config"]
    assert found.screening.software == {"osteolens": "0.1.0", "onnxruntime": "1.32.0"}
    assert {table.name: table.sha256 for table in found.tables} == {
        "cohort.csv": hashlib.sha256(b"patient_id\n").hexdigest(),
        "rois.csv": hashlib.sha256(b"\x00").hexdigest(),
    }
    assert found.results == 3 and found.config is config and found.warnings == ()


def test_several_weights_are_all_named_with_counts_and_a_warning(tmp_path: Path) -> None:
    predictions = [*of(OTHER, 1), *of(MODEL, 3), *of(replace(MODEL, settings="9"), 2)]
    found = provenance(*folders(tmp_path), predictions, EvaluationConfig())
    assert [(used.version, used.settings, used.results) for used in found.weights] == [
        ("test", MODEL.settings, 3),
        ("test", "9", 2),
        ("later", OTHER.settings, 1),
    ]
    together, of_run = found.warnings
    assert together.startswith("results of 3 different weights or settings are evaluated together: test (settings 0")
    assert "later (settings 111111111111, classifier 2222222222222222, manual ROIs 333333333333): 1 results" in together
    assert of_run.startswith("run.json tells of a run with weights test, but 1 of 6 results name others")


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (None, "the results folder has no run.json"),
        ("{", "run.json line 1 column 2: no complete JSON"),
        ("[]", "run.json: no config and weights"),
        ({"config": 1, "weights": {}}, "run.json: no config and weights"),
    ],
)
def test_a_missing_or_damaged_record_of_the_run_is_said(tmp_path: Path, run: object, word: str) -> None:
    found = provenance(*folders(tmp_path, run), of(MODEL, 1), EvaluationConfig())
    assert found.screening is None and len(found.warnings) == 1
    assert found.warnings[0].startswith(word)
    assert found.warnings[0].endswith("the values of the screening settings are unknown")


def test_json_and_table_hold_all_of_it(tmp_path: Path) -> None:
    found = provenance(*folders(tmp_path), [*of(MODEL, 3), *of(OTHER, 1)], EvaluationConfig(seed=7), ["osteolens"])
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["created"].endswith("+00:00") and document["config"]["seed"] == 7
    assert document["weights"][1]["hashes"] == {"classifier": "2" * 16} and document["weights"][1]["results"] == 1
    assert document["screening"]["settings"] == RUN["config"] and set(document["tables"]) == {"cohort.csv", "rois.csv"}
    assert document["warnings"] == list(found.warnings) and len(found.warnings) == 2
    table = provenance_table(found)
    values = dict(zip(table["item"], table["value"], strict=True))
    assert values["detection.min_levels"] == "2" and values["seed"] == "7" and values["manual ROIs, digest"] == "3" * 12
    assert set(found.warnings) <= set(table["value"]) and values["cohort.csv"] == document["tables"]["cohort.csv"]
