"""What a report says, where its boxes lie, and what it inherits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from cohort.spine import TARGET_LEVELS, View
from pipeline.prediction import read_prediction
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
    assert named(study, "121071")[0].ConceptCodeSequence[0].CodeValue == "64859006"


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
