"""Boxes of presentation states lie on the image that they name, whose window they leave alone."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from cohort.spine import TARGET_LEVELS, View
from pipeline.prediction import read_prediction
from tests import EXAMPLES


@pytest.mark.parametrize("view", View)
def test_boxes_and_labels_lie_on_the_image(screened: Path, view: View) -> None:
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    state = pydicom.dcmread(next((screened / "dicom").glob(f"*_gsps_{view}.dcm")))
    image = pydicom.dcmread(EXAMPLES / "SIM0011-00003" / f"{view}.dcm", stop_before_pixels=True)
    assert (state.PatientID, state.PatientName) == (image.PatientID, image.PatientName)
    referenced = state.ReferencedSeriesSequence[0].ReferencedImageSequence[0]
    assert referenced.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert state.BodyPartExamined == "LSPINE" and "SoftcopyVOILUTSequence" not in state
    annotation = state.GraphicAnnotationSequence[0]
    boxes = [list(item.GraphicData) for item in annotation.GraphicObjectSequence]
    for points, level in zip(boxes, TARGET_LEVELS, strict=True):
        x0, y0, x1, y1 = prediction.views[view].boxes[level].corners
        assert points == pytest.approx([x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], abs=0.02)
    texts = [item.UnformattedTextValue for item in annotation.TextObjectSequence]
    assert texts == ["OsteoLens: osteoporosis; estimated, research use", "L1", "L2", "L3", "L4"]
