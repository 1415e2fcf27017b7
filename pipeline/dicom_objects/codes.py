"""Codes of a report.

Source: DICOM PS3.16 (CID 100 of procedures, CID 7602 of vertebrae), SNOMED CT; private where neither has a code. LOINC
38267-1 is the T-score by DXA, so an estimate from a radiograph takes a code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.sr import CodedConcept

from classify.calibration import Decision
from cohort.bmd import BmdClass
from cohort.spine import VertebralLevel, View

PRIVATE_SCHEME = "99OSTEOLENS"


def _dicom(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "DCM", meaning)


def _snomed(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "SCT", meaning)


def private(value: str, meaning: str) -> CodedConcept:
    """A code of OsteoLens."""
    return CodedConcept(value, PRIVATE_SCHEME, meaning)


TITLE = _dicom("126000", "Imaging Measurement Report")
FINDING = _dicom("121071", "Finding")
COMMENT = _dicom("121106", "Comment")
PROBABILITY = _dicom("122157", "Probability")
IMAGE_QUALITY = _dicom("111101", "Image Quality")
QUALITY_MET = _dicom("111237", "Usable - Meets the quality control standard")
QUALITY_NOT_MET = _dicom("111235", "Unusable - Quality renders image unusable")
PROCEDURE = CodedConcept("43468-8", "LN", "XR unspecified body region")
LUMBAR_SPINE = _snomed("122496007", "Lumbar spine")
ESTIMATED = _snomed("414135002", "Estimated")
INDETERMINATE = _snomed("280416009", "Indeterminate result")
NO_UNITS = CodedConcept("1", "UCUM", "no units")

T_SCORE = private("T_SCORE", "T-score of L1-L4, estimated from radiographs")
DECISION = private("DECISION", "Osteoporosis ruled in or out")
LEVEL_USE = private("LEVEL_USE", "Use of the level for the class")
USED = private("USED", "Used")
LEFT_OUT = private("LEFT_OUT", "Left out")
REJECTED = private("REJECTED", "No class: rejected by quality control")
FAILED = private("FAILED", "No class: the study could not be screened")

NOT_EVALUABLE = private("NOT_EVALUABLE", "Not evaluable, said by the reader")
NO_CLASS = private("NO_CLASS", "No class: boxes and findings of the reader alone")
PREDICTIONS = private("PREDICTIONS", "Whether the reader saw predictions")
SHOWN = private("SHOWN", "Predictions were shown")
HIDDEN = private("HIDDEN", "Predictions were hidden")
ROUND = private("READING_ROUND", "Round of the reading")
ROUNDS = {1: private("ROUND_1", "First reading"), 2: private("ROUND_2", "Second reading, without the first")}

CLASSES: Mapping[BmdClass, CodedConcept] = {
    BmdClass.NORMAL: _snomed("17621005", "Normal"),
    BmdClass.OSTEOPENIA: _snomed("312894000", "Osteopenia"),
    BmdClass.OSTEOPOROSIS: _snomed("64859006", "Osteoporosis"),
}

DECISIONS: Mapping[Decision, CodedConcept] = {
    Decision.RULED_IN: private("RULED_IN", "Osteoporosis ruled in"),
    Decision.RULED_OUT: private("RULED_OUT", "Osteoporosis ruled out"),
    Decision.INDETERMINATE: INDETERMINATE,
}

LEVELS: Mapping[VertebralLevel, CodedConcept] = {
    VertebralLevel.L1: _snomed("66794005", "L1 vertebra"),
    VertebralLevel.L2: _snomed("14293000", "L2 vertebra"),
    VertebralLevel.L3: _snomed("36470004", "L3 vertebra"),
    VertebralLevel.L4: _snomed("11994002", "L4 vertebra"),
}

FRACTURE_GRADES: Mapping[VertebralLevel, CodedConcept] = {
    level: private(f"FRACTURE_{level}", f"Genant grade of a fracture of {level}, by the reader") for level in LEVELS
}

GRADES: Mapping[int, CodedConcept] = {
    0: private("GRADE_0", "Grade 0, no fracture"),
    1: private("GRADE_1", "Grade 1, mild"),
    2: private("GRADE_2", "Grade 2, moderate"),
    3: private("GRADE_3", "Grade 3, severe"),
}

VIEWS: Mapping[View, str] = {View.AP: "AP", View.LATERAL: "LATERAL"}
"""Words for a view in tracking identifiers, such as `L1 AP`."""
