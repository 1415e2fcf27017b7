"""Folders, flat folders and manifests into studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohort.covariates import Sex
from cohort.io.folder import index_cohort
from cohort.io.safe_names import safe_name
from osteolens.errors import ReadError
from tests.conftest import MakeDicom


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(path)
    return path


def test_dicom_files_group_by_study(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("one/a.dcm", ViewPosition="AP")
    make_dicom("two/b.dcm", ViewPosition="LL")
    make_dicom("two/c.dcm", ViewPosition="AP", StudyInstanceUID="1.2.4")
    index = index_cohort(tmp_path)
    assert [s.study_uid for s in index.studies] == ["1.2.3", "1.2.4"]
    assert index.studies[0].ap is not None and index.studies[0].lateral is not None


def test_flat_names_pair_up(tmp_path: Path) -> None:
    for name in ("p7_AP.png", "p7_LAT.png", "p8-ap.png"):
        picture(tmp_path / name)
    studies = {s.study_uid: s for s in index_cohort(tmp_path).studies}
    assert studies["p7"].ap is not None and studies["p7"].lateral is not None
    assert studies["p8"].lateral is None


def test_a_folder_of_two_views_is_one_study(tmp_path: Path) -> None:
    picture(tmp_path / "s1" / "AP.png")
    picture(tmp_path / "s1" / "lateral.png")
    (study,) = index_cohort(tmp_path).studies
    assert study.patient_id == "s1" and study.ap is not None and study.lateral is not None


def test_an_image_without_a_view_waits_for_the_detector(tmp_path: Path) -> None:
    picture(tmp_path / "film.png")
    (study,) = index_cohort(tmp_path).studies
    assert [view for view, _ in study.images] == [None]


def test_every_file_left_out_has_a_reason(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm")
    make_dicom("b.dcm")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "archive.zip").write_bytes(b"PK" + b"0" * 200)
    index = index_cohort(tmp_path)
    reasons = {s.path.name: s.reason for s in index.skipped}
    assert [path.name for _, path in index.studies[0].images] == ["a.dcm", "b.dcm"], "both are read"
    assert reasons["notes.txt"] == "no image file"
    assert "neither DICOM" in reasons["archive.zip"]


def test_an_unreadable_image_stays_in_to_get_its_row(tmp_path: Path) -> None:
    (tmp_path / "broken.dcm").write_bytes(b"nothing")
    (study,) = index_cohort(tmp_path).studies
    assert study.images[0][1].name == "broken.dcm"


def test_cohort_csv_overrides_the_header(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm")
    (tmp_path / "cohort.csv").write_text("study_uid,age_years,sex,t_score,site\n1.2.3,80,m,-2.7,north\n")
    (study,) = index_cohort(tmp_path).studies
    assert (study.covariates.age_years, study.covariates.sex, study.site) == (80, Sex.MALE, "north")
    assert study.covariates.height_cm == 160
    assert study.dxa is not None and study.dxa.bmd_class == "osteoporosis"


def test_a_manifest_names_views_and_covariates(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "1.png")
    picture(tmp_path / "x" / "2.png")
    manifest = tmp_path / "m.csv"
    manifest.write_text("patient_id,ap,lateral,age_years\nP9,x/1.png,x/2.png,71\nP9,x/1.png,,71\n")
    index = index_cohort(manifest)
    (study,) = index.studies
    assert study.lateral == tmp_path / "x" / "2.png" and study.covariates.age_years == 71
    assert "second line" in index.skipped[0].reason


def test_a_manifest_keeps_its_spacing_where_the_line_beside_it_has_none(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "1.png")
    (tmp_path / "m.csv").write_text("study_uid,ap,pixel_spacing_mm\np9,x/1.png,0.2\n")
    (tmp_path / "cohort.csv").write_text("study_uid,age_years\np9,71\n")
    (study,) = index_cohort(tmp_path / "m.csv").studies
    assert (study.plain_spacing_mm, study.covariates.age_years) == (0.2, 71)
    (tmp_path / "cohort.csv").write_text("study_uid,pixel_spacing_mm\np9,0.3\n")
    assert index_cohort(tmp_path / "m.csv").studies[0].plain_spacing_mm == 0.3


def test_a_manifest_without_images_is_explained(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("patient_id,age\nP9,71\n")
    with pytest.raises(ReadError, match="`ap`, `lateral` or both"):
        index_cohort(manifest)


def test_a_bad_number_is_found_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("study_uid,height_cm\n1.2.3,1.63\n")
    with pytest.raises(ReadError, match=r"cohort\.csv line 2: height_cm is 1\.63.*check the unit"):
        index_cohort(tmp_path)


def test_the_output_folder_is_not_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "film.png")
    picture(tmp_path / "out" / "overlays" / "film_AP.png")
    assert len(index_cohort(tmp_path, exclude=tmp_path / "out").studies) == 1
    monkeypatch.chdir(tmp_path)
    assert len(index_cohort(Path(), exclude=Path("out")).studies) == 1
    assert len(index_cohort(tmp_path, exclude=Path("out")).studies) == 1
    assert len(index_cohort(tmp_path).studies) == 2


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file or folder"):
        index_cohort(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["../../etc/passwd", "a/b\\c", "", "..", "x" * 300, "名前", "CON\0"])
def test_identifiers_become_safe_and_distinct_file_names(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) < 100 and "/" not in name and "\\" not in name and not name.startswith(".")
    assert name != safe_name(text + "?")


def test_a_study_uid_stays_as_it_is() -> None:
    assert safe_name("1.2.840.113619.2.5") == "1.2.840.113619.2.5"


def test_a_tag_never_becomes_a_path(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm", StudyInstanceUID="../../outside")
    (study,) = index_cohort(tmp_path).studies
    assert "/" not in study.study_uid
