"""Reports name the reader, hold what he said, and come back as his boxes."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.io.annotations import read_readings, read_rois
from cohort.spine import TARGET_LEVELS
from pipeline.bundle.load import Bundle
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.prediction import read_prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES
from tests.pipeline.review.pages import Page, drawn, open_page

PATIENT = EXAMPLES / "SIM0011-00003"


@pytest.fixture(scope="module")
def with_report(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("with_report")
    config = ScreeningConfig(dicom=DicomConfig(objects=(DicomObject.SR,), uid_root="1.2.3.77"))
    screen_folder(PATIENT, out, bundle, ScreeningOptions(config=config))
    return out


@pytest.fixture
def out(with_report: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(with_report, tmp_path / "out"))


def items(node: Dataset) -> Iterator[Dataset]:
    for item in node.get("ContentSequence", ()):
        yield item
        yield from items(item)


def said(report: Dataset, code: str) -> list[str]:
    """Texts, codes and names of the items of a concept."""
    found = [item for item in items(report) if item.ConceptNameCodeSequence[0].CodeValue == code]
    return [
        str(item.get("TextValue") or item.get("PersonName") or item.ConceptCodeSequence[0].CodeMeaning)
        for item in found
    ]


def corrected(page: Page, **more: Any) -> dict[str, Any]:
    """Boxes of the first study, of which L2 AP is moved and L1 LATERAL left out, as they were saved."""
    uid = page.uids[0]
    views = drawn(page.get(f"/api/study/{uid}"))
    if "AP" in views and views["AP"]["boxes"]:
        moved = next(box for box in views["AP"]["boxes"] if box["level"] == "L2")
        moved["x0"], moved["y1"] = moved["x0"] + 7.31, moved["y1"] - 3.12
        views["LATERAL"]["left_out"] = {"L1": "metal"}
    page.post(f"/api/study/{uid}/corrections", {"views": views, "fracture_grades": {"L3": 2}, **more})
    return views


def reports_of(page: Page) -> dict[str, Dataset]:
    answer = page.client.get("/api/export/reports.zip")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        return {name: pydicom.dcmread(BytesIO(archive.read(name))) for name in archive.namelist()}


def replaced(report: Dataset) -> list[str]:
    return [
        item.ReferencedSOPInstanceUID
        for study in report.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


def test_the_report_names_the_reader_and_says_what_he_said(out: Path) -> None:
    with open_page(out, reader="anna") as page:
        corrected(page)
        (report,) = reports_of(page).values()
    automatic = pydicom.dcmread(next((out / "dicom").glob("*_sr.dcm")))
    assert said(report, "121005") == ["Person", "Device"] and said(report, "121008") == ["anna"]
    assert report.VerificationFlag == "UNVERIFIED" and report.PreliminaryFlag == "PRELIMINARY"
    assert replaced(report) == [automatic.SOPInstanceUID]
    assert report.SOPInstanceUID.startswith("1.2.3.77.") and report.SeriesInstanceUID != automatic.SeriesInstanceUID
    assert (report.PatientID, report.StudyInstanceUID) == (automatic.PatientID, automatic.StudyInstanceUID)
    text = "\n".join(said(report, "121106"))
    assert "L2 AP drawn by anna" in text and "L3 AP found by OsteoLens and kept by anna" in text
    assert "L1 LATERAL found by OsteoLens and kept by anna, left out (metal)" in text
    before = read_prediction(next((out / "studies").glob("*.json"))).bmd_class
    assert f"replaces report {automatic.SOPInstanceUID}" in text and f"OsteoLens before: {before}" in text
    assert said(report, "FRACTURE_L3") == ["Grade 2, moderate"] and said(report, "FRACTURE_L2") == []
    assert said(report, "PREDICTIONS") == ["Predictions were shown"]


def test_the_class_is_that_on_the_boxes_that_were_saved(out: Path) -> None:
    with open_page(out, reader="anna") as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        page.post(f"/api/study/{uid}/classify", {"views": views})
        moved = corrected(page)
        (report,) = reports_of(page).values()
        (study,) = page.get("/api/export/corrected.json")["studies"]
        again = page.post(f"/api/study/{uid}/classify", {"views": moved})
    found = {}
    for item in items(report):
        if item.ConceptNameCodeSequence[0].CodeValue == "122157":
            (of,) = item.ContentSequence[-1].ConceptCodeSequence
            found[of.CodeMeaning.lower()] = float(item.MeasuredValueSequence[0].NumericValue)
    assert found == pytest.approx(again["probabilities"])
    assert study["result"]["corrected"]["probabilities"] == again["probabilities"]
    assert study["result"]["predicted"]["probabilities"] != again["probabilities"], "the first one stands beside"


def test_the_report_conforms_and_a_saved_one_replaces_it(out: Path, tmp_path: Path) -> None:
    with open_page(out, reader="anna") as page:
        corrected(page)
        first = page.client.get("/api/export/reports.zip").content
        assert page.client.get("/api/export/reports.zip").content == first, "the same reading is the same object"
        (one,) = reports_of(page).values()
        corrected(page, not_evaluable="motion")
        (two,) = reports_of(page).values()
    assert replaced(two)[0] == one.SOPInstanceUID and len(replaced(two)) == 2
    assert two.SOPInstanceUID != one.SOPInstanceUID and two.SeriesInstanceUID == one.SeriesInstanceUID
    assert said(two, "121071")[-1] == "Not evaluable, said by the reader" and two.CompletionFlag == "PARTIAL"
    assert not [item for item in items(two) if item.ValueType == "SCOORD"]
    assert "not evaluable: motion" in "\n".join(said(two, "121106"))
    one.save_as(tmp_path / "read.dcm")
    assert len(srread(tmp_path / "read.dcm").content.get_planar_roi_measurement_groups()) == 8
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("NOT CHECKED against the standard: dciodvfy is missing (apt-get install dicom3tools)")
    for name, report in (("one", one), ("two", two)):
        report.save_as(tmp_path / f"{name}.dcm")
        done = subprocess.run([program, tmp_path / f"{name}.dcm"], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_the_boxes_of_readers_are_imported_to_half_a_pixel(out: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(PATIENT, tmp_path / "source"))
    sent = {}
    for reader, round_ in (("anna", 1), ("ben", 1), ("anna", 2)):
        with open_page(out, reader=reader, round=round_) as page:
            sent[page.review.options.name] = corrected(page)
            for name, report in reports_of(page).items():
                report.save_as(source / f"{page.review.options.name}_{name}")
    shutil.copy(next((out / "dicom").glob("*_sr.dcm")), source)
    report = import_cohort(ImportFormat.DICOM_SR, source, tmp_path / "cohort")
    readings = read_readings(tmp_path / "cohort" / "readers.csv")
    assert set(readings) == {"anna", "anna.2", "ben"}
    for reader, rois in readings.items():
        assert {view for _, view in rois} == {"AP", "LATERAL"}
        for (_, view), boxes in rois.items():
            expected = {box["level"]: box for box in sent[reader][view]["boxes"] if box["level"] in TARGET_LEVELS}
            assert {box.level for box in boxes} == set(expected)
            for box in boxes:
                one = expected[box.level]
                assert box.corners == pytest.approx([one[name] for name in ("x0", "y0", "x1", "y1")], abs=0.5)
    assert len(read_rois(tmp_path / "cohort" / "rois.csv")) == 2
    assert "a later report replaces it" in str(report.skipped)


def test_a_report_of_a_blind_reading_holds_no_class_and_replaces_nothing(out: Path) -> None:
    with open_page(out) as page:
        views = drawn(page.get(f"/api/study/{page.uids[0]}"))
    with open_page(out, reader="anna", reader_study=True) as page:
        page.post(f"/api/study/{page.uids[0]}/corrections", {"views": {"AP": views["AP"]}})
        (report,) = reports_of(page).values()
    assert said(report, "PREDICTIONS") == ["Predictions were hidden"] and replaced(report) == []
    concepts = {item.ConceptNameCodeSequence[0].CodeValue for item in items(report)}
    assert not concepts & {"122157", "T_SCORE", "DECISION"}
    assert "osteoporosis" not in "\n".join(said(report, "121106")).lower()
    assert len([item for item in items(report) if item.ValueType == "SCOORD"]) == len(TARGET_LEVELS)


def test_a_study_whose_image_is_gone_has_no_report_and_says_why(out: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(PATIENT, tmp_path / "images"))
    with open_page(out, cohort=None, images=images, reader="anna") as page:
        corrected(page)
        assert reports_of(page)
        folders = page.review.store._folders
        page.review.store._folders = ()
        answer = page.client.get("/api/export/reports.zip")
        page.review.store._folders = folders
    assert answer.status_code == 422 and "the AP image: the image file is not found" in answer.json()["error"]
    assert not list((out / "review" / "reports" / "anna").iterdir()), "whole or not at all"


@pytest.mark.parametrize("orientation", [["R", "H"], ["F", "L"]])
def test_boxes_on_a_rejected_study_of_a_turned_image_come_back(
    bundle: Bundle, tmp_path: Path, orientation: list[str]
) -> None:
    """Stored upside down, or with rows and columns exchanged, and without a class."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    image = pydicom.dcmread(PATIENT / "AP.dcm")
    pixels = image.pixel_array[::-1, ::-1] if orientation == ["R", "H"] else image.pixel_array.T
    image.PatientOrientation, (image.Rows, image.Columns) = orientation, pixels.shape
    image.PixelData = np.ascontiguousarray(pixels).tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image["PixelData"].is_undefined_length = False
    image.save_as(source / "AP.dcm")
    screen_folder(source, out, bundle, ScreeningOptions(config=ScreeningConfig(min_confidence=1.0)))
    box = {"level": "L2", "x0": 101.5, "y0": 210.25, "x1": 190.75, "y1": 260.5}
    with open_page(out, cohort=None, images=source, reader="anna") as page:
        assert page.get("/api/worklist")["studies"][0]["status"] == "rejected"
        page.post(f"/api/study/{page.uids[0]}/corrections", {"views": {"AP": {"boxes": [box]}}})
        ((name, report),) = reports_of(page).items()
    text = "\n".join(said(report, "121106"))
    assert "no class on the reader's boxes: no view has 2 of L1 to L4" in text
    assert "OsteoLens before: no class (rejected)" in text and "no report of it was replaced" in text
    report.save_as(source / name)
    import_cohort(ImportFormat.DICOM_SR, source, tmp_path / "cohort")
    ((found,),) = read_rois(tmp_path / "cohort" / "rois.csv").values()
    assert found.level == "L2" and found.corners == pytest.approx((101.5, 210.25, 190.75, 260.5), abs=0.5)


def test_a_study_of_plain_images_has_no_report_beside_one_of_dicom(bundle: Bundle, tmp_path: Path) -> None:
    source, out = Path(shutil.copytree(PATIENT, tmp_path / "source")), tmp_path / "out"
    pixels = pydicom.dcmread(PATIENT / "AP.dcm").pixel_array
    cv2.imwrite(str(source / "p9_AP.png"), (pixels >> 4).astype("uint8"))
    screen_folder(source, out, bundle)
    with open_page(out, cohort=None, images=source, reader="anna") as page:
        for uid in page.uids:
            page.post(f"/api/study/{uid}/corrections", {"views": drawn(page.get(f"/api/study/{uid}"))})
        with zipfile.ZipFile(BytesIO(page.client.get("/api/export/reports.zip").content)) as archive:
            names, why = archive.namelist(), archive.read("not_made.txt").decode()
        former = tmp_path / "export" / "reports" / "p9_sr.dcm"
        former.parent.mkdir(parents=True)
        former.write_bytes(b"of a former export")
        page.review.exports.write(tmp_path / "export")
    assert not former.exists() and len(list(former.parent.iterdir())) == 1
    assert len(names) == 2 and "p9: its images are not DICOM" in why


def test_without_the_extra_reports_are_not_offered(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_page(out) as page:
        assert "reports.zip" in page.get("/api/worklist")["exports"]
        monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "highdicom")
        assert "reports.zip" not in page.get("/api/worklist")["exports"]
        answer = page.client.get("/api/export/reports.zip")
    assert answer.status_code == 422 and "dicom" in answer.json()["error"]
