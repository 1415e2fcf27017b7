"""A data set without identifiers: every attribute by its action, item by item, and a look for what is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from pydicom import DataElement, Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID_dictionary

from cohort.deidentify.profile import (
    CODE_STRING,
    EDITION,
    KEPT_BYTES,
    NUMBER_STRING,
    Action,
    action_of,
    without_dates,
)
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.in_silico import IN_SILICO_NOTICE
from cohort.io.dicom.attributes import VALUE_ERRORS, Attributes, covariates_of
from osteolens.errors import ReadError

MAX_ATTRIBUTES = 20_000
"""Attributes of a file, those in sequences included."""

MAX_DEPTH = 16
"""Sequences within sequences."""

BLACKENED = "suspected text in the pixels made black, not reviewed"
"""Word of DeidentificationMethod (LO, 64 characters at most)."""

OLDEST_YEARS = 90
"""Ages above it are written as it. Source: 45 CFR 164.514(b)(2)(i)(C) (HIPAA safe harbor)."""

MOST_OF_A_PERSON = {"PatientSize": 300.0, "PatientWeight": 1000.0}
"""Metres, or centimetres where they are wrongly given, and kilograms; a greater number is something else."""

STANDARD_SCHEMES = frozenset({"DCM", "SCT", "SRT", "SNM3", "LN", "UCUM", "RADLEX", "NEMA", "FMA", "UMLS"})
"""Coding schemes whose meanings are the scheme's own words."""

_IDENTIFYING = re.compile(r"(Name|ID|IDs|Number|Address|Location|Numbers)$")
_NAMES = ("PatientID", "PatientName", "InstitutionName", "StationName", "AccessionNumber", "MilitaryRank")
LEAST_LETTERS = 4
"""Letters of a part of an identifier that is looked for in what is kept; shorter ones stand in any text."""

_DUMMIES: dict[str, str | int | bytes] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101", "TM": "000000", "DS": "0", "IS": "0", "CS": "REMOVED",
    "UR": "http://removed.invalid", "FL": 0, "FD": 0, "SL": 0, "SS": 0, "UL": 0, "US": 0, "SV": 0, "UV": 0,
    "OB": b"\0\0", "OW": b"\0\0", "OF": b"\0\0\0\0", "OL": b"\0\0\0\0", "OD": b"\0" * 8, "OV": b"\0" * 8,
    "UN": b"\0\0", "AT": 0,
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Cleaning:
    """One file as it is cleaned.

    Attributes:
        pseudonyms: what stands in place of identifiers.
        patient_id: whose file it is, as joined with the tables.
        keeps_dates: whether dates are shifted; else they are removed.
        actions: attributes by what was done with them.
        kept: keywords of the attributes that stayed.
        found: keywords that held a part of an identifier and were removed for it.
        attributes: seen so far.
    """

    pseudonyms: Pseudonyms
    patient_id: str
    keeps_dates: bool = True
    actions: Counter[Action] = field(default_factory=Counter)
    kept: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    attributes: int = 0


def clean(dataset: Dataset, cleaning: Cleaning, blackened: bool = False) -> None:
    """Take the identifiers out of a data set, in place; pixels are not touched.

    Args:
        dataset: of an image.
        cleaning: by what; gets what was done.
        blackened: whether text in the pixels was made black.

    Raises:
        ReadError: more attributes, or sequences within sequences, than any radiograph has.
    """
    identifiers = _identifiers(dataset)
    age = _age(dataset)
    simulated = str(dataset.get("ImageComments", "")).startswith(IN_SILICO_NOTICE)
    _clean_items(dataset, cleaning, depth=0)
    if age is not None:
        dataset.PatientAge = age
        cleaning.kept.add("PatientAge")
    if simulated:
        dataset.ImageComments = IN_SILICO_NOTICE
    _remove_leftovers(dataset, identifiers, cleaning)
    cleaning.kept -= cleaning.found
    _state(dataset, cleaning, blackened)


def _clean_items(dataset: Dataset, cleaning: Cleaning, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ReadError(f"more than {MAX_DEPTH} sequences within sequences; expected a radiograph")
    for tag in list(dataset.keys()):
        cleaning.attributes += 1
        if cleaning.attributes > MAX_ATTRIBUTES:
            raise ReadError(f"more than {MAX_ATTRIBUTES:,} attributes; expected a radiograph")
        action = action_of(tag)
        if action is not Action.REMOVE:
            try:
                element = dataset[tag]
                action = _apply(dataset, element, action, cleaning, depth)
            except VALUE_ERRORS:
                action = Action.REMOVE
        if action is Action.REMOVE:
            del dataset[tag]
        if action is Action.KEEP:
            cleaning.kept.add(keyword_for_tag(tag))
        cleaning.actions[action] += 1
    scheme = dataset.get("CodingSchemeDesignator")
    if scheme is not None and str(scheme).strip() not in STANDARD_SCHEMES:
        for keyword in ("CodeValue", "CodeMeaning", "LongCodeValue", "CodingSchemeDesignator"):
            if keyword in dataset:
                dataset[keyword].value = "99REMOVED" if keyword.startswith("Coding") else "REMOVED"


def _apply(dataset: Dataset, element: DataElement, action: Action, cleaning: Cleaning, depth: int) -> Action:
    """Do it; returns what was done."""
    if action is Action.SHIFT:
        return _date(element, cleaning)
    if action is Action.PSEUDONYM:
        element.value = cleaning.pseudonyms.patient(cleaning.patient_id)
    elif action is Action.EMPTY:
        dataset[element.tag] = DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)
    elif action is Action.DUMMY:
        if element.VR == "UI":
            return _uid(element, cleaning)
        element.value = _DUMMIES.get(element.VR, "REMOVED")
    elif action is Action.UID:
        return _uid(element, cleaning)
    elif element.VR == "SQ":
        for item in element.value:
            _clean_items(item, cleaning, depth + 1)
    elif not _has_its_form(element):
        return Action.REMOVE
    return action


def _date(element: DataElement, cleaning: Cleaning) -> Action:
    day = Attributes(Dataset({element.tag: element})).day(keyword_for_tag(element.tag))
    moved = cleaning.pseudonyms.shifted(day, cleaning.patient_id) if day is not None and cleaning.keeps_dates else None
    if moved is not None:
        element.value = moved.strftime("%Y%m%d") if moved.year >= 1000 else f"{moved:%Y%m%d}".zfill(8)
        return Action.SHIFT
    action = without_dates(element.tag)
    if action is Action.EMPTY:
        element.value = None
    return action


def _uid(element: DataElement, cleaning: Cleaning) -> Action:
    """Replace the UIDs of instances; those that the standard itself gives out stay."""
    if element.VR != "UI":
        return Action.REMOVE
    single = element.VM <= 1
    values = [element.value] if single else list(element.value)
    if all(not str(value) or str(value) in UID_dictionary for value in values):
        return Action.KEEP
    replaced = [_replaced(str(value), cleaning.pseudonyms) for value in values]
    element.value = replaced[0] if single else replaced
    return Action.UID


def _replaced(uid: str, pseudonyms: Pseudonyms) -> str:
    return uid if not uid or uid in UID_dictionary else pseudonyms.uid(uid)


def _has_its_form(element: DataElement) -> bool:
    """Whether a value that is kept is a code or a number, and no text under the name of one."""
    keyword, vr = keyword_for_tag(element.tag), element.VR
    if vr == "AS":
        return re.fullmatch(r"\d{3}[DWMY]", str(element.value)) is not None
    if keyword == "PatientSex":
        return str(element.value) in ("", "F", "M", "O")
    texts = list(element.value) if element.VM > 1 else [element.value]
    if keyword in MOST_OF_A_PERSON and not all(0 <= float(text or 0) <= MOST_OF_A_PERSON[keyword] for text in texts):
        return False
    if vr == "CS":
        return all(CODE_STRING.fullmatch(str(text)) for text in texts if text is not None)
    if vr in ("DS", "IS"):
        originals = (getattr(text, "original_string", text) for text in texts if text is not None)
        return all(NUMBER_STRING.fullmatch(str(text)) for text in originals)
    is_bytes = vr in ("OB", "OW", "OF", "OD", "OL", "OV", "UN")
    return not is_bytes or keyword in KEPT_BYTES or keyword.endswith("TableData")


def _age(dataset: Dataset) -> str | None:
    """PatientAge to be written: that of the header, else by the day of birth; at most OLDEST_YEARS."""
    header = Attributes(dataset)
    day = header.day("StudyDate") or header.day("AcquisitionDate") or header.day("ContentDate")
    years = covariates_of(header, day).age_years
    if years is None:
        return None
    text = header.text("PatientAge") or ""
    if years <= OLDEST_YEARS and re.fullmatch(r"\d{3}[DWMY]", text):
        return text
    return f"{min(int(years), OLDEST_YEARS):03d}Y" if years >= 1 else f"{int(years * 12):03d}M"


def _identifiers(dataset: Dataset) -> set[str]:
    """Words of names and identifiers, in capitals, that must stand nowhere in what is kept."""
    words: set[str] = set()
    for element in _elements(dataset):
        keyword = keyword_for_tag(element.tag)
        names = keyword in _NAMES or (action_of(element.tag) is not Action.KEEP and _IDENTIFYING.search(keyword))
        if element.VR == "PN" or (names and element.VR in ("LO", "SH", "ST", "LT", "UC", "UT")):
            words |= _words(str(element.value))
    return words


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.upper()) if len(word) >= LEAST_LETTERS}


def _elements(dataset: Dataset, depth: int = 0) -> Iterator[DataElement]:
    """Every readable element, those in sequences included, up to the depth that is cleaned."""
    if depth > MAX_DEPTH:
        return
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except VALUE_ERRORS:
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item, depth + 1)


def _remove_leftovers(dataset: Dataset, identifiers: set[str], cleaning: Cleaning) -> None:
    """Empty kept texts that hold a word of an identifier."""
    for tag in list(dataset.keys()):
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                _remove_leftovers(item, identifiers, cleaning)
        elif element.VR in ("CS", "LO", "SH") and action_of(tag) is Action.KEEP:
            cleaning.found |= _emptied(element, identifiers)


def _emptied(element: DataElement, identifiers: set[str]) -> set[str]:
    """Empty a text that holds a word of an identifier; its keyword, or nothing."""
    if not _words(str(element.value)) & identifiers:
        return set()
    element.value = None
    return {keyword_for_tag(element.tag)}


def _state(dataset: Dataset, cleaning: Cleaning, blackened: bool) -> None:
    """Say in the file what was done. Source: DICOM PS3.15 E.1.1 and E.3, PS3.16 CID 7050.

    Blackened boxes are told in words alone: the detector misses small letters, so that nobody may take the pixels for
    clean (code 113101, BurnedInAnnotation NO) before somebody has looked.
    """
    codes = [("113100", "Basic Application Confidentiality Profile")]
    if cleaning.keeps_dates:
        codes.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    codes.append(("113108", "Retain Patient Characteristics Option"))
    dataset.PatientIdentityRemoved = "YES"
    method = [f"DICOM PS3.15 {EDITION} Annex E", f"OsteoLens {version('osteolens')}"]
    dataset.DeidentificationMethod = [*method, *([BLACKENED] if blackened else ())]
    dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if cleaning.keeps_dates else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
