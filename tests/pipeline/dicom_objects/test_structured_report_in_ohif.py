"""OHIF shows each box of a report as a rectangle where it was put."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from cohort.spine import TARGET_LEVELS, View
from pipeline.dicom_objects.codes import LEVELS
from pipeline.prediction import read_prediction
from tests import EXAMPLES
from tests.viewer import bundled

HALF_A_PIXEL = 0.5


def test_boxes_come_out_where_they_were_put_in(screened: Path, tmp_path: Path) -> None:
    adapter = bundled(tmp_path)
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    shown = adapter.shown(next((screened / "dicom").glob("*_sr.dcm")))
    assert [item.tool for item in shown] == ["RectangleROI"] * 8
    assert len({item.tracking_uid for item in shown}) == 8, "OHIF merges measurements of one tracking identifier"
    for view in View:
        image = pydicom.dcmread(EXAMPLES / "SIM0011-00003" / f"{view}.dcm", stop_before_pixels=True)
        for level in TARGET_LEVELS:
            (item,) = [one for one in shown if one.label.startswith(f"{level} {view} ")]
            assert item.corners == pytest.approx(prediction.views[view].boxes[level].corners, abs=HALF_A_PIXEL)
            assert item.sop_instance_uid == image.SOPInstanceUID
            assert item.site == [LEVELS[level].value] and item.label.endswith("estimated, research use")
