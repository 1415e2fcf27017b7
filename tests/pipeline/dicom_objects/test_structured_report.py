"""What a report says, where its boxes lie, and what it inherits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cohort.bmd import BmdClass
from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.io.annotations import read_rois
from cohort.spine import TARGET_LEVELS, View
from pipeline.bundle.load import Bundle
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.prediction import read_prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES


@pytest.fixture(scope="module")
def report(screened: Path) -> Dataset:
    return pydicom.dcmread(next((screened / "dicom").glob("*_sr.dcm")))


def items(node: Dataset) -> Iterator[Dataset]:
    for item in node.get("ContentSequence", ()):
        yield item
        yield from items(item)


def groups(report: Dataset) -> list[Dataset]:
    return [item for item in items(report) if item.ConceptNameCodeSequence[0].CodeValue == "125007"]


def named(node: Dataset, code: str) -> list[Dataset]:
    return [item for item in node.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == code]


def test_it_is_preliminary_and_says_so(report: Dataset) -> None:
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert report.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert "estimated, research use" in report.SeriesDescription
    comments = [item.TextValue for group in groups(report) for item in named(group, "121106")]
    assert len(comments) == 9 and all("research use" in text for text in comments)


def test_boxes_are_closed_polylines_in_perimeter_order_on_their_images(report: Dataset, screened: Path) -> None:
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    found = {}
    for group in groups(report):
        for region in [item for item in group.ContentSequence if item.ValueType == "SCOORD"]:
            image = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            found[named(group, "112039")[0].TextValue] = (list(region.GraphicData), image)
            assert region.GraphicType == "POLYLINE"
    assert len(found) == 8
    for view in View:
        path = EXAMPLES / "SIM0011-00003" / f"{view}.dcm"
        uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
        for level in TARGET_LEVELS:
            x0, y0, x1, y1 = prediction.views[view].boxes[level].corners
            points, image = found[f"{level} {view}"]
            assert points == pytest.approx([x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], abs=0.02)
            assert image == uid


def test_the_library_that_wrote_it_reads_it(screened: Path) -> None:
    content = srread(next((screened / "dicom").glob("*_sr.dcm"))).content
    assert len(content.get_planar_roi_measurement_groups()) == 8
    (study,) = content.get_image_measurement_groups()
    assert len(study.get_measurements()) == 4


def test_no_two_groups_share_a_tracking_identifier(report: Dataset) -> None:
    tracked = [named(group, "112040")[0].UID for group in groups(report)]
    assert len(tracked) == len(set(tracked)) == 9


def test_the_study_has_probabilities_and_an_estimated_t_score(report: Dataset, screened: Path) -> None:
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    study = groups(report)[-1]
    by_class = {}
    for number in named(study, "122157"):
        of = named(number, "121071")[0].ConceptCodeSequence[0]
        by_class[of.CodeMeaning.lower()] = float(number.MeasuredValueSequence[0].NumericValue)
    assert by_class == pytest.approx({str(c): p for c, p in prediction.probabilities.items()})
    t_score = named(study, "T_SCORE")[0]
    assert t_score.ConceptNameCodeSequence[0].CodingSchemeDesignator == "99OSTEOLENS"
    assert float(t_score.MeasuredValueSequence[0].NumericValue) == prediction.t_score
    unit = t_score.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("1", "UCUM")
    assert named(t_score, "370129005")[0].ConceptCodeSequence[0].CodeValue == "414135002"
    codes = {BmdClass.NORMAL: "17621005", BmdClass.OSTEOPENIA: "312894000", BmdClass.OSTEOPOROSIS: "64859006"}
    assert prediction.bmd_class is not None
    assert named(study, "121071")[0].ConceptCodeSequence[0].CodeValue == codes[prediction.bmd_class]


def test_it_names_software_weights_and_both_images(report: Dataset, screened: Path) -> None:
    prediction = read_prediction(next((screened / "studies").glob("*.json")))
    said = {item.TextValue for group in groups(report) for item in named(group, "111002")}
    assert {f"{name}={value}" for name, value in prediction.model.as_json().items()} == said
    referenced = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    images = [pydicom.dcmread(p, stop_before_pixels=True) for p in (EXAMPLES / "SIM0011-00003").glob("*.dcm")]
    assert referenced == {image.SOPInstanceUID for image in images}
    assert (report.PatientID, report.PatientName) == (images[0].PatientID, images[0].PatientName)
    assert report.StudyInstanceUID == images[0].StudyInstanceUID


@pytest.mark.parametrize("orientation", [["R", "H"], ["F", "L"]])
def test_boxes_of_a_turned_image_lie_on_its_stored_pixels(
    bundle: Bundle, tmp_path: Path, orientation: list[str]
) -> None:
    """The same radiograph stored upside down, or with rows and columns exchanged, and read back."""
    source = tmp_path / "source"
    source.mkdir()
    image = pydicom.dcmread(EXAMPLES / "SIM0011-00003" / "AP.dcm")
    pixels = image.pixel_array[::-1, ::-1] if orientation == ["R", "H"] else image.pixel_array.T
    image.PatientOrientation, (image.Rows, image.Columns) = orientation, pixels.shape
    image.PixelData = np.ascontiguousarray(pixels).tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image["PixelData"].is_undefined_length = False
    image.save_as(source / "AP.dcm")
    options = ScreeningOptions(config=ScreeningConfig(dicom=DicomConfig(objects=(DicomObject.SR,))))
    screen_folder(source, tmp_path / "out", bundle, options)
    prediction = read_prediction(next((tmp_path / "out" / "studies").glob("*.json")))
    path = next((tmp_path / "out" / "dicom").glob("*_sr.dcm"))
    regions = [item for item in items(pydicom.dcmread(path)) if item.ValueType == "SCOORD"]
    rows, columns = prediction.views[View.AP].detection.image_shape
    for region, level in zip(regions, TARGET_LEVELS, strict=True):
        x0, y0, x1, y1 = prediction.views[View.AP].boxes[level].corners
        stored = (columns - x1, rows - y1, columns - x0, rows - y0)
        expected = stored if orientation == ["R", "H"] else (y0, x0, y1, x1)
        points = list(region.GraphicData)
        assert (points[0], points[1], points[4], points[5]) == pytest.approx(expected, abs=0.02)
    shutil.copy(path, source)
    import_cohort(ImportFormat.DICOM_SR, source, tmp_path / "cohort")
    for box in read_rois(tmp_path / "cohort" / "rois.csv")[prediction.study_uid, View.AP]:
        assert box.corners == pytest.approx(prediction.views[View.AP].boxes[box.level].corners, abs=0.02)
