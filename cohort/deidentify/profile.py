"""What is done with each attribute: table E.1-1 of DICOM PS3.15, and rules for the attributes that it does not name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.tag import BaseTag

EDITION = "2026c"
"""Edition of PS3.15 whose table E.1-1 is applied."""


class Action(StrEnum):
    """What is done with an attribute. Source: DICOM PS3.15 E.1.1."""

    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced by a dummy"
    UID = "UID replaced"
    PSEUDONYM = "replaced by the pseudonym"
    SHIFT = "date shifted or removed"
    KEEP = "kept"


PATIENT_CHARACTERISTICS = ("PatientSex", "PatientAge", "PatientSize", "PatientWeight")
"""Kept by the Retain Patient Characteristics Option, where their values have the right form."""

PSEUDONYMS = ("PatientID", "PatientName")

SHIFTED_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime")
"""Shifted by the Retain Longitudinal Temporal Information With Modified Dates Option; other dates and all times of day
go by the basic profile."""

KEPT_TEXTS = (
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "RescaleType", "PlateType"),
    *("DetectorManufacturerName", "DetectorManufacturerModelName"),
    *("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"),
)
"""Texts outside the table that are kept: of the machine, and of codes."""

REQUIRED_TEXTS = ("PixelSpacingCalibrationDescription",)
"""Free text outside the table that an image must have, if only a dummy. Source: DICOM PS3.3 10.7.1.1."""

KEPT_BYTES = ("PixelData", "LUTData", "SmallestValidPixelValue", "PixelPaddingValue")
"""Attributes whose value representation may be bytes and which hold pixels or look-up tables."""

NUMBERS = ("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "DS", "IS", "AT")

_BY_CATEGORY: dict[str, tuple[Action, Action]] = {
    "D_TAGS": (Action.DUMMY, Action.REMOVE),
    "Z_TAGS": (Action.EMPTY, Action.EMPTY),
    "X_TAGS": (Action.REMOVE, Action.REMOVE),
    "U_TAGS": (Action.UID, Action.REMOVE),
    "Z_D_TAGS": (Action.EMPTY, Action.EMPTY),
    "X_Z_TAGS": (Action.EMPTY, Action.EMPTY),
    "X_D_TAGS": (Action.REMOVE, Action.REMOVE),
    "X_Z_D_TAGS": (Action.REMOVE, Action.REMOVE),
    "X_Z_U_STAR_TAGS": (Action.UID, Action.KEEP),
}
"""For a value and for a sequence. Of the choices that the table leaves, the one that keeps CR, DX and SC images
conformant: every attribute of X/D and X/Z/D is of type 3 there, and no sequence of D belongs to them. Sequences that
are kept are cleaned item by item. Source: DICOM PS3.3 A.2, A.8.1, A.26."""

CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
NUMBER_STRING = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*|\s*")


@lru_cache(maxsize=1)
def table() -> Mapping[tuple[int, int], str]:
    """Category of each attribute of table E.1-1, by group and element; repeating groups are not in it."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    by_category = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    return {
        (int(tag[0]), int(tag[1])): category for category in _BY_CATEGORY for tag in by_category[category]
        if len(tag) == 2
    }  # fmt: skip


@lru_cache(maxsize=4096)
def action_of(tag: BaseTag) -> Action:
    """What is done with an attribute, by its tag alone; values that lack the form of theirs are removed besides."""
    if not dictionary_has_tag(tag) or tag.is_private or tag.element == 0 or _repeats(tag):
        return Action.REMOVE
    keyword, vr = keyword_for_tag(tag), str(dictionary_VR(tag))
    if keyword in PATIENT_CHARACTERISTICS:
        return Action.KEEP
    if keyword in PSEUDONYMS:
        return Action.PSEUDONYM
    if keyword in SHIFTED_DATES:
        return Action.SHIFT
    category = table().get((tag.group, tag.element))
    if category is not None:
        return _BY_CATEGORY[category][vr == "SQ"]
    return _outside(keyword, vr)


def without_dates(tag: BaseTag) -> Action:
    """What is done with one of `SHIFTED_DATES` whose date is to go: emptied where the image may need the attribute."""
    category = table().get((tag.group, tag.element), "X_TAGS")
    return _BY_CATEGORY[category][0]


def _outside(keyword: str, vr: str) -> Action:
    """An attribute that the table does not name: numbers, codes and sequences stay, free text and dates do not."""
    if vr == "SQ" or keyword in KEPT_TEXTS or keyword in KEPT_BYTES or vr == "CS":
        return Action.KEEP
    if vr == "UI":
        return Action.UID
    if keyword in REQUIRED_TEXTS:
        return Action.DUMMY
    kinds = vr.split(" or ")
    return Action.KEEP if all(kind in NUMBERS for kind in kinds) or keyword.endswith("LookupTableData") else (
        Action.REMOVE
    )  # fmt: skip


def _repeats(tag: BaseTag) -> bool:
    """Curves (50xx) and overlays (60xx) with all that describes them."""
    return int(tag.group) // 0x100 in (0x50, 0x60)
