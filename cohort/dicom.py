"""DICOM CR and DX into Radiograph. DICOM is hostile input: sizes are capped before anything is decoded."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ImplicitVRLittleEndian

from cohort.errors import NotRadiograph, ReadError
from cohort.grey import film_range
from cohort.spine import View
from cohort.study import Covariates, Radiograph, Sex, SpacingSource

MAX_FILE_BYTES = 512 * 2**20
MAX_PIXELS = 100_000_000

_PARSE_ERRORS = (
    ValueError, RuntimeError, AttributeError, NotImplementedError, KeyError, TypeError, IndexError, OSError,
    EOFError, struct.error, InvalidDicomError,
)  # fmt: skip
"""What pydicom and its decoders raise for a broken file; they have no common base, and each becomes a ReadError."""

_VIEW_POSITIONS = {
    "AP": View.AP, "PA": View.AP, "LL": View.LATERAL, "RL": View.LATERAL, "LAT": View.LATERAL,
    "LATERAL": View.LATERAL, "LLAT": View.LATERAL, "RLAT": View.LATERAL,
}  # fmt: skip
_AP_WORDS = re.compile(r"(?<![A-Za-z])(AP|PA|A\.P|FRONTAL|ANTEROPOSTERIOR)(?![A-Za-z])", re.IGNORECASE)
_LATERAL_WORDS = re.compile(r"(?<![A-Za-z])(LAT|LATERAL|LL|RL|SIDE|PROFILE)(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """What a DICOM header says, without pixels."""

    study_uid: str | None
    patient_id: str | None
    view: View | None
    covariates: Covariates
    study_date: date | None
    sop_instance_uid: str | None
    pixel_spacing_mm: tuple[float, float] | None
    spacing_source: SpacingSource


def looks_like_dicom(path: Path) -> bool:
    """True for the DICM magic at byte 128 or a usual DICOM name ending."""
    if path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        return True
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def view_from_text(text: str) -> View | None:
    """The view that a description or file name spells, or None when it spells none or both."""
    spaced = re.sub(r"[_\-.]+", " ", text)
    frontal, lateral = bool(_AP_WORDS.search(spaced)), bool(_LATERAL_WORDS.search(spaced))
    if frontal == lateral:
        return None
    return View.AP if frontal else View.LATERAL


def read_header(path: Path) -> Header:
    """Identifiers, view, covariates and spacing.

    Raises:
        ReadError: not a DICOM file, or one without a readable image header.
    """
    return _header(_dataset(path, stop_before_pixels=True), path)


def read_dicom(path: Path, keep_full_range: bool = False) -> tuple[Radiograph, Header]:
    """One single-frame grey image: modality LUT, then VOI LUT or window, then inversion of MONOCHROME1.

    Raises:
        NotRadiograph: colour, several frames, no pixels, or larger than the cap.
        ReadError: unreadable or truncated file, or a transfer syntax that cannot be decoded.

    Source: DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (photometric interpretation).
    """
    head = _dataset(path, stop_before_pixels=True)
    _check_shape(head, path)
    header = _header(head, path)
    dataset = _dataset(path, stop_before_pixels=False)
    if "PixelData" not in dataset:
        raise ReadError(f"{path.name}: pixels cannot be decoded (the file ends before they do); copy it again, whole")
    try:
        stored = dataset.pixel_array
        if stored.ndim != 2:
            raise NotRadiograph(f"{path.name}: pixels of shape {stored.shape}, expected (rows, columns)")
        modality = np.asarray(apply_modality_lut(stored, dataset), np.float32)
        shown = np.asarray(apply_voi_lut(apply_modality_lut(stored, dataset), dataset, index=0), np.float32)
    except _PARSE_ERRORS as error:
        if isinstance(error, NotRadiograph):
            raise
        reason = " ".join(str(error).split())[:160]
        raise ReadError(
            f"{path.name}: pixels cannot be decoded ({reason}); expected a complete CR or DX image"
        ) from error
    inverted = str(head.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1"
    radiograph = Radiograph(
        _unit(shown, inverted, path, has_window=_has_window(dataset)),
        header.pixel_spacing_mm,
        header.spacing_source,
        header.view,
        path,
        header.sop_instance_uid,
        int(head.get("BitsStored", 8) or 8),
        _unit(modality, inverted, path, has_window=True) if keep_full_range else None,
        _anterior_left(head),
    )
    return radiograph, header


def _anterior_left(dataset: Any) -> bool | None:
    """Whether rows run from the front of the patient to the back, as PatientOrientation says, or None.

    Source: DICOM PS3.3 C.7.6.1.1.1.
    """
    along_rows = str((dataset.get("PatientOrientation") or [""])[0]).strip().upper()[:1]
    return {"P": True, "A": False}.get(along_rows)


def _dataset(path: Path, stop_before_pixels: bool) -> Any:
    size = path.stat().st_size
    if size == 0:
        raise ReadError(f"{path.name}: the file is empty; expected a DICOM image")
    if size > MAX_FILE_BYTES:
        raise ReadError(f"{path.name}: {size / 2**20:.0f} MiB, expected at most {MAX_FILE_BYTES / 2**20:.0f} MiB")
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=True)
        if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta = getattr(dataset, "file_meta", pydicom.dataset.FileMetaDataset())
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        known = dataset.get("SOPClassUID") or dataset.get("Rows")
    except _PARSE_ERRORS as error:
        raise ReadError(f"{path.name}: not readable as DICOM ({error}); expected a CR or DX image") from error
    if not known and stop_before_pixels:
        raise ReadError(f"{path.name}: no DICOM image header found; expected a CR or DX image")
    return dataset


def _check_shape(dataset: Any, path: Path) -> None:
    rows, columns = _number(dataset, "Rows"), _number(dataset, "Columns")
    if not rows or not columns:
        modality = dataset.get("Modality", "unknown modality")
        raise NotRadiograph(f"{path.name}: holds no image ({modality}); expected a CR or DX image")
    frames = _number(dataset, "NumberOfFrames") or 1
    if frames != 1:
        raise NotRadiograph(f"{path.name}: {frames:.0f} frames, expected a single radiograph")
    if (_number(dataset, "SamplesPerPixel") or 1) != 1:
        kind = dataset.get("PhotometricInterpretation", "colour")
        raise NotRadiograph(f"{path.name}: colour image ({kind}), expected MONOCHROME1 or MONOCHROME2")
    if rows * columns > MAX_PIXELS:
        raise NotRadiograph(f"{path.name}: {rows:.0f} x {columns:.0f} pixels, expected at most {MAX_PIXELS:,} in all")
    if (_number(dataset, "BitsAllocated") or 16) not in (8, 16, 32):
        raise NotRadiograph(f"{path.name}: BitsAllocated {dataset.get('BitsAllocated')}, expected 8, 16 or 32")


def _header(dataset: Any, path: Path) -> Header:
    try:
        spacing, source = _spacing(dataset)
        study_date = _date(dataset.get("StudyDate"))
        return Header(
            _text(dataset, "StudyInstanceUID"),
            _text(dataset, "PatientID"),
            _view(dataset, path),
            _covariates(dataset, study_date),
            study_date,
            _text(dataset, "SOPInstanceUID"),
            spacing,
            source,
        )
    except _PARSE_ERRORS as error:
        raise ReadError(f"{path.name}: the DICOM header is damaged ({error})") from error


def _view(dataset: Any, path: Path) -> View | None:
    position = str(dataset.get("ViewPosition", "") or "").strip().upper()
    if position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position]
    for keyword in ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription"):
        view = view_from_text(str(dataset.get(keyword, "") or ""))
        if view is not None:
            return view
    return view_from_text(path.stem)


def _spacing(dataset: Any) -> tuple[tuple[float, float] | None, SpacingSource]:
    """PixelSpacing, else ImagerPixelSpacing (measured at the detector); zero or absurd values count as none."""
    for keyword, source in (
        ("PixelSpacing", SpacingSource.PIXEL_SPACING),
        ("ImagerPixelSpacing", SpacingSource.IMAGER_PIXEL_SPACING),
    ):
        value = dataset.get(keyword)
        if value is not None and not isinstance(value, str) and len(value) == 2:
            row, column = float(value[0]), float(value[1])
            if 0.01 <= row <= 5 and 0.01 <= column <= 5:
                return (row, column), source
    return None, SpacingSource.NONE


def _covariates(dataset: Any, study_date: date | None) -> Covariates:
    sex = str(dataset.get("PatientSex", "") or "").strip().upper()
    size, weight = _number(dataset, "PatientSize"), _number(dataset, "PatientWeight")
    height_cm = None
    if size is not None and 0.5 <= size <= 2.6:
        height_cm = size * 100
    elif size is not None and 50 <= size <= 260:
        height_cm = size
    return Covariates(
        _age(dataset, study_date),
        Sex(sex) if sex in ("F", "M") else None,
        height_cm,
        weight if weight is not None and 10 <= weight <= 400 else None,
    )


def _age(dataset: Any, study_date: date | None) -> float | None:
    match = re.fullmatch(r"(\d{1,3})([YMWD])", str(dataset.get("PatientAge", "") or "").strip())
    if match:
        years = int(match[1]) / {"Y": 1, "M": 12, "W": 52.18, "D": 365.25}[match[2]]
    else:
        born = _date(dataset.get("PatientBirthDate"))
        if born is None or study_date is None:
            return None
        years = (study_date - born).days / 365.25
    return round(years, 1) if 0 < years <= 120 else None


def _date(value: object) -> date | None:
    try:
        return datetime.strptime(str(value or "").strip()[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _text(dataset: Any, keyword: str) -> str | None:
    value = str(dataset.get(keyword, "") or "").strip()
    return value or None


def _number(dataset: Any, keyword: str) -> float | None:
    try:
        return float(dataset.get(keyword))
    except (TypeError, ValueError):
        return None


def _has_window(dataset: Any) -> bool:
    """Whether the file says how its values are to be displayed."""
    return dataset.get("WindowCenter") is not None or "VOILUTSequence" in dataset


def _unit(values: npt.NDArray[np.float32], inverted: bool, path: Path, has_window: bool) -> npt.NDArray[np.float32]:
    """Values scaled to [0, 1]; without a window of its own, from black to white of the film between its borders."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ReadError(f"{path.name}: pixel values are not finite; check the rescale and window attributes")
    if not has_window:
        low, high = film_range(values)
    scaled = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
    return np.ascontiguousarray(1 - scaled if inverted else scaled, np.float32)
