"""OHIF shows each box of a report as a rectangle where it was put."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.io.annotations import read_rois
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


def test_boxes_that_a_reader_moved_in_ohif_become_manual_rois(screened: Path, tmp_path: Path) -> None:
    adapter, source = bundled(tmp_path), tmp_path / "source"
    shutil.copytree(EXAMPLES / "SIM0011-00003", source)
    report = next((screened / "dicom").glob("*_sr.dcm"))
    shutil.copy(report, source)
    adapter.moved(report, source / "reader.dcm", 3, -2)
    imported = import_cohort(ImportFormat.DICOM_SR, source, tmp_path / "cohort")
    assert imported.rois == 8
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    rois = read_rois(tmp_path / "cohort" / "rois.csv")
    for view in View:
        for box in rois[prediction.study_uid, view]:
            x0, y0, x1, y1 = prediction.views[view].boxes[box.level].corners
            assert box.corners == pytest.approx((x0 + 3, y0 - 2, x1 + 3, y1 - 2), abs=HALF_A_PIXEL)
