"""A result as DICOM secondary capture: the overlay of a view with the words below, which every viewer shows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from PIL import Image, ImageDraw
from pydicom import Dataset

from cohort.spine import View
from pipeline.appearance.colours import DARK, rgb
from pipeline.appearance.lettering import font, legible, wrapped
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, software_version
from pipeline.dicom_objects.source import SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE, beside_overlay, result_lines
from pipeline.prediction import Prediction

Picture = npt.NDArray[np.uint8]

LEAST_WIDTH = 640
"""Columns that the words need."""

LETTERS, LEAST_LETTERS_PX = 0.02, 18
"""Size of the letters by the height of the overlay, and the least in pixels."""

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
        return _words(result_lines(prediction), LEAST_WIDTH, LEAST_LETTERS_PX)
    decoded = cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        return _words(result_lines(prediction), LEAST_WIDTH, LEAST_LETTERS_PX)
    top = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    width = max(LEAST_WIDTH, top.shape[1])
    left = (width - top.shape[1]) // 2
    padded = np.full((top.shape[0], width, 3), rgb(DARK["page"]), np.uint8)
    padded[:, left : left + top.shape[1]] = top
    return np.vstack(
        (padded, _words(beside_overlay(prediction), width, max(LEAST_LETTERS_PX, round(LETTERS * top.shape[0]))))
    )


def _words(lines: Sequence[str], width: int, size_px: int) -> Picture:
    """Lines on a dark ground, wrapped; a sign that the font lacks is written as its code point."""
    margin, step, face = round(0.6 * size_px), round(1.42 * size_px), font(size_px)
    parts = [part for line in lines for part in wrapped(legible(line), face, width - 2 * margin)]
    band = Image.new("RGB", (width, 2 * margin + step * len(parts)), rgb(DARK["page"]))
    draw = ImageDraw.Draw(band)
    for number, text in enumerate(parts):
        draw.text((margin, margin + step * number), text, rgb(DARK["text"]), face)
    return np.asarray(band, np.uint8)
