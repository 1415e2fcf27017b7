"""Resources of results: what they say, and that they are FHIR R4."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import jsonschema
import pytest

from classify.calibration import Decision
from cohort.bmd import BmdClass
from cohort.covariates import Covariates, Sex
from cohort.findings import CobbAngle
from cohort.rejection_codes import Rejection, RejectionCode
from cohort.spine import SpineDetection, VertebralLevel, View
from pipeline.fhir.bundle import NOTICE, bundle_of
from pipeline.prediction import ModelIdentifiers, Prediction
from pipeline.prediction.parts import LengthUnit, MeasuredVertebra, ViewResult
from tests.viewer import INSTALL, MODULES

SCHEMA = MODULES / "@asymmetrik" / "fhir-json-schema-validator" / "fhir.schema.json"

UID = "1.2.826.0.1.3680043.8.498.1"


def vertebra(suspected: bool) -> MeasuredVertebra:
    return MeasuredVertebra(
        level=VertebralLevel.L2,
        unit=LengthUnit.MILLIMETRE,
        anterior_height=18.0,
        middle_height=22.0,
        posterior_height=27.0,
        anterior_to_posterior=0.67,
        middle_to_posterior=0.8,
        posterior_to_neighbours=1.0,
        height_loss=0.31,
        genant_grade=2,
        confidence=0.93,
        suspected=suspected,
    )


def screened() -> Prediction:
    return Prediction(
        study_uid=UID,
        patient_id="p7",
        model=ModelIdentifiers(version="2026.11", settings="abc", hashes={"detector": "0011"}),
        covariates=Covariates(age_years=66, sex=Sex.FEMALE),
        bmd_class=BmdClass.OSTEOPOROSIS,
        probabilities={BmdClass.NORMAL: 0.1, BmdClass.OSTEOPENIA: 0.2, BmdClass.OSTEOPOROSIS: 0.7},
        t_score=-2.71,
        decision=Decision.RULED_IN,
        study_date=date(2020, 3, 10),
        views={
            View.AP: ViewResult(
                image="a.dcm",
                detection=SpineDetection(View.AP, (), (100, 100)),
                cobb=CobbAngle(degrees=12.3, upper=VertebralLevel.L1, lower=VertebralLevel.L4),
            ),
            View.LATERAL: ViewResult(
                image="b.dcm",
                detection=SpineDetection(View.LATERAL, (), (100, 100)),
                vertebrae={VertebralLevel.L2: vertebra(True)},
            ),
        },
    )


def rejected() -> Prediction:
    rejection = Rejection(RejectionCode.NO_VIEW, "no lumbar view")
    return Prediction(
        study_uid=UID,
        patient_id="p7",
        model=ModelIdentifiers(version="2026.11", settings="abc"),
        covariates=Covariates(),
        rejection=rejection,
    )


def resources(prediction: Prediction) -> dict[str, list[Any]]:
    bundle = bundle_of(prediction)
    assert bundle is not None
    by_type: dict[str, list[Any]] = {"Bundle": [json.loads(bundle.json())]}
    for entry in by_type["Bundle"][0]["entry"]:
        by_type.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return by_type


def by_code(prediction: Prediction) -> dict[str, Any]:
    return {one["code"]["coding"][0]["code"]: one for one in resources(prediction)["Observation"]}


def test_the_report_lists_every_observation() -> None:
    found = resources(screened())
    (report,) = found["DiagnosticReport"]
    full_urls = {entry["fullUrl"] for entry in found["Bundle"][0]["entry"]}
    assert {one["reference"] for one in report["result"]} == {f"urn:uuid:{one['id']}" for one in found["Observation"]}
    assert {one["device"]["reference"] for one in found["Observation"]} <= full_urls
    assert found["Bundle"][0]["type"] == "collection"
    assert report["status"] == "preliminary"
    assert {one["status"] for one in found["Observation"]} == {"preliminary"}
    assert NOTICE in report["conclusion"]


def test_class_t_score_and_decision_are_told() -> None:
    found = by_code(screened())
    assert found["BMD_CLASS"]["valueCodeableConcept"]["coding"][0]["code"] == "64859006"
    values = [part["valueQuantity"]["value"] for part in found["BMD_CLASS"]["component"]]
    assert values == [0.1, 0.2, 0.7]
    assert found["T_SCORE"]["valueQuantity"]["value"] == -2.71
    assert found["T_SCORE"]["method"]["coding"][0]["code"] == "414135002"
    assert found["DECISION"]["valueCodeableConcept"]["coding"][0]["code"] == "RULED_IN"
    assert "38267-1" not in json.dumps(list(found.values()))


def test_fractures_and_cobb_are_observations() -> None:
    found = by_code(screened())
    fracture = found["SUSPECTED_FRACTURE"]
    assert fracture["bodySite"]["coding"][0]["code"] == "14293000"
    assert [part.get("valueInteger") for part in fracture["component"]] == [None, 2, None]
    assert found["COBB_ANGLE"]["valueQuantity"] == {
        "value": 12.3, "unit": "degree", "system": "http://unitsofmeasure.org", "code": "deg",
    }  # fmt: skip


def test_a_rejected_study_says_why_and_a_failed_one_nothing() -> None:
    found = by_code(rejected())
    assert set(found) == {"BMD_CLASS"}
    absent = found["BMD_CLASS"]["dataAbsentReason"]
    assert absent["coding"][0]["code"] == "not-performed"
    assert absent["text"] == "no_view: no lumbar view"
    assert "value" not in " ".join(found["BMD_CLASS"])
    assert bundle_of(replace(rejected(), rejection=None, failure="RuntimeError: x")) is None


def test_software_weights_and_settings_are_the_device() -> None:
    (device,) = resources(screened())["Device"]
    told = {part["type"]["coding"][0]["code"]: part["value"] for part in device["version"]}
    assert (told["VERSION"], told["DETECTOR"], told["SETTINGS"]) == ("2026.11", "0011", "abc")
    assert "SOFTWARE" in told


def test_patient_and_study_are_told_by_identifier_alone() -> None:
    found = resources(screened())
    for one in (*found["DiagnosticReport"], *found["Observation"]):
        assert one["subject"] == {"type": "Patient", "identifier": {"value": "p7"}}
    study = found["DiagnosticReport"][0]["imagingStudy"][0]["identifier"]
    assert study == {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}
    plain = resources(replace(screened(), study_uid="p7", patient_id=" "))
    assert "imagingStudy" not in plain["DiagnosticReport"][0]
    assert "subject" not in plain["DiagnosticReport"][0]


def test_the_same_result_gives_the_same_resources() -> None:
    assert resources(screened()) == resources(screened())
    assert (
        resources(screened())["Bundle"][0]["id"] != resources(replace(screened(), study_uid="1.2.3"))["Bundle"][0]["id"]
    )


@pytest.fixture(scope="module")
def check() -> Iterator[Callable[[Any], None]]:
    """Check against the JSON schema of FHIR R4 (4.0.1), which an npm package holds."""
    if not SCHEMA.is_file():
        pytest.skip(f"NOT CHECKED against the schema of FHIR R4, which is not there; get it with: {INSTALL}")
    validator = jsonschema.Draft6Validator(json.loads(SCHEMA.read_text("utf-8")))

    def conforms(document: Any) -> None:
        errors = [error.message[:300] for error in validator.iter_errors(document)]
        assert not errors, errors

    yield conforms


@pytest.mark.parametrize("make", [screened, rejected])
def test_resources_conform_to_the_schema_of_r4(make: Callable[[], Prediction], check: Callable[[Any], None]) -> None:
    found = resources(make())
    for documents in found.values():
        for document in documents:
            check(document)


def test_the_schema_refuses_what_is_no_r4(check: Callable[[Any], None]) -> None:
    (bundle,) = resources(screened())["Bundle"]
    bundle["type"] = "folder"
    with pytest.raises(AssertionError):
        check(bundle)
