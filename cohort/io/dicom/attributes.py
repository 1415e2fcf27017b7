"""Single attributes of a DICOM header: a value that cannot be read counts as unknown and is noted."""

from __future__ import annotations

import math
import re
import struct
from datetime import date
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import BytesLengthException

from cohort.covariates import Covariates, Sex
from cohort.io.tables.words import sex_of
from cohort.study import SpacingSource
from osteolens.documents.text import visible

VALUE_ERRORS = (
    ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, OverflowError, LookupError,
    struct.error, BytesLengthException, OSError, EOFError,
)  # fmt: skip
"""What pydicom raises on a value that does not fit its attribute."""

MOST_UNEVEN = 4.0
"""Ratio of row and column spacing above which it is not believed."""

SHOWN_CHARACTERS = 40
"""Characters of a value that a message shows."""

_DAY = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})(?!\d)")


def brief(value: object, most: int = 160) -> str:
    """A value of a file, or a parser's message, on one line of at most so many characters."""
    text = visible(" ".join(str(value).split()))
    return text if len(text) <= most else f"{text[:most]}..."


class Attributes:
    """A data set whose unreadable values count as unknown; `notes` lists them."""

    def __init__(self, dataset: Dataset) -> None:
        """Wrap a pydicom data set."""
        self.dataset = dataset
        self.notes: list[str] = []

    def value(self, keyword: str) -> Any:
        """An attribute's value as pydicom gives it; None where it is absent, empty or unreadable."""
        try:
            value = self.dataset.get(keyword)
        except VALUE_ERRORS:
            self.unknown(keyword, self._raw(keyword), "it cannot be read")
            return None
        return None if value is None or value == "" else value

    def text(self, keyword: str) -> str | None:
        """An attribute as text without padding; None where it is absent or empty."""
        value = self.value(keyword)
        if value is not None and not isinstance(value, str) and hasattr(value, "__iter__"):
            value = "\\".join(map(str, value))
        plain = "" if value is None else str(value).strip(" \t\r\n\0")
        return plain or None

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The values of an attribute that holds several, in their places and in capitals."""
        return tuple(part.strip().upper() for part in (self.text(keyword) or "").split("\\"))

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers, or None."""
        raw = self.value(keyword)
        if raw is None:
            return None
        values = list(raw) if hasattr(raw, "__iter__") and not isinstance(raw, (str, bytes)) else [raw]
        try:
            numbers = tuple(float(value) for value in values)
        except VALUE_ERRORS:
            numbers = ()
        if len(numbers) < count or not all(math.isfinite(number) for number in numbers):
            self.unknown(keyword, raw, f"expected {count} number{'s' if count > 1 else ''}")
            return None
        return numbers[:count]

    def every_number(self, keyword: str) -> tuple[float, ...]:
        """All numbers of an attribute; empty where one of them is no number."""
        raw = self.value(keyword)
        count = len(raw) if hasattr(raw, "__len__") and not isinstance(raw, (str, bytes)) else 1
        return (self.numbers(keyword, count) if raw is not None else None) or ()

    def number(self, keyword: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A number within bounds, or None; one outside them is noted."""
        numbers = self.numbers(keyword, 1)
        if numbers is None:
            return None
        if not low <= numbers[0] <= high:
            self.unknown(keyword, numbers[0], f"expected {low:g} to {high:g}")
            return None
        return numbers[0]

    def integer(self, keyword: str, absent: int = 0) -> int:
        """An integer; `absent` where there is none."""
        number = self.number(keyword)
        return absent if number is None else int(number)

    def day(self, keyword: str) -> date | None:
        """A date, or None."""
        text = self.text(keyword)
        if text is None:
            return None
        match = _DAY.match(text)
        try:
            if match is not None:
                return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            pass
        self.unknown(keyword, text, "expected YYYYMMDD")
        return None

    def unknown(self, keyword: str, value: object, why: str) -> None:
        """Note that a value counts as unknown. Dates and descriptions of a person are not repeated."""
        shown = "" if keyword.startswith("Patient") and "Date" in keyword else f" {self._shown(value)}"
        self.notes.append(f"{keyword}{shown} is not used: {why}")

    @staticmethod
    def _shown(value: object) -> str:
        text = "\\".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "...")

    def _raw(self, keyword: str) -> str:
        tag = tag_for_keyword(keyword)
        try:
            element = self.dataset.get_item(tag)
            value = getattr(element, "value", b"")
        except VALUE_ERRORS:
            return ""
        return value.decode("latin-1").strip("\0 ") if isinstance(value, bytes) else str(value)


def covariates_of(header: Attributes, study_date: date | None) -> Covariates:
    """Age, sex, height and weight."""
    sex_text = header.text("PatientSex") or ""
    sex: Sex | None = None
    try:
        sex = sex_of(sex_text) if sex_text else None
    except ValueError:
        header.unknown("PatientSex", sex_text, "expected F, M or O")
    height = header.number("PatientSize", 0, 300)
    if height is not None and 0.5 <= height <= 2.6:
        height = round(height * 100, 6)
    if height is not None and not 50 <= height <= 260:
        if height:
            header.unknown("PatientSize", height, "expected 0.5 to 2.6 m")
        height = None
    weight = header.number("PatientWeight", 0, 1000)
    if weight is not None and not 10 <= weight <= 400:
        if weight:
            header.unknown("PatientWeight", weight, "expected 10 to 400 kg")
        weight = None
    return Covariates(age_years=_age(header, study_date), sex=sex, height_cm=height, weight_kg=weight)


def _age(header: Attributes, study_date: date | None) -> float | None:
    """Years from PatientAge, else from the day of birth. Source: DICOM PS3.5 6.2, value representation AS."""
    age_text = (header.text("PatientAge") or "").upper()
    match = re.fullmatch(r"(\d{1,3})\s*([YMWD])", age_text)
    if match:
        years = int(match[1]) / {"Y": 1, "M": 12, "W": 52.18, "D": 365.25}[match[2]]
        if 0 < years <= 120:
            return round(years, 1)
    if age_text:
        header.unknown("PatientAge", age_text, "expected nnnY, 1 to 120 years")
    born = header.day("PatientBirthDate")
    if born is None or study_date is None:
        return None
    years = (study_date - born).days / 365.25
    if 0 < years <= 120:
        return round(years, 1)
    header.unknown("PatientBirthDate", "", f"it makes the patient {years:.0f} years old at the study")
    return None


def system_of(header: Attributes) -> str | None:
    """Manufacturer and model of the radiography system on one line, or None; the model alone where it names both."""
    maker, model = (
        brief(header.text(keyword) or "", SHOWN_CHARACTERS) for keyword in ("Manufacturer", "ManufacturerModelName")
    )
    if model.casefold().startswith(maker.casefold()):
        return model or None
    return f"{maker} {model}".strip()


def spacing_of(header: Attributes) -> tuple[tuple[float, float] | None, SpacingSource]:
    """(row, column) spacing in mm in the plane of the body, and where it comes from.

    PixelSpacing where it was calibrated; where it only repeats ImagerPixelSpacing, or is absent, the detector's spacing
    over EstimatedRadiographicMagnificationFactor where that is known. Source: DICOM PS3.3 10.7.1.3 and C.8.11.
    """
    plain = _two_spacings(header, "PixelSpacing")
    imager = _two_spacings(header, "ImagerPixelSpacing")
    magnified = header.number("EstimatedRadiographicMagnificationFactor", 1, 3)
    if plain is not None and not (imager is not None and magnified is not None and plain == imager):
        return plain, SpacingSource.PIXEL_SPACING
    if imager is not None:
        factor = magnified or 1.0
        return (imager[0] / factor, imager[1] / factor), SpacingSource.IMAGER_PIXEL_SPACING
    return None, SpacingSource.NONE


def aspect_of(header: Attributes) -> tuple[float, str]:
    """Height of a pixel over its width, and the attribute that gives it; 1 and empty where none does."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = _two_spacings(header, keyword)
        if spacing is not None:
            return spacing[0] / spacing[1], keyword
    ratio = header.numbers("PixelAspectRatio", 2)
    if ratio is not None and min(ratio) > 0 and max(ratio) <= MOST_UNEVEN * min(ratio):
        return ratio[0] / ratio[1], "PixelAspectRatio"
    if ratio is not None:
        header.unknown("PixelAspectRatio", ratio, f"expected at most {MOST_UNEVEN:g} to 1")
    return 1.0, ""


def _two_spacings(header: Attributes, keyword: str) -> tuple[float, float] | None:
    spacings = header.numbers(keyword, 2)
    if spacings is None:
        return None
    if not all(0.01 <= value <= 5 for value in spacings) or max(spacings) > MOST_UNEVEN * min(spacings):
        header.unknown(keyword, spacings, f"expected 0.01 to 5 mm, one at most {MOST_UNEVEN:g} times the other")
        return None
    return spacings[0], spacings[1]
