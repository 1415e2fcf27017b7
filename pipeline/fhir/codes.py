"""Codes of the resources.

LOINC 38267-1 is the T-score by DXA, so the estimate from a radiograph has a code of its own, with method `Estimated`.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding

from classify.calibration import Decision
from cohort.bmd import BmdClass
from cohort.spine import VertebralLevel

SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
DICOM_UID = "urn:dicom:uid"
PRIVATE = "urn:osteolens:codes"
"""System of codes that neither SNOMED CT nor LOINC has."""

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"


def concept(system: str, code: str, display: str, text: str | None = None) -> CodeableConcept:
    """One code with its words."""
    return CodeableConcept(coding=[Coding(system=system, code=code, display=display)], text=text or display)


def private(code: str, display: str) -> CodeableConcept:
    """A code of OsteoLens."""
    return concept(PRIVATE, code, display)


CLASSES: Mapping[BmdClass, tuple[str, str]] = {
    BmdClass.NORMAL: ("17621005", "Normal"),
    BmdClass.OSTEOPENIA: ("312894000", "Osteopenia"),
    BmdClass.OSTEOPOROSIS: ("64859006", "Osteoporosis"),
}

DECISIONS: Mapping[Decision, tuple[str, str, str]] = {
    Decision.RULED_IN: (PRIVATE, "RULED_IN", "Osteoporosis ruled in"),
    Decision.RULED_OUT: (PRIVATE, "RULED_OUT", "Osteoporosis ruled out"),
    Decision.INDETERMINATE: (SNOMED, "280416009", "Indeterminate result"),
}

LEVELS: Mapping[VertebralLevel, tuple[str, str]] = {
    VertebralLevel.L1: ("66794005", "L1 vertebra"),
    VertebralLevel.L2: ("14293000", "L2 vertebra"),
    VertebralLevel.L3: ("36470004", "L3 vertebra"),
    VertebralLevel.L4: ("11994002", "L4 vertebra"),
}

LUMBAR_SPINE = ("122496007", "Lumbar spine")
ESTIMATED = ("414135002", "Estimated")
