"""DICOM images that a result comes from: what objects inherit of their headers, and where stored pixels lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation

from cohort.io.dicom.attributes import Attributes
from cohort.io.dicom.placement import Placement, placement_of
from cohort.io.dicom.read import looks_like_dicom, read_attributes
from cohort.io.digest import sha256_of
from cohort.spine import View
from osteolens.documents.text import visible
from osteolens.errors import OsteoLensError, StudyError
from pipeline.prediction import ImageOutcome, ImageRecord, Prediction

MOST_UID = 64
"""Characters of a UID (DICOM PS3.5 9.1)."""

MOST_CHARACTERS = 1_024
"""Characters of a name or identifier that an object repeats; the standard allows 324."""

_LISTED = (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation)
"""SOP classes whose images a report's image library can describe."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_DIRECTION = re.compile(r"[A-Z]{1,3}")
_DAY, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_TEXTS = ("PatientID", "AccessionNumber", "StudyID")
_NAMES = ("PatientName", "ReferringPhysicianName")
_NO_DAY, _NO_TIME = "19000101", "000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """One DICOM image of a study.

    Attributes:
        view: the projection that it shows in the result, None where it counts for none.
        name: of its file.
        header: what objects inherit: plain text of patient, study and image.
        placement: how it is turned upright.
        shape: (rows, columns) as stored.
        is_inverted: whether its least value is white.
    """

    view: View | None
    name: str
    header: Dataset
    placement: Placement
    shape: tuple[int, int]
    is_inverted: bool

    @property
    def sop_instance_uid(self) -> str:
        """Identifier of the image."""
        return str(self.header.SOPInstanceUID)

    @property
    def can_be_listed(self) -> bool:
        """Whether a report's image library can describe it; what it cannot describe is referenced alone."""
        known = "PatientOrientation" in self.header and "ImagerPixelSpacing" in self.header
        return known and self.header.SOPClassUID in _LISTED

    @property
    def moment(self) -> tuple[str, str]:
        """Day and time of the image, as DICOM writes them."""
        return self.header.StudyDate or _NO_DAY, self.header.StudyTime or _NO_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStudy:
    """The DICOM images of one study of one patient.

    Attributes:
        images: in the order of the result's images; the first one's patient and study are those of the objects.
        left_out: why an image is not referenced, by file name.
    """

    images: tuple[SourceImage, ...]
    left_out: tuple[str, ...] = ()

    @property
    def header(self) -> Dataset:
        """Patient and study."""
        return self.images[0].header

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID of the objects."""
        return str(self.header.StudyInstanceUID)

    @property
    def by_view(self) -> Mapping[View, SourceImage]:
        """The image that counts for each view of the result."""
        return {image.view: image for image in self.images if image.view is not None}

    @property
    def moment(self) -> tuple[str, str]:
        """Day and time of the latest image: the content's too, so that the same result gives the same object."""
        return max(image.moment for image in self.images)


Shown = Mapping[str, tuple[View, tuple[int, int] | None]]
"""Images that boxes lie on, by the path of their record: view, and (rows, columns) as they are read where known."""


def source_study(paths: Sequence[Path], prediction: Prediction, shown: Shown | None = None) -> SourceStudy:
    """DICOM images of a result that objects can reference.

    Args:
        paths: of the study's images, in the order of the result's records.
        prediction: the result.
        shown: images that boxes lie on; those of the result when left out.

    Raises:
        StudyError: no image is DICOM, or none can be referenced; the message says why.
    """
    images: list[SourceImage] = []
    left_out: list[str] = []
    shown = _shown(paths, prediction) if shown is None else shown
    for path, record in zip(paths, prediction.images, strict=False):
        try:
            image = _source_image(path, record, shown)
            if image is not None and images:
                _check_same(images[0], image)
        except (OsteoLensError, OSError) as error:
            left_out.append(str(error) if isinstance(error, OsteoLensError) else f"{path.name}: cannot be read")
            continue
        images += [] if image is None else [image]
    if not images:
        why = "; ".join(left_out) or "its images are not DICOM; DICOM objects can only reference DICOM images"
        raise StudyError(why)
    return SourceStudy(images=tuple(images), left_out=tuple(left_out))


def _check_same(first: SourceImage, image: SourceImage) -> None:
    """Objects are of one patient and one study.

    Raises:
        StudyError: another PatientID or StudyInstanceUID.
    """
    for keyword in ("PatientID", "StudyInstanceUID"):
        if first.header[keyword].value != image.header[keyword].value:
            raise StudyError(
                f"{visible(image.name)}: another {keyword} than {visible(first.name)}; DICOM objects of the study "
                "leave it out"
            )


def _shown(paths: Sequence[Path], prediction: Prediction) -> Shown:
    """Images that the boxes of a result lie on."""
    shown: dict[str, tuple[View, tuple[int, int] | None]] = {}
    for path, record in zip(paths, prediction.images, strict=False):
        result = prediction.views.get(record.view) if record.view is not None else None
        counts = result is not None and result.image == path.name and "another_image" not in record.reason[:14]
        if counts and result is not None and record.view is not None:
            shown[record.path] = record.view, result.detection.image_shape
    return shown


def _source_image(path: Path, record: ImageRecord, shown: Shown) -> SourceImage | None:
    """One image, or None where it is no DICOM file."""
    if record.outcome is ImageOutcome.UNREADABLE or not looks_like_dicom(path):
        return None
    if record.sha256 and sha256_of(path) != record.sha256:
        raise StudyError(f"{path.name}: changed since it was screened; screen the study again")
    attributes = read_attributes(path)
    shape = attributes.integer("Rows"), attributes.integer("Columns")
    placement = placement_of(attributes)
    view, expected = shown.get(record.path, (None, None))
    if expected is not None and placement.shown_shape(shape) != expected:
        raise StudyError(
            f"{path.name}: boxes lie in an image of {expected[0]} x {expected[1]} pixels, the stored one has "
            f"{shape[0]} x {shape[1]}; its boxes cannot be placed and it is left out of the DICOM objects"
        )
    inverse = (attributes.text("PresentationLUTShape") or "").upper() == "INVERSE"
    return SourceImage(
        view=view,
        name=path.name,
        header=_header(attributes, path.name),
        placement=placement,
        shape=shape,
        is_inverted=inverse or (attributes.text("PhotometricInterpretation") or "").upper() == "MONOCHROME1",
    )


def _header(attributes: Attributes, file: str) -> Dataset:
    """Patient, study and image as plain values that any object may repeat.

    Raises:
        StudyError: an identifier is missing or is none.
    """
    header = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        uid = attributes.text(keyword) or ""
        if len(uid) > MOST_UID or not _UID.fullmatch(uid):
            raise StudyError(f"{visible(file)}: {keyword} is missing or no UID; a DICOM object cannot reference it")
        setattr(header, keyword, uid)
    if "Image Storage" not in header.SOPClassUID.name:
        raise StudyError(
            f"{visible(file)}: SOPClassUID {header.SOPClassUID} is no image of the standard; a DICOM object cannot "
            "reference it"
        )
    for keyword in _TEXTS:
        setattr(header, keyword, visible(attributes.text(keyword) or ""))
    if issuer := attributes.text("IssuerOfPatientID"):
        header.IssuerOfPatientID = visible(issuer)
    for keyword in _NAMES:
        name = attributes.value(keyword)
        setattr(header, keyword, visible("" if name is None else name).strip(" "))
    longest = max(len(str(header[keyword].value)) for keyword in (*_TEXTS, *_NAMES))
    if longest > MOST_CHARACTERS:
        raise StudyError(
            f"{visible(file)}: a name or identifier of {longest:,} characters, expected at most {MOST_CHARACTERS:,}; "
            "no DICOM object repeats it"
        )
    sex = (attributes.text("PatientSex") or "").upper()
    header.PatientSex = sex if sex in ("F", "M", "O") else ""
    header.PatientBirthDate = _matching(_DAY, attributes.text("PatientBirthDate"))
    header.StudyDate = _matching(_DAY, attributes.text("StudyDate"))
    header.StudyTime = _matching(_TIME, attributes.text("StudyTime"))
    header.Rows, header.Columns = attributes.integer("Rows"), attributes.integer("Columns")
    header.SamplesPerPixel = attributes.integer("SamplesPerPixel", 1)
    header.Modality = attributes.text("Modality") or "OT"
    slope, intercept = attributes.number("RescaleSlope"), attributes.number("RescaleIntercept")
    if slope is not None and intercept is not None:
        header.RescaleSlope, header.RescaleIntercept = (
            attributes.text("RescaleSlope"),
            attributes.text("RescaleIntercept"),
        )
        header.RescaleType = "US"
    orientation = attributes.texts("PatientOrientation")
    if len(orientation) == 2 and all(_DIRECTION.fullmatch(text) for text in orientation):
        header.PatientOrientation = list(orientation)
    spacing = attributes.numbers("ImagerPixelSpacing", 2)
    if spacing is not None:
        header.ImagerPixelSpacing = [f"{value:.6g}" for value in spacing]
    return header


def _matching(pattern: re.Pattern[str], text: str | None) -> str:
    return text if text is not None and pattern.fullmatch(text) else ""
