"""Objects lie beside the results, are the same in every run, and never cost a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pydicom
import pytest

from cohort.spine import View
from osteolens.errors import StudyError
from pipeline.bundle.load import Bundle
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.dicom_objects.write import object_names, write_objects
from pipeline.prediction import Prediction, Status, read_prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES

PATIENT = "SIM0011-00003"
EVERY = DicomConfig(objects=tuple(DicomObject))
WITH_ALL = ScreeningOptions(config=ScreeningConfig(dicom=EVERY))


def result_in(out: Path) -> Prediction:
    return read_prediction(next((out / "studies").glob("*.json")))


def rewritten(prediction: Prediction, screened: Path, out: Path, config: DicomConfig = EVERY) -> dict[str, bytes]:
    overlays = {view: screened / "overlays" / f"{prediction.study_uid}_{view}.png" for view in View}
    paths = [EXAMPLES / PATIENT / image.path for image in prediction.images]
    write_objects(prediction, paths, overlays, config, out)
    return {path.name: path.read_bytes() for path in (out / "dicom").iterdir()}


def test_every_object_conforms_to_its_iod(screened: Path, conforms: Callable[[Path], None]) -> None:
    files = sorted((screened / "dicom").glob("*.dcm"))
    assert len(files) == 5
    for path in files:
        conforms(path)


def test_another_run_makes_the_same_bytes(screened: Path, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in (screened / "dicom").iterdir()}
    for _ in range(2):
        assert rewritten(result_in(screened), screened, tmp_path) == first


def test_another_root_makes_other_identifiers(screened: Path, tmp_path: Path) -> None:
    files = rewritten(result_in(screened), screened, tmp_path, EVERY.model_copy(update={"uid_root": "1.2.3.99"}))
    (tmp_path / "one.dcm").write_bytes(next(content for name, content in files.items() if name.endswith("_sr.dcm")))
    report = pydicom.dcmread(tmp_path / "one.dcm")
    assert report.SOPInstanceUID.startswith("1.2.3.99.") and len(report.SOPInstanceUID) <= 64
    assert report.SeriesInstanceUID.startswith("1.2.3.99.")


def test_a_changed_result_replaces_the_report(screened: Path, tmp_path: Path) -> None:
    prediction = result_in(screened)
    name = f"{prediction.study_uid}_sr.dcm"
    rewritten(prediction, screened, tmp_path)
    first = pydicom.dcmread(tmp_path / "dicom" / name)
    assert "PredecessorDocumentsSequence" not in first
    changed = replace(prediction, t_score=-0.1)
    for _ in range(2):
        rewritten(changed, screened, tmp_path)
        second = pydicom.dcmread(tmp_path / "dicom" / name)
        assert second.SOPInstanceUID != first.SOPInstanceUID and second.SeriesInstanceUID == first.SeriesInstanceUID
        replaced = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert replaced.ReferencedSOPInstanceUID == first.SOPInstanceUID
        assert second.InstanceNumber == 2
    rewritten(prediction, screened, tmp_path)
    third = pydicom.dcmread(tmp_path / "dicom" / name)
    assert third.SOPInstanceUID not in (first.SOPInstanceUID, second.SOPInstanceUID), "one identifier is one object"


def test_objects_that_are_not_asked_for_any_more_are_removed(screened: Path, tmp_path: Path) -> None:
    prediction = result_in(screened)
    rewritten(prediction, screened, tmp_path)
    left = rewritten(prediction, screened, tmp_path, DicomConfig(objects=(DicomObject.SC,)))
    assert sorted(left) == [f"{prediction.study_uid}_sc_AP.dcm", f"{prediction.study_uid}_sc_LATERAL.dcm"]
    assert set(left) < set(object_names(prediction.study_uid))


def test_images_without_a_dicom_header_have_no_objects_and_keep_their_result(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "plain", tmp_path / "out"
    source.mkdir()
    pixels = pydicom.dcmread(EXAMPLES / PATIENT / "AP.dcm").pixel_array
    cv2.imwrite(str(source / "p_AP.png"), (pixels >> 4).astype("uint8"))
    summary = screen_folder(source, out, bundle, WITH_ALL)
    assert summary.count(Status.FAILED) == 0
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert list(summary.without_objects.values()) == list(record["dicom"]["not_made"].values())
    assert "not DICOM" in next(iter(summary.without_objects.values()))
    assert not list((out / "dicom").iterdir()) if (out / "dicom").exists() else True


def test_a_header_that_cannot_be_repeated_costs_no_result(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a value of the patient")

    monkeypatch.setattr("pipeline.dicom_objects.structured_report.structured_report", broken)
    summary = screen_folder(EXAMPLES / PATIENT, tmp_path, bundle, WITH_ALL)
    assert summary.count(Status.SCREENED) == 1
    assert list(summary.without_objects.values()) == ["TypeError while the objects were made"]


def test_a_rejected_study_gets_a_report_with_the_reason(
    bundle: Bundle, tmp_path: Path, conforms: Callable[[Path], None]
) -> None:
    options = ScreeningOptions(config=ScreeningConfig(dicom=EVERY, min_confidence=1.0))
    summary = screen_folder(EXAMPLES / PATIENT, tmp_path, bundle, options)
    assert summary.count(Status.REJECTED) == 1
    report = pydicom.dcmread(next((tmp_path / "dicom").glob("*_sr.dcm")))
    text = report.to_json()
    assert "rejected, no class (low_confidence)" in text and "Unusable - Quality renders image unusable" in text
    assert report.CompletionFlag == "PARTIAL"
    for path in (tmp_path / "dicom").iterdir():
        conforms(path)


def test_a_kept_result_gets_objects_that_are_asked_for_later(bundle: Bundle, tmp_path: Path) -> None:
    screen_folder(EXAMPLES / PATIENT, tmp_path, bundle)
    assert not (tmp_path / "dicom").exists()
    assert screen_folder(EXAMPLES / PATIENT, tmp_path, bundle, WITH_ALL).resumed == 1
    files = sorted((tmp_path / "dicom").iterdir())
    assert len(files) == 5
    written = [path.stat().st_mtime_ns for path in files]
    assert screen_folder(EXAMPLES / PATIENT, tmp_path, bundle, WITH_ALL).resumed == 1
    assert [path.stat().st_mtime_ns for path in files] == written, "what lies there is not made again"
    other = ScreeningOptions(config=ScreeningConfig(dicom=EVERY.model_copy(update={"uid_root": "1.2.3"})))
    screen_folder(EXAMPLES / PATIENT, tmp_path, bundle, other)
    assert all(pydicom.dcmread(path).SOPInstanceUID.startswith("1.2.3.") for path in files)


def test_an_image_that_changed_since_is_refused(screened: Path, tmp_path: Path) -> None:
    prediction = result_in(screened)
    shutil.copytree(EXAMPLES / PATIENT, tmp_path / "in")
    paths = [tmp_path / "in" / image.path for image in prediction.images]
    for path in paths:
        path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(StudyError, match="changed since it was screened"):
        write_objects(prediction, paths, {}, EVERY, tmp_path)


def test_objects_of_a_study_that_is_gone_are_set_aside(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for patient in (PATIENT, "SIM0011-00005"):
        shutil.copytree(EXAMPLES / patient, source / patient)
    report_alone = ScreeningOptions(config=ScreeningConfig(dicom=DicomConfig(objects=(DicomObject.SR,))))
    screen_folder(source, out, bundle, report_alone)
    gone = pydicom.dcmread(source / PATIENT / "AP.dcm", stop_before_pixels=True).StudyInstanceUID
    shutil.rmtree(source / PATIENT)
    screen_folder(source, out, bundle, report_alone)
    assert [path.name for path in (out / "former" / "dicom").iterdir()] == [f"{gone}_sr.dcm"]
    assert len(list((out / "dicom").iterdir())) == 1
