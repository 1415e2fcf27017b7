"""Which file is which view of which study."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from cohort.importers.drawn import study_of
from cohort.io.folder import MAX_IMAGES, index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.io.view_names import (
    AP_SIGNS,
    AP_WORDS,
    LATERAL_SIGNS,
    LATERAL_WORDS,
    study_key,
    view_from_path,
    view_from_text,
)
from cohort.io.walk import MARKER
from cohort.spine import View
from osteolens.errors import NotRadiograph, ReadError
from tests.conftest import MakeDicom

GREY = np.tile(np.arange(64, dtype=np.uint8), (48, 1))


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("p7_AP", View.AP), ("p7_SIDE", View.LATERAL), ("L-SPINE LAT", View.LATERAL), ("lws a.p.", View.AP),
        ("LWS seitlich", View.LATERAL), ("rachis lombaire face", View.AP), ("profil", View.LATERAL),
        ("columna de frente", View.AP), ("perfil", View.LATERAL), ("腰椎正位", View.AP), ("腰椎侧位片", View.LATERAL),
        ("Lumbar frontal", View.AP), ("antero-posterior", View.AP), ("AP and LAT", None), ("happy", None),
        ("LWS seitl.", View.LATERAL), ("LWS a. p.", View.AP), ("LWS in 2 Ebenen", None), ("Seite 2", None),
        ("Rachis lombaire de côté", View.LATERAL), ("incidence antéro-postérieure", View.AP), ("de lado", View.LATERAL),
        ("lado derecho", None), ("Ântero-posterior", View.AP), ("lateral izquierda", View.LATERAL),
        ("腰椎前后位", View.AP), ("腰椎 正面像", View.AP), ("腰椎側面", View.LATERAL), ("腰椎正侧位", None),
        ("腰椎正位、侧位片", None), ("腰椎正側面", None), ("脊柱侧弯", None), ("左侧卧位", None), ("腰椎双斜位", None),
        ("series_a_p7", None), ("flat", None), ("XR LLAT", View.LATERAL), ("PA", View.AP),
    ],
)  # fmt: skip
def test_views_are_spelt_in_many_words(text: str, view: View | None) -> None:
    assert view_from_text(text) is view


def test_names_that_differ_in_the_view_alone_are_one_study() -> None:
    pairs = [("p7_AP.png", "p7_SIDE.png"), ("AP/p7.png", "lateral/p7.png"), ("x/p7-front.jpg", "x/p7-profile.jpg")]
    for one, other in pairs:
        assert study_key(Path(one)) == study_key(Path(other))
    for one, other in [
        ("p7正位片.png", "p7左侧位片.png"),
        ("p7 LWS a.p..png", "p7 LWS seitl..png"),
        ("p7正面.png", "p7側面.png"),
    ]:
        assert study_key(Path(one)) == study_key(Path(other))
    assert study_key(Path("a/p7_AP.png")) != study_key(Path("b/p7_AP.png"))
    assert study_key(Path("AP.png"), "p7") == study_key(Path("LAT.png"), "p7") == "p7", "words for views alone"
    flexed = ("p_AP", "p_LAT_flexion", "p_extension_LAT", "p_L_lateral", "p_LAT2", "p_a-p", "p_lateral_view")
    assert {study_key(Path(f"{name}.png")) for name in flexed} == {"p"}


@pytest.mark.parametrize(
    ("view", "word"),
    [
        (view, re.sub(r"\[(.)[^]]*\]\??", r"\1", pattern))
        for view, patterns in ((View.AP, (*AP_WORDS, *AP_SIGNS)), (View.LATERAL, (*LATERAL_WORDS, *LATERAL_SIGNS)))
        for pattern in patterns
    ],
)
def test_every_word_that_names_a_view_is_dropped_from_the_studys_key(view: View, word: str) -> None:
    for name in (f"p7_{word}", f"{word} p7", f"p7-{word.lower()}", f"p7_{word}_standing"):
        path = Path(f"{name}.png")
        assert (view_from_path(path), study_key(path), study_of(path)) == (view, "p7", "p7")


def test_frontal_and_profile_are_one_study(tmp_path: Path) -> None:
    for name in ("p7_AP", "p7_SIDE", "p9_frontal", "p9_profile"):
        Image.fromarray(GREY).save(tmp_path / f"{name}.png")
    studies = index_cohort(tmp_path).studies
    assert [study.study_uid for study in studies] == ["p7", "p9"]
    assert all(study.ap is not None and study.lateral is not None for study in studies)


def test_no_two_patients_become_one_by_words_for_views() -> None:
    names = ("PA/p1_AP", "LL/p1_AP", "PA_1_AP", "LL_1_AP", "001_LL/AP", "001_RL/AP", "AP_001_front", "PA_001_front")
    assert len({study_key(Path(f"{name}.png")) for name in names}) == len(names)
    assert view_from_path(Path("PA_1_LAT.png")) is View.LATERAL, "the last word decides"
    assert view_from_path(Path("p_AP_LAT.png")) is None, "both, side by side"
    assert view_from_path(Path("lateral/p7.png")) is View.LATERAL


def test_folders_of_views_pair_their_images(tmp_path: Path) -> None:
    for name in ("AP/p7.png", "side/p7.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(GREY).save(tmp_path / name)
    (study,) = index_cohort(tmp_path).studies
    assert study.ap is not None and study.lateral is not None


def test_objects_without_pixels_never_take_a_view(make_dicom: MakeDicom, tmp_path: Path) -> None:
    nothing = {"Rows": None, "Columns": None, "PixelData": None, "SeriesDescription": "L-SPINE AP"}
    make_dicom("a.dcm", Modality="PR", SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1", **nothing)
    make_dicom("b.dcm", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", **nothing)
    make_dicom("c.dcm", ViewPosition="AP")
    make_dicom("d.dcm", Modality="CT")
    index = index_cohort(tmp_path)
    assert [path.name for _, path in index.studies[0].images] == ["c.dcm"]
    reasons = {item.path.name: item.reason for item in index.skipped}
    assert "no image (PR)" in reasons["a.dcm"] and "no image (SR)" in reasons["b.dcm"]
    assert "CT slice" in reasons["d.dcm"]


def test_one_study_uid_of_two_patients_is_two_studies(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm", ViewPosition="AP", PatientID="P1")
    make_dicom("b.dcm", ViewPosition="LL", PatientID="P2")
    studies = index_cohort(tmp_path).studies
    assert sorted(study.patient_id for study in studies) == ["P1", "P2"]
    assert len({study.study_uid for study in studies}) == 2
    assert all("PatientID" in study.notes[0] and len(study.images) == 1 for study in studies)


def test_a_missing_patient_id_joins_the_only_patient(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm", ViewPosition="AP", PatientID="")
    make_dicom("b.dcm", ViewPosition="LL", PatientID="P2")
    (study,) = index_cohort(tmp_path).studies
    assert study.patient_id == "P2" and len(study.images) == 2


def test_raw_images_come_last_and_are_refused_when_read(make_dicom: MakeDicom, tmp_path: Path) -> None:
    raw = make_dicom("a.dcm", ViewPosition="AP", PresentationIntentType="FOR PROCESSING")
    shown = make_dicom("b.dcm", ViewPosition="AP", PresentationIntentType="FOR PRESENTATION")
    (study,) = index_cohort(tmp_path).studies
    assert study.ap == shown and study.further == ((View.AP, raw),)
    with pytest.raises(NotRadiograph, match="FOR PROCESSING"):
        read_radiograph(raw)


def test_several_films_of_a_view_are_all_kept_up_to_a_number(make_dicom: MakeDicom, tmp_path: Path) -> None:
    for k in range(MAX_IMAGES + 2):
        make_dicom(f"{k:02d}.dcm", ViewPosition="AP", SOPInstanceUID=generate_uid())
    (study,) = index_cohort(tmp_path).studies
    assert len(study.images) == MAX_IMAGES and len(study.set_aside) == 2
    assert "more than 12 images" in study.set_aside[0][2]


def test_content_decides_the_format(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.png")
    Image.fromarray(GREY).save(tmp_path / "b.dcm", format="PNG")
    (tmp_path / "c.png").write_bytes(b"%!PS-Adobe-3.0\nloop")
    index = index_cohort(tmp_path)
    read = {}
    for study in index.studies:
        for _, path in study.images:
            try:
                read[path.name] = read_radiograph(path).notes
            except ReadError as error:
                read[path.name] = (str(error),)
    assert "holds DICOM" in read["a.png"][0] and "holds PNG" in read["b.dcm"][0]
    assert "no png image" in read["c.png"][0]


def test_nothing_in_a_folder_is_lost_in_silence(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("deep/a.dcm")
    make_dicom(".hidden/b.dcm")
    make_dicom("results/studies/c.dcm")
    (tmp_path / "results" / MARKER).write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.dcm")
    index = index_cohort(tmp_path)
    reasons = {str(item.path.relative_to(tmp_path)): item.reason for item in index.skipped}
    assert [path.name for study in index.studies for _, path in study.images] == ["a.dcm"]
    assert "begins with a dot" in reasons[".hidden"] and "earlier run" in reasons["results"]
    assert "read already" in reasons["loop"] and "cannot be opened" in reasons["broken"]
    assert "pipe" in reasons["pipe.dcm"]


def test_raw_storage_classes_are_known_without_an_intent(make_dicom: MakeDicom, tmp_path: Path) -> None:
    raw = make_dicom("a.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1.1")
    with pytest.raises(NotRadiograph, match="raw values"):
        read_radiograph(raw)


def test_the_description_of_a_study_tells_no_film_s_view(make_dicom: MakeDicom, tmp_path: Path) -> None:
    for name in ("AP.dcm", "LATERAL.dcm"):
        make_dicom(name, ViewPosition=None, StudyDescription="LUMBAR SPINE LATERAL")
    (study,) = index_cohort(tmp_path).studies
    assert study.ap is not None and study.ap.name == "AP.dcm" and not study.further


def test_headers_that_contradict_each_other_are_told(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm", ViewPosition="AP", PatientAge="052Y")
    make_dicom("b.dcm", ViewPosition="LL", PatientAge="078Y")
    (study,) = index_cohort(tmp_path).studies
    assert any("age_years (52.0, 78.0)" in note for note in study.notes)
