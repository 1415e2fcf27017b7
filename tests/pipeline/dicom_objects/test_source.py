"""Headers that objects inherit from: names in any script, nothing stated, several patients, hostile values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from cohort.rejection_codes import Rejection, RejectionCode
from cohort.spine import View
from osteolens.errors import StudyError
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.dicom_objects.source import source_study
from pipeline.dicom_objects.write import write_objects
from pipeline.prediction import ImageOutcome, ImageRecord, Prediction
from tests.predictions import screened as screened_result

EVERY = DicomConfig(objects=tuple(DicomObject))
STATED = {
    "SeriesInstanceUID": "1.2.3.1", "PatientName": "A^B", "StudyDate": "20260102", "StudyTime": "101112",
    "StudyID": "1", "AccessionNumber": "", "PatientBirthDate": "",
}  # fmt: skip


def result(*paths: Path, shape: tuple[int, int] = (400, 300)) -> Prediction:
    """A screened study whose first image is its AP view of (rows, columns)."""
    prediction = screened_result("u1", -2.0)
    shown = prediction.views[View.AP]
    view = replace(shown, image=paths[0].name, detection=replace(shown.detection, image_shape=shape))
    records = tuple(
        ImageRecord(path=path.name, role=View.AP, view=View.AP, outcome=ImageOutcome.CLASSIFIED) for path in paths
    )
    return replace(prediction, views={View.AP: view}, images=records)


def film(make_dicom: Callable[..., Path], attributes: Mapping[str, object] | None = None, name: str = "AP.dcm") -> Path:
    return make_dicom(
        name, **{"Rows": 400, "Columns": 300, "PixelData": b"\0" * 240_000, **STATED, **(attributes or {})}
    )


def made(path: Path, out: Path, prediction: Prediction | None = None) -> dict[str, pydicom.Dataset]:
    write_objects(prediction or result(path), [path], {}, EVERY, out)
    return {file.name.removeprefix("u1_"): pydicom.dcmread(file) for file in (out / "dicom").iterdir()}


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Änne"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_of_any_script_stay(
    make_dicom: Callable[..., Path],
    conforms: Callable[[Path], None],
    tmp_path: Path,
    charset: str | list[str],
    name: str,
) -> None:
    path = film(make_dicom, {"SpecificCharacterSet": charset, "PatientName": name, "PatientID": "Nº 7"})
    objects = made(path, tmp_path)
    assert sorted(objects) == ["gsps_AP.dcm", "sc.dcm", "sr.dcm"]
    for dataset in objects.values():
        assert str(dataset.PatientName) == name
    for file in (tmp_path / "dicom").iterdir():
        conforms(file)


def test_an_empty_header_still_gives_objects(
    make_dicom: Callable[..., Path], conforms: Callable[[Path], None], tmp_path: Path
) -> None:
    nothing = dict.fromkeys([*STATED, "PatientID", "PatientSex", "PatientAge", "Modality"])
    path = film(make_dicom, {**nothing, "SeriesInstanceUID": "1.2.3.1"})
    objects = made(path, tmp_path)
    assert objects["sr.dcm"].PatientID == "" and objects["sr.dcm"].ContentDate == "19000101"
    for file in (tmp_path / "dicom").iterdir():
        conforms(file)


@pytest.mark.parametrize(
    "wrong",
    [
        {"PatientSex": "X"}, {"PatientBirthDate": "soon"}, {"StudyDate": "2026"}, {"StudyTime": "noon"},
        {"PatientOrientation": ["L"]}, {"ImagerPixelSpacing": [0.1, 0.1]}, {"PatientName": "one"},
        {"RescaleSlope": "2", "RescaleIntercept": "-5"},
        {"PhotometricInterpretation": "MONOCHROME1"}, {"PixelSpacing": None, "PixelAspectRatio": [1, 1]},
        {"PatientID": "a\\b"}, {"AccessionNumber": "x" * 200}, {"StudyID": "y" * 200},
    ],
)  # fmt: skip
def test_values_that_no_object_can_hold_cost_none(
    make_dicom: Callable[..., Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    assert len(made(film(make_dicom, wrong), tmp_path)) == 3


def test_a_monochrome1_image_is_presented_inverted(make_dicom: Callable[..., Path], tmp_path: Path) -> None:
    objects = made(film(make_dicom, {"PhotometricInterpretation": "MONOCHROME1"}), tmp_path)
    assert objects["gsps_AP.dcm"].PresentationLUTShape == "INVERSE"


def test_a_name_without_end_is_refused(make_dicom: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"identifier of 50,000 characters, expected at most 1,024"):
        made(film(make_dicom, {"PatientID": "x" * 50_000}), tmp_path)


def test_an_object_of_no_known_class_is_refused_by_name(make_dicom: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"SOPClassUID 1\.2\.3 is no image"):
        made(film(make_dicom, {"SOPClassUID": "1.2.3"}), tmp_path)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("uid", [None, "../../etc", "1.2.x", "1" * 65])
def test_identifiers_that_are_none_are_refused_by_name(
    make_dicom: Callable[..., Path], tmp_path: Path, keyword: str, uid: str | None
) -> None:
    path = film(make_dicom, {keyword: uid})
    with pytest.raises(StudyError, match=f"{keyword} is missing or no UID"):
        made(path, tmp_path)
    assert not list((tmp_path / "dicom").iterdir())


def test_boxes_of_another_image_size_are_refused_by_name(make_dicom: Callable[..., Path], tmp_path: Path) -> None:
    path = film(make_dicom)
    with pytest.raises(StudyError, match="400 x 299 pixels, the stored one has 400 x 300"):
        made(path, tmp_path, result(path, shape=(400, 299)))


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID"])
def test_an_image_of_another_patient_or_study_is_left_out(make_dicom: Callable[..., Path], keyword: str) -> None:
    first, second = film(make_dicom), film(make_dicom, {keyword: "9.9.9"}, "other.dcm")
    source = source_study([first, second], result(first, second))
    assert [image.name for image in source.images] == ["AP.dcm"]
    assert f"other.dcm: another {keyword} than AP.dcm" in source.left_out[0]


def test_a_rejected_study_without_boxes_has_words_alone(
    make_dicom: Callable[..., Path], conforms: Callable[[Path], None], tmp_path: Path
) -> None:
    path = film(make_dicom)
    rejection = Rejection(RejectionCode.NO_ROI, "no spine was found")
    prediction = replace(
        result(path), views={}, bmd_class=None, probabilities={}, t_score=None, decision=None, rejection=rejection
    )
    objects = made(path, tmp_path, prediction)
    assert sorted(objects) == ["sc.dcm", "sr.dcm"] and "no spine was found" in objects["sr.dcm"].to_json()
    for file in (tmp_path / "dicom").iterdir():
        conforms(file)
