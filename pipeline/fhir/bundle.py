"""A result as a Bundle: DiagnosticReport, its Observations and the software as Device.

Written with the models of R4B (4.3.0): Bundle, DiagnosticReport, Observation and Device are the same in R4 (4.0.1).
"""

from __future__ import annotations

from importlib.metadata import version
from uuid import NAMESPACE_OID, uuid5

from fhir.resources.R4B.bundle import Bundle, BundleEntry
from fhir.resources.R4B.device import Device, DeviceDeviceName, DeviceVersion
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.observation import Observation, ObservationComponent
from fhir.resources.R4B.quantity import Quantity
from fhir.resources.R4B.reference import Reference
from fhir.resources.R4B.resource import Resource
from pydicom.uid import UID

from cohort.bmd import BmdClass
from cohort.spine import View
from osteolens.documents.text import visible
from pipeline.fhir.codes import (
    ABSENT_REASON,
    CATEGORY,
    CLASSES,
    DECISIONS,
    DICOM_UID,
    ESTIMATED,
    LEVELS,
    LUMBAR_SPINE,
    PRIVATE,
    SECTION,
    SNOMED,
    UCUM,
    concept,
    private,
)
from pipeline.prediction import Prediction, Status
from pipeline.prediction.prediction import TO_BE_CONFIRMED

NOTICE = "Estimated from radiographs. Research use; not a medical device. Not verified by a reader."


def bundle_of(prediction: Prediction) -> Bundle | None:
    """The resources of a result; None for a study that could not be screened at all, of which nothing is known.

    The same result gives the same resources: identifiers are derived from the study, and no time of writing is stated.
    """
    if prediction.status is Status.FAILED:
        return None
    device = _device(prediction)
    observations = [_density(prediction)]
    if prediction.status is Status.SCREENED:
        observations += [*_t_score(prediction), *_decision(prediction)]
    observations += [*_fractures(prediction), *_cobb(prediction)]
    report = _report(prediction, observations)
    entries = [_entry(resource) for resource in (report, *observations, device)]
    return Bundle(
        id=_id(prediction, "bundle"),
        identifier=Identifier(system=PRIVATE, value=f"{prediction.study_uid}/{prediction.model.settings}"),
        type="collection",
        entry=entries,
    )


def _report(prediction: Prediction, observations: list[Observation]) -> DiagnosticReport:
    study = _imaging_study(prediction)
    conclusion = NOTICE
    if prediction.rejection is not None:
        conclusion = f"No class: {visible(prediction.rejection.reason)}. {NOTICE}"
    elif prediction.bmd_class is not None:
        conclusion = f"Most probable: {prediction.bmd_class}. {NOTICE}"
    return DiagnosticReport(
        id=_id(prediction, "report"),
        status="preliminary",
        category=[concept(SECTION, "RAD", "Radiology")],
        code=private("LUMBAR_BMD_ESTIMATE", "Bone density of the lumbar spine, estimated from radiographs"),
        subject=_subject(prediction),
        effectiveDateTime=prediction.study_date,
        result=[Reference(reference=f"urn:uuid:{observation.id}") for observation in observations],
        imagingStudy=None if study is None else [study],
        conclusion=conclusion,
    )


def _density(prediction: Prediction) -> Observation:
    """The class with its probabilities, or why there is none."""
    observation = _observation(prediction, "class", "BMD_CLASS", "Class of bone density by WHO criteria, estimated")
    if prediction.bmd_class is None:
        rejection = prediction.rejection
        reason = "not stated" if rejection is None else f"{rejection.code}: {visible(rejection.reason)}"
        observation.dataAbsentReason = concept(ABSENT_REASON, "not-performed", "Not Performed", reason)
        return observation
    observation.valueCodeableConcept = concept(SNOMED, *CLASSES[prediction.bmd_class])
    observation.component = [
        ObservationComponent(code=concept(SNOMED, *CLASSES[c]), valueQuantity=_probability(prediction.probabilities[c]))
        for c in BmdClass
    ]
    return observation


def _t_score(prediction: Prediction) -> list[Observation]:
    if prediction.t_score is None:
        return []
    observation = _observation(prediction, "t-score", "T_SCORE", "T-score of L1-L4, estimated from radiographs")
    observation.valueQuantity = _quantity(round(prediction.t_score, 2), "1", "")
    return [observation]


def _decision(prediction: Prediction) -> list[Observation]:
    if prediction.decision is None:
        return []
    observation = _observation(prediction, "decision", "DECISION", "Osteoporosis ruled in or out")
    observation.valueCodeableConcept = concept(*DECISIONS[prediction.decision])
    return [observation]


def _fractures(prediction: Prediction) -> list[Observation]:
    observations = []
    for level, vertebra in prediction.suspected_fractures.items():
        name = f"Vertebral fracture, {TO_BE_CONFIRMED}"
        observation = _observation(prediction, f"fracture {level}", "SUSPECTED_FRACTURE", name)
        observation.bodySite = concept(SNOMED, *LEVELS[level])
        observation.valueBoolean = True
        loss, confidence = round(100 * vertebra.height_loss, 1), round(vertebra.confidence, 3)
        observation.component = [
            ObservationComponent(
                code=private("HEIGHT_LOSS", "Loss of height"), valueQuantity=_quantity(loss, "%", "%")
            ),
            ObservationComponent(code=private("GENANT_GRADE", "Genant grade"), valueInteger=vertebra.genant_grade),
            ObservationComponent(
                code=private("CONFIDENCE", "Probability that a fifth or more of the height is lost"),
                valueQuantity=_probability(confidence),
            ),
        ]
        observations.append(observation)
    return observations


def _cobb(prediction: Prediction) -> list[Observation]:
    frontal = prediction.views.get(View.AP)
    if frontal is None or frontal.cobb is None:
        return []
    cobb = frontal.cobb
    name = f"Cobb angle from {cobb.upper} to {cobb.lower}, estimated"
    observation = _observation(prediction, "cobb", "COBB_ANGLE", name)
    observation.valueQuantity = _quantity(round(cobb.degrees, 1), "deg", "degree")
    return [observation]


def _observation(prediction: Prediction, part: str, code: str, display: str) -> Observation:
    study = _imaging_study(prediction)
    return Observation(
        id=_id(prediction, part),
        status="preliminary",
        category=[concept(CATEGORY, "imaging", "Imaging")],
        code=private(code, display),
        subject=_subject(prediction),
        effectiveDateTime=prediction.study_date,
        method=concept(SNOMED, *ESTIMATED),
        bodySite=concept(SNOMED, *LUMBAR_SPINE),
        device=Reference(reference=f"urn:uuid:{_id(prediction, 'device')}"),
        derivedFrom=None if study is None else [study],
        note=[{"text": NOTICE}],
    )


def _device(prediction: Prediction) -> Device:
    """Software, weights with their hashes, and settings."""
    parts = {"software": version("osteolens"), **prediction.model.as_json()}
    return Device(
        id=_id(prediction, "device"),
        manufacturer="OsteoLens",
        deviceName=[DeviceDeviceName(name="OsteoLens, research use; not a medical device", type="model-name")],
        version=[
            DeviceVersion(type=private(name.upper(), name), value=value) for name, value in parts.items() if value
        ],
    )


def _subject(prediction: Prediction) -> Reference | None:
    """The patient by identifier alone."""
    if not prediction.patient_id.strip():
        return None
    return Reference(type="Patient", identifier=Identifier(value=visible(prediction.patient_id.strip())))


def _imaging_study(prediction: Prediction) -> Reference | None:
    """The study by its UID, where it has one; plain images have none. Source: FHIR R4, ImagingStudy.identifier."""
    uid = UID(prediction.study_uid)
    if not uid.is_valid or "." not in prediction.study_uid:
        return None
    identifier = Identifier(system=DICOM_UID, value=f"urn:oid:{prediction.study_uid}")
    return Reference(type="ImagingStudy", identifier=identifier)


def _probability(value: float) -> Quantity:
    return _quantity(round(value, 4), "1", "probability")


def _quantity(value: float, code: str, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit or None, system=UCUM, code=code)


def _id(prediction: Prediction, part: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"osteolens/{prediction.study_uid}/{part}"))


def _entry(resource: Resource) -> BundleEntry:
    return BundleEntry(fullUrl=f"urn:uuid:{resource.id}", resource=resource)
