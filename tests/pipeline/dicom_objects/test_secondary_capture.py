"""Secondary captures show the overlay and the words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom

from pipeline.dicom_objects.secondary_capture import picture
from pipeline.prediction import read_prediction


def test_the_overlay_stands_above_the_words(screened: Path) -> None:
    capture = pydicom.dcmread(next((screened / "dicom").glob("*_sc_LATERAL.dcm")))
    overlay = cv2.imread(str(next((screened / "overlays").glob("*_LATERAL.png"))))
    assert overlay is not None
    pixels = capture.pixel_array
    left = (pixels.shape[1] - overlay.shape[1]) // 2
    assert np.array_equal(pixels[: overlay.shape[0], left : left + overlay.shape[1]], overlay[..., ::-1])
    assert pixels.shape[0] > overlay.shape[0] + 40
    assert (capture.BodyPartExamined, capture.BurnedInAnnotation) == ("LSPINE", "YES")
    assert "research use" in capture.ImageComments


def test_long_warnings_are_wrapped_and_words_alone_are_a_picture(screened: Path) -> None:
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    long = replace(prediction, warnings=("a warning of many words " * 20,))
    plain, wrapped = picture(prediction, None), picture(long, None)
    assert plain.shape[1] == wrapped.shape[1] and wrapped.shape[0] > plain.shape[0] + 100
    assert picture(prediction, b"no picture").shape == plain.shape
