"""DICOM CR and DX into Radiograph. Sizes are limited before anything is decoded."""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from cohort.covariates import Covariates
from cohort.io.dicom.attributes import VALUE_ERRORS, Attributes, brief, covariates_of, spacing_of, system_of
from cohort.io.dicom.pixels import check_codestream, shown_pixels
from cohort.io.view_names import view_from_path, view_from_text
from cohort.spine import View
from cohort.study import Radiograph, SpacingSource
from osteolens.errors import NotRadiograph, OsteoLensError, ReadError

__all__ = ["Header", "read_dicom", "read_header", "view_from_text"]

MAX_FILE_BYTES = 512 * 2**20
MAX_PIXELS = 100_000_000
MAX_INFLATED_BYTES = 1024 * 2**20

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", ".dic")

_PARSE_ERRORS = (*VALUE_ERRORS, RuntimeError, OSError, EOFError, MemoryError, InvalidDicomError, zlib.error)
"""What pydicom and its decoders raise for a broken file; they have no common base, and each becomes a ReadError."""

_DEFLATED = str(DeflatedExplicitVRLittleEndian).encode()

_GROUPS = (b"\x02\x00", b"\x08\x00")
"""How a data set without a preamble begins: group 0002 or 0008, little endian."""

_FOR_PROCESSING = tuple(f"1.2.840.10008.5.1.4.1.1.1.{kind}.1" for kind in (1, 2, 3))

_VIEW_KEYWORDS = ("ViewPosition", "SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")

_NO_RADIOGRAPHS = {
    "CT": "a CT slice", "MR": "an MR image", "PT": "a PET image", "NM": "a scintigram", "US": "an ultrasound image",
    "IVUS": "an ultrasound image", "OCT": "a tomogram", "OPT": "a tomogram", "SM": "a microscope slide",
    "ES": "an endoscope's picture", "XC": "a photograph", "ECG": "a curve", "SEG": "a segmentation",
    "RTDOSE": "a dose", "MG": "a mammogram",
    "BMD": "a densitometry image", "DXA": "a densitometry image", "RTIMAGE": "a treatment image",
}  # fmt: skip
"""Modalities whose pixels are no projection radiograph."""


UNKNOWN = Covariates()
"""Covariates of a patient of whom nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Values of a DICOM header; empty for a plain image.

    Attributes:
        study_uid: StudyInstanceUID.
        patient_id: PatientID.
        view: AP or lateral, or None.
        covariates: age, sex, height, weight.
        study_date: day of the radiographs.
        sop_instance_uid: SOPInstanceUID.
        pixel_spacing_mm: (row, column) as stored.
        spacing_source: where the spacing comes from.
        raw: whether the pixels are FOR PROCESSING, raw values of the detector.
        no_radiograph: why this object can be no radiograph, or None.
        system: manufacturer and model of the radiography system, or None.
        notes: values that could not be read.
    """

    study_uid: str | None = None
    patient_id: str | None = None
    view: View | None = None
    covariates: Covariates = UNKNOWN
    study_date: date | None = None
    sop_instance_uid: str | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_source: SpacingSource = SpacingSource.NONE
    raw: bool = False
    no_radiograph: str | None = None
    system: str | None = None
    notes: tuple[str, ...] = ()


NO_HEADER = Header()
"""Header of a plain image: every value is unknown."""


def looks_like_dicom(path: Path) -> bool:
    """Whether the content is that of a DICOM file: the mark at byte 128, or a bare data set from its first group on."""
    with path.open("rb") as stream:
        start = stream.read(132)
    return start[128:132] == b"DICM" or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """Group 0002 or 0008, an even element below 0x0100, and a length that is small or a known representation."""
    if len(start) < 16 or start[:2] not in _GROUPS or start[3] != 0:
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return explicit or int.from_bytes(start[4:8], "little") < 1024


def read_header(path: Path) -> Header:
    """Identifiers, view, covariates and spacing.

    Raises:
        ReadError: not a DICOM file, or one without a readable header.
    """
    return _header(Attributes(_dataset(path, stop_before_pixels=True)), path)


def read_attributes(path: Path) -> Attributes:
    """Attributes of a file without its pixels.

    Raises:
        ReadError: as `read_header`.
    """
    return Attributes(_dataset(path, stop_before_pixels=True))


def read_dicom(path: Path, with_full_range: bool = False) -> Radiograph:
    """One single-frame grey image as a viewer shows it (`cohort.io.dicom.pixels`); the file is parsed once.

    Args:
        path: the file.
        with_full_range: whether the image before its display window is kept too; training needs it.

    Raises:
        NotRadiograph: a coloured picture, several frames, no pixels, raw detector values, or larger than the cap.
        ReadError: unreadable or truncated file, or a transfer syntax that cannot be decoded.
    """
    dataset = _dataset(path, stop_before_pixels=False)
    attributes = Attributes(dataset)
    header = _header(attributes, path)
    rows, columns = _check_shape(attributes, header, path)
    if "PixelData" not in dataset:
        raise ReadError(f"{path.name}: pixels cannot be decoded (the file ends before they do); copy it again, whole")
    try:
        with warnings.catch_warnings(action="ignore"):
            check_codestream(dataset, rows, columns, path.name)
            shown = shown_pixels(dataset, attributes, path.name, with_full_range)
    except OsteoLensError:
        raise
    except _PARSE_ERRORS as error:
        raise ReadError(
            f"{path.name}: pixels cannot be decoded ({brief(error)}); expected a complete CR or DX image"
        ) from error
    spacing = header.pixel_spacing_mm
    if spacing is not None:
        spacing = spacing[0] * shown.spacing_factors[0], spacing[1] * shown.spacing_factors[1]
        spacing = spacing[::-1] if shown.was_transposed else spacing
    return Radiograph(
        pixels=shown.pixels,
        pixel_spacing_mm=spacing,
        spacing_source=header.spacing_source,
        view=header.view,
        path=path,
        sop_instance_uid=header.sop_instance_uid,
        bits=attributes.integer("BitsStored", 8),
        full_range=shown.full_range,
        anterior_left=shown.anterior_left,
        stored_shape=(rows, columns),
        is_turned=shown.is_turned,
        notes=tuple(dict.fromkeys(attributes.notes)),
    )


def _dataset(path: Path, stop_before_pixels: bool) -> Dataset:
    size = path.stat().st_size
    if size == 0:
        raise ReadError(f"{path.name}: the file is empty; expected a DICOM image")
    if size > MAX_FILE_BYTES:
        raise ReadError(f"{path.name}: {size / 2**20:.0f} MiB, expected at most {MAX_FILE_BYTES / 2**20:.0f} MiB")
    try:
        with warnings.catch_warnings(action="ignore"):
            _check_inflated(path)
            dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=True)
        if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta = getattr(dataset, "file_meta", pydicom.dataset.FileMetaDataset())
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        known = dataset.get("SOPClassUID") or dataset.get("Rows")
    except _PARSE_ERRORS as error:
        raise ReadError(f"{path.name}: not readable as DICOM ({brief(error)}); expected a CR or DX image") from error
    if not known and not stop_before_pixels:
        _dataset(path, stop_before_pixels=True)
        raise ReadError(f"{path.name}: pixels cannot be decoded (the file ends before they do); copy it again, whole")
    if not known:
        raise ReadError(f"{path.name}: no DICOM image header found; expected a CR or DX image")
    return dataset


def _check_inflated(path: Path) -> None:
    """A deflated data set is unpacked in pieces first, so that a small file cannot fill the memory.

    Raises:
        ReadError: it unpacks to more than MAX_INFLATED_BYTES.
    """
    with path.open("rb") as stream:
        if _DEFLATED not in stream.read(1024):
            return
        meta = pydicom.filereader.read_file_meta_info(path)
        stream.seek(144 + int(meta.FileMetaInformationGroupLength))
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (part := inflater.unconsumed_tail or stream.read(2**20)):
            total += len(inflater.decompress(part, 2**24))
            if total > MAX_INFLATED_BYTES:
                raise ReadError(
                    f"{path.name}: unpacks to more than {MAX_INFLATED_BYTES / 2**20:.0f} MiB; expected a radiograph"
                )


def _check_shape(attributes: Attributes, header: Header, path: Path) -> tuple[int, int]:
    rows, columns = attributes.integer("Rows"), attributes.integer("Columns")
    if rows <= 0 or columns <= 0:
        raise NotRadiograph(f"{path.name}: holds {header.no_radiograph}; expected a CR or DX image")
    if header.raw:
        raise NotRadiograph(
            f"{path.name}: PresentationIntentType FOR PROCESSING, raw values of the detector; "
            "expected the image FOR PRESENTATION"
        )
    frames = attributes.integer("NumberOfFrames", 1)
    if frames != 1:
        raise NotRadiograph(f"{path.name}: {frames} frames, expected a single radiograph")
    samples = attributes.integer("SamplesPerPixel", 1)
    if samples not in (1, 3):
        raise NotRadiograph(f"{path.name}: SamplesPerPixel {samples}, expected 1 or 3")
    if rows * columns > MAX_PIXELS:
        raise NotRadiograph(f"{path.name}: {rows} x {columns} pixels, expected at most {MAX_PIXELS:,} in all")
    if (bits := attributes.integer("BitsAllocated", 16)) not in (8, 16, 32):
        raise NotRadiograph(f"{path.name}: BitsAllocated {bits}, expected 8, 16 or 32")
    return rows, columns


def _header(attributes: Attributes, path: Path) -> Header:
    try:
        with warnings.catch_warnings(action="ignore"):
            spacing, source = spacing_of(attributes)
            dates = (attributes.day(name) for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"))
            study_date = next((day for day in dates if day is not None), None)
            return Header(
                study_uid=attributes.text("StudyInstanceUID"),
                patient_id=attributes.text("PatientID"),
                view=_view(attributes, path),
                covariates=covariates_of(attributes, study_date),
                study_date=study_date,
                sop_instance_uid=attributes.text("SOPInstanceUID"),
                pixel_spacing_mm=spacing,
                spacing_source=source,
                raw=_is_raw(attributes),
                no_radiograph=_no_radiograph(attributes),
                system=system_of(attributes),
                notes=tuple(attributes.notes),
            )
    except _PARSE_ERRORS as error:
        raise ReadError(f"{path.name}: the DICOM header is damaged ({brief(error)})") from error


def _is_raw(header: Attributes) -> bool:
    """Whether the pixels are values of the detector that no display processing has seen.

    Source: DICOM PS3.3 C.8.11.3 and PS3.4 B.5 (storage of DX, MG and IO images for processing).
    """
    intent = (header.text("PresentationIntentType") or "").upper()
    return intent == "FOR PROCESSING" or header.text("SOPClassUID") in _FOR_PROCESSING


def _no_radiograph(header: Attributes) -> str | None:
    """Why an object can be no radiograph: it has no pixels, or is of another kind of machine."""
    modality = (header.text("Modality") or "").upper()
    if header.integer("Rows") <= 0 or header.integer("Columns") <= 0:
        return f"no image ({brief(modality, 16) or 'unknown modality'})"
    return f"{_NO_RADIOGRAPHS[modality]} ({modality})" if modality in _NO_RADIOGRAPHS else None


def _meaning(header: Attributes, keyword: str) -> str:
    """CodeMeaning of the first item of a sequence of codes."""
    items = header.value(keyword)
    try:
        return str(items[0].get("CodeMeaning", "")) if items else ""
    except VALUE_ERRORS:
        return ""


def _view(header: Attributes, path: Path) -> View | None:
    """ViewPosition, the view's code, else the first description that spells a view, else the names of the file and its
    folder. StudyDescription is not read, since it is of all radiographs of the study."""
    texts = [header.text(keyword) or "" for keyword in _VIEW_KEYWORDS]
    texts.insert(1, _meaning(header, "ViewCodeSequence"))
    for text in texts:
        view = view_from_text(text)
        if view is not None:
            return view
    return view_from_path(path.relative_to(path.parents[1]) if len(path.parents) > 1 else path)
