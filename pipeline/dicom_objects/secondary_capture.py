"""A result as DICOM secondary capture: the overlay of a view with the words below, which every viewer shows."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from pydicom import Dataset

from cohort.spine import View
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, software_version
from pipeline.dicom_objects.source import SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE, beside_overlay, result_lines
from pipeline.prediction import Prediction

Picture = npt.NDArray[np.uint8]

LEAST_WIDTH = 640
"""Columns that the words need."""

_SCALE, _LINE, _MARGIN, _CHARACTER = 0.5, 22, 10, 9.2
_GROUND, _INK = 24, (235, 235, 235)
_NUMBERS = {View.AP: 1, View.LATERAL: 2}


def secondary_capture(
    prediction: Prediction, source: SourceStudy, config: DicomConfig, view: View | None, overlay: bytes | None
) -> Dataset:
    """One picture in colour, whose identifier follows from its pixels.

    Args:
        prediction: the result.
        source: DICOM images that it comes from.
        config: root of identifiers and number of the series.
        view: that the overlay shows, or None for words alone.
        overlay: PNG of the view, or None.
    """
    pixels = picture(prediction, overlay)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    header, (day, time) = source.header, source.moment
    said = (str(view), digest, str(pixels.shape), str(config.series_number), str(header.to_json_dict()))
    capture = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=source.study_uid,
        series_instance_uid=derived_uid(config.uid_root, source.study_uid, "sc"),
        series_number=config.series_number + 1,
        sop_instance_uid=derived_uid(config.uid_root, source.study_uid, "sc", *said),
        instance_number=3 if view is None else _NUMBERS[view],
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number=device_serial(prediction.model),
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate,
        patient_sex=header.PatientSex,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate or None,
        study_time=header.StudyTime or None,
        referring_physician_name=header.ReferringPhysicianName,
        patient_orientation=("L", "F"),
        series_description=f"OsteoLens overlay, {RESEARCH_USE}",
        specific_character_set="ISO_IR 192",
        content_date=day,
        content_time=time,
    )
    capture.PatientOrientation = None
    capture.BodyPartExamined = "LSPINE"
    capture.BurnedInAnnotation = "YES"
    capture.ImageComments = RESEARCH_USE
    return capture


def picture(prediction: Prediction, overlay: bytes | None) -> Picture:
    """RGB (rows, columns, 3) of an overlay with words below it, or of words alone."""
    if overlay is None:
        return _words(result_lines(prediction), LEAST_WIDTH)
    decoded = cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        return _words(result_lines(prediction), LEAST_WIDTH)
    top = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    width = max(LEAST_WIDTH, top.shape[1])
    left = (width - top.shape[1]) // 2
    padded = np.full((top.shape[0], width, 3), _GROUND, np.uint8)
    padded[:, left : left + top.shape[1]] = top
    return np.vstack((padded, _words(beside_overlay(prediction), width)))


def _words(lines: Sequence[str], width: int) -> Picture:
    """Lines on a dark ground, wrapped; characters that the font lacks are question marks."""
    characters = int((width - 2 * _MARGIN) / _CHARACTER)
    wrapped = [part for line in lines for part in textwrap.wrap(line, characters, subsequent_indent="  ")]
    band = np.full((2 * _MARGIN + _LINE * len(wrapped), width, 3), _GROUND, np.uint8)
    for number, text in enumerate(wrapped, start=1):
        plain = text.encode("ascii", "replace").decode("ascii")
        at = (_MARGIN, _LINE * number)
        cv2.putText(band, plain, at, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, _INK, 1, cv2.LINE_AA)
    return band
