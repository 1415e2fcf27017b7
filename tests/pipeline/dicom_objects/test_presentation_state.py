"""Boxes of presentation states lie on the image that they name, whose window they leave alone."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from highdicom.color import CIELabColor

from cohort.spine import TARGET_LEVELS, View
from pipeline.appearance.colours import LEVELS, rgb
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
    title, *annotations = state.GraphicAnnotationSequence
    assert [item.UnformattedTextValue for item in title.TextObjectSequence] == [
        f"OsteoLens: {prediction.bmd_class}; estimated, research use"
    ]
    layers = {layer.GraphicLayer: layer for layer in state.GraphicLayerSequence}
    assert sorted(layer.GraphicLayerOrder for layer in layers.values()) == [1, 2, 3, 4, 5]
    for level, annotation in zip(TARGET_LEVELS, annotations, strict=True):
        (graphic,), (text,) = annotation.GraphicObjectSequence, annotation.TextObjectSequence
        x0, y0, x1, y1 = prediction.views[view].boxes[level].corners
        assert list(graphic.GraphicData) == pytest.approx([x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], abs=0.02)
        assert text.UnformattedTextValue == level
        shown = layers[annotation.GraphicLayer].GraphicLayerRecommendedDisplayCIELabValue
        assert CIELabColor.from_dicom_value(shown).to_rgb() == pytest.approx(rgb(LEVELS[level]), abs=1)
