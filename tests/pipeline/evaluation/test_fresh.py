"""Evaluations of fresh test cohorts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cohort.in_silico import fresh_for
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.fresh import fresh_test
from pipeline.evaluation.tables.provenance import provenance_table
from pipeline.prediction import ModelIdentifiers, Prediction
from tests.predictions import MODEL, save, screened

LATER = ModelIdentifiers(version="later", settings="1" * 12, hashes={"detector": "2" * 16})


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A cohort that was drawn for the weights of the tests."""
    cohort = tmp_path / "cohort"
    cohort.mkdir()
    fresh = fresh_for("test", MODEL.hashes)
    (cohort / "simulation.json").write_text(json.dumps({"seed": fresh.seed, "fresh_for": fresh.model_dump()}))
    (cohort / "cohort.csv").write_text("patient_id,study_uid,t_score\np-a,a,-2.7\np-b,b,-0.5\n")
    return cohort


def of(model: ModelIdentifiers) -> list[Prediction]:
    return [replace(screened(uid, t), model=model) for uid, t in (("a", -2.7), ("b", -0.5))]


def test_an_evaluation_names_seed_and_weights_and_notes_them(drawn: Path, tmp_path: Path) -> None:
    evaluation = evaluate(save(tmp_path / "out", of(MODEL)), drawn)
    seed = fresh_for("test", MODEL.hashes).seed
    line = f"fresh test cohort of seed {seed}, drawn for weights test"
    assert line in evaluation.table_notes and line in set(provenance_table(evaluation.provenance)["value"])
    told = evaluation.as_json()["provenance"]
    assert isinstance(told, dict) and told["fresh_test"]["is_fresh"] is True
    assert [entry["release"] for entry in json.loads((drawn / "judged.json").read_text())["judged"]] == ["test"]


def test_the_same_weights_are_judged_again_without_a_word(drawn: Path) -> None:
    first, again = fresh_test(drawn, of(MODEL)), fresh_test(drawn, of(MODEL))
    assert first == again and first is not None and first.is_fresh


def test_other_weights_are_told_that_it_is_not_theirs_and_was_judged(drawn: Path) -> None:
    fresh_test(drawn, of(MODEL))
    found = fresh_test(drawn, of(LATER))
    assert found is not None and not found.is_fresh
    assert "the results are of other weights (later)" in found.lines[1]
    assert "it was judged before with other settings" in found.lines[2]
    back = fresh_test(drawn, of(MODEL))
    assert back is not None and not back.is_fresh and "judged before by weights later" in back.lines[1]


def test_other_settings_of_the_same_weights_are_a_choice(drawn: Path) -> None:
    fresh_test(drawn, of(MODEL))
    found = fresh_test(drawn, of(replace(MODEL, settings="9" * 12)))
    assert found is not None and "judged before with other settings" in found.lines[1]


def test_a_damaged_note_is_kept_and_told(drawn: Path) -> None:
    (drawn / "judged.json").write_text("{")
    found = fresh_test(drawn, of(MODEL))
    assert found is not None and not found.is_fresh and "cannot be read" in found.lines[1]
    assert (drawn / "judged.json").read_text() == "{"


def test_every_other_cohort_is_left_alone(drawn: Path) -> None:
    (drawn / "simulation.json").write_text('{"seed": 5}')
    assert fresh_test(drawn, of(MODEL)) is None and not (drawn / "judged.json").exists()
