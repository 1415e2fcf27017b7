"""A result keeps its type to the disk and back; its contract and its schema are one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classify.calibration import Decision
from classify.inputs import SIX
from cohort.bmd import BMD_CLASSES
from cohort.covariates import Covariates, Sex
from cohort.findings import BodyHeights, CobbAngle, VertebraFinding
from cohort.io.folder import index_cohort
from cohort.rejection_codes import LITTLE_MARGIN, LevelCode, LevelReason, RejectionCode
from cohort.spine import LEVELS, TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.documents.json_document import write_json
from osteolens.errors import ReadError
from pipeline.prediction import (
    ImageOutcome,
    ImageRecord,
    MeasuredVertebra,
    ModelIdentifiers,
    Prediction,
    Rejection,
    Status,
    ViewResult,
    read_prediction,
)
from pipeline.prediction.document import SCHEMA, schema_text
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener
from tests import EXAMPLES
from tests.predictions import former, screened

L2 = VertebralLevel.L2


def through_json(prediction: Prediction) -> Prediction:
    return Prediction.from_json(json.loads(json.dumps(prediction.as_json(), allow_nan=False)))


def any_view(rng: np.random.Generator, view: View) -> ViewResult:
    tops = np.cumsum(rng.uniform(20, 90, len(LEVELS)))
    found = [
        VertebraBox(level, float(rng.uniform(0, 50)), float(top), float(rng.uniform(60, 900)), float(top + 19.7))
        for level, top in zip(LEVELS, tops, strict=True)
        if rng.random() < 0.8
    ]
    losses = rng.uniform(0, 0.5, len(found))
    boxed = tuple(
        replace(box, confidence=float(loss * 2), height_loss=loss) for box, loss in zip(found, losses, strict=True)
    )
    spacing = (float(rng.uniform(0.1, 1)), float(rng.uniform(0.1, 1))) if rng.random() < 0.7 else None
    measured = {
        level: MeasuredVertebra.of(
            VertebraFinding(
                level=level,
                heights=BodyHeights(anterior=float(rng.uniform(5, 90)), middle=31.04, posterior=33.3, crush=-0.0123),
                height_loss=float(rng.random()),
                genant_grade=int(rng.integers(4)),
                confidence=float(rng.random()),
                suspected=bool(rng.random() < 0.5),
            ),
            spacing,
        )
        for level in TARGET_LEVELS
        if rng.random() < 0.5
    }
    lateral = view is View.LATERAL
    return ViewResult(
        image=f"{view}.dcm",
        detection=SpineDetection(view, boxed, (900, 700), float(rng.choice([0.1234, np.inf]))),
        pixel_spacing_mm=spacing,
        left_out={L2: LevelReason(code=LevelCode.METAL, reason="2 % looks like metal")} if rng.random() < 0.5 else {},
        vertebrae=measured if lateral else {},
        cobb=None if lateral else CobbAngle(degrees=float(rng.uniform(0, 60)), upper=L2, lower=VertebralLevel.L4),
        anterior_left=bool(rng.random() < 0.5) if lateral else None,
    )


def any_prediction(rng: np.random.Generator) -> Prediction:
    probabilities = dict(zip(BMD_CLASSES, map(float, rng.dirichlet(np.ones(3))), strict=True))
    likely = max(probabilities, key=lambda c: probabilities[c])
    whole = Prediction(
        study_uid="1.2.3",
        patient_id="p\u202e\n1",
        model=ModelIdentifiers(version="v", settings="s", hashes={"detector": "d"}, rois="r"),
        covariates=Covariates(age_years=float(rng.uniform(20, 99)), sex=Sex.MALE, height_cm=170.0, weight_kg=71.3),
        bmd_class=likely,
        probabilities=probabilities,
        views={view: any_view(rng, view) for view in View if rng.random() < 0.8},
        images=(
            ImageRecord(path="a/b.dcm", role=View.AP, view=None, outcome=ImageOutcome.UNREADABLE, reason="cut\noff"),
            ImageRecord(path="c.dcm", role=None, view=View.AP, outcome=ImageOutcome.CLASSIFIED, sha256="0a" * 32),
        ),
        warnings=("a\x1b[31m", LITTLE_MARGIN),
        t_score=float(rng.normal(-1.8, 1.0)),
        prediction_set=(likely,),
        decision=Decision.INDETERMINATE,
        input_ablation={model.name: probabilities for model in SIX} if rng.random() < 0.5 else {},
        study_date=date(2020, 2, 29) if rng.random() < 0.5 else None,
        system="Maker\x1b One" if rng.random() < 0.5 else None,
    )
    no_class = replace(
        whole, bmd_class=None, probabilities={}, t_score=None, prediction_set=(), decision=None, input_ablation={}
    )
    kind = rng.integers(3)
    if kind == 1:
        return replace(no_class, rejection=Rejection(rng.choice(list(RejectionCode)), "why\tnot"))
    return replace(no_class, views={}, failure="RuntimeError: x") if kind == 2 else whole


@pytest.mark.parametrize("seed", range(40))
def test_json_of_any_result_is_read_back_and_written_the_same(seed: int) -> None:
    prediction = any_prediction(np.random.default_rng(seed))
    back = through_json(prediction)
    assert back.as_json() == prediction.as_json()
    assert through_json(back) == back
    assert back.status is prediction.status and back.decision is prediction.decision
    former_version = Prediction.from_json(former(prediction.as_json()))
    assert former_version == back, "format 1 says the same"


@pytest.mark.parametrize("number", range(6))
def test_results_of_the_examples_are_read_back_and_written_the_same(screener: Screener, number: int) -> None:
    study = index_cohort(EXAMPLES).studies[number]
    prediction = screener.screen_loaded(read_study(study)).prediction
    back = through_json(prediction)
    assert back.as_json() == prediction.as_json() and prediction.as_json()["format"] == 2
    assert back.status is Status.SCREENED and back.bmd_class is prediction.bmd_class
    assert set(back.views) == set(View) and back.model == prediction.model
    for view, result in prediction.views.items():
        assert np.allclose(
            [b.corners for b in back.views[view].boxes.values()], [b.corners for b in result.boxes.values()], atol=0.051
        )
        assert back.views[view].boxes["L3"].level is VertebralLevel.L3  # type: ignore[index]


def test_day_and_system_are_stored_where_they_are_known(tmp_path: Path) -> None:
    known = replace(screened("s", -3), study_date=date(2021, 5, 1), system="Maker One")
    document = known.as_json()
    assert (document["study_date"], document["system"]) == ("2021-05-01", "Maker One")
    back = through_json(known)
    assert (back.study_date, back.system) == (date(2021, 5, 1), "Maker One")
    assert not {"study_date", "system"} & set(screened("s", -3).as_json()), "absent where unknown"
    for earlier in (screened("s", -3).as_json(), former(screened("s", -3).as_json())):
        read = Prediction.from_json(earlier)
        assert read.study_date is None and read.system is None


def test_numbers_that_are_none_are_stored_as_unknown() -> None:
    nan = replace(screened("s", -3), covariates=Covariates(age_years=float("nan"), bmi_given=float("inf")))
    assert through_json(nan).covariates == Covariates()


def test_the_schema_is_written_from_the_types() -> None:
    words = "run python -c 'from pipeline.prediction.document import write_schema; write_schema()'"
    assert SCHEMA.read_text("utf-8") == schema_text(), words
    schema = json.loads(schema_text())
    assert schema["additionalProperties"] is False and "format" in schema["required"]


def test_the_schema_takes_what_is_written_and_no_more() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    for seed in range(20):
        validator.validate(any_prediction(np.random.default_rng(seed)).as_json())
    document = screened("s", -3).as_json()
    assert not validator.is_valid({**document, "format": 3}) and not validator.is_valid({**document, "new": 1})


def changes() -> Iterator[tuple[str, Callable[[dict[str, Any]], object], str]]:
    """What is wrong, how it comes about, and what the message says."""
    yield "format", lambda d: d.update(format=3), "format is 3, expected 2 or 1 (without the key); update OsteoLens"
    yield "format as text", lambda d: d.update(format="2"), "format is '2'"
    yield "old key", lambda d: d.update(refusal=None), "refusal is unknown"
    yield "old word", lambda d: d.update(status="refused"), "status is 'refused', expected 'screened', 'rejected'"
    yield "status", lambda d: d.update(status="failed"), "status is failed, but rejection and failure say screened"
    yield "code", lambda d: d.update(rejection={"code": "x", "reason": ""}), "rejection.code is 'x'"
    yield "model", lambda d: d.update(model={"version": "v"}), "model lacks version or settings"
    yield "level", lambda d: d["views"]["AP"]["levels"].pop("L3"), "levels lack L3"
    yield "no target", lambda d: d["views"]["AP"]["levels"].update(L5={"used": True}), "levels.L5"
    yield "no reason", lambda d: d["views"]["AP"]["levels"].update(L3={"used": False}), "expected code and reason"
    yield "day", lambda d: d.update(study_date="2021-13-01"), "study_date"
    yield "day as text", lambda d: d.update(study_date="20210501"), "study_date is '20210501', expected YYYY-MM-DD"
    yield "day as number", lambda d: d.update(study_date=20210501), "study_date is 20210501"
    yield "system", lambda d: d.update(system=""), "system is ''"
    yield "missing", lambda d: d.pop("images"), "images is missing"


@pytest.mark.parametrize(("change", "words"), [c[1:] for c in changes()], ids=[c[0] for c in changes()])
def test_what_is_wrong_is_named_by_its_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    document = screened("s", -3).as_json()
    change(document)
    write_json(tmp_path / "s.json", document)
    with pytest.raises(ReadError) as raised:
        read_prediction(tmp_path / "s.json")
    assert str(raised.value).startswith("s.json: ") and words in str(raised.value)


def test_a_result_of_format_1_is_read_in_the_words_of_today(tmp_path: Path) -> None:
    document = former(screened("s", -3).as_json())
    assert "format" not in document and "refusal" in document
    document |= {
        "status": "refused",
        "refusal": {"code": "doubtful_levels", "reason": "AP.png: unsure"},
        **dict.fromkeys(("bmd_class", "probabilities", "t_score_estimate", "decision")),
        "prediction_set": [],
        "warnings": ["AP: levels are named with little margin (0.3)"],
        "images": [
            {
                "path": "AP.png",
                "role": None,
                "view": "AP",
                "outcome": "left out",
                "reason": "doubtful_levels: AP.png: unsure",
                "sha256": None,
            }
        ],
    }
    (tmp_path / "s.json").write_text(json.dumps(document))
    found = read_prediction(tmp_path / "s.json")
    assert found.rejection == Rejection(RejectionCode.AMBIGUOUS_LEVELS, "AP.png: unsure")
    assert found.images[0].reason == "ambiguous_levels: AP.png: unsure" and LITTLE_MARGIN in found.warnings[0]
    assert found.as_json()["format"] == 2 and found.status is Status.REJECTED


def test_a_result_of_format_1_may_lack_what_later_versions_added(tmp_path: Path) -> None:
    document = former(screened("s", -3).as_json())
    for key in ("images", "findings", "model", "decision", "covariates", "warnings"):
        del document[key]
    found = Prediction.from_json(document)
    assert found.model.version == "unknown" and found.images == () and found.covariates == Covariates()
    with pytest.raises(ReadError, match="rejection is missing"):
        Prediction.from_json({k: v for k, v in document.items() if k != "refusal"})


def test_t_scores_of_parts_of_the_inputs_come_back() -> None:
    first = replace(screened("a", -2.0), input_t_scores={"ap-images": -1.234})
    assert first.as_json()["input_t_scores"] == {"ap-images": -1.23}
    assert Prediction.from_json(first.as_json()).input_t_scores == {"ap-images": -1.23}
    with pytest.raises(ReadError, match="input_t_scores"):
        Prediction.from_json({**first.as_json(), "input_t_scores": {"left-images": -1.0}})


def test_distances_from_the_films_of_the_training_come_back() -> None:
    first = replace(screened("a", -2.0), feature_distances={View.AP: 0.81234, View.LATERAL: 1.5})
    assert first.as_json()["feature_distances"] == {"AP": 0.812, "LATERAL": 1.5}
    assert Prediction.from_json(first.as_json()).feature_distances == {View.AP: 0.812, View.LATERAL: 1.5}
    with pytest.raises(ReadError, match="feature_distances"):
        Prediction.from_json({**first.as_json(), "feature_distances": {"AP": -1.0}})
    assert "feature_distances" not in screened("a", -2.0).as_json(), "weights that do not tell"
