"""LUMOS as its owners publish it: zip files of DICOM, folders, and a table as xlsx or CSV."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from cohort.importers.convert import import_cohort
from cohort.importers.public_sets import lumos_table
from cohort.importers.report import ImportFormat, ImportReport
from cohort.importers.sources import archive
from cohort.io import spreadsheet
from cohort.io.folder import index_cohort
from cohort.study import Study
from osteolens.errors import ReadError
from tests.conftest import MakeDicom
from tests.importing import reasons

COLUMNS = ["patient_id", "age", "gender", "height", "weight", "BMI", "Osteoporosis", "bmd"]
COLUMNS += [f"{name}_L{k}" for name in ("bmd", "T", "Z") for k in range(1, 5)]
PATIENT_1 = ["lumos_x_001", 61, "Female", 1.55, 54.5, 22.7, 2, 0.652, *[0.6] * 4, -3.1, -3.0, -2.9, -3.4, *[-1.0] * 4]
PATIENT_2 = [2, 70, "Male", 171, "70,5", 24.1, 0, 1.1, *[1.1] * 4, 0.1, 0.2, 0.3, 0.4, *[0.9] * 4]


def xlsx(folder: Path, rows: Sequence[Sequence[Any]], columns: Sequence[str] = COLUMNS, title: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    book = Workbook()
    sheet = book.worksheets[0]
    if title:
        sheet.append(["LUMOS clinical data"])
    for row in [columns, *rows]:
        sheet.append(list(row))
    book.save(folder / "lumos_clinical_data.xlsx")
    return folder


@pytest.fixture
def film(make_dicom: MakeDicom) -> bytes:
    unknown = dict.fromkeys(("ViewPosition", "PatientAge", "PatientSex", "PatientSize", "PatientWeight"))
    return make_dicom("film.dcm", **unknown).read_bytes()


def packed(folder: Path, name: str, films: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as target:
        for member, raw in films.items():
            target.writestr(member, raw)
    return folder / name


def both(patient: int, raw: bytes) -> dict[str, bytes]:
    name = f"lumos_x_{patient:03d}"
    return {f"{name}/{name}_{k}.Dcm": raw for k in (1, 2)}


def imported(tmp_path: Path) -> tuple[ImportReport, dict[str, Study]]:
    report = import_cohort(ImportFormat.LUMOS, tmp_path / "in", tmp_path / "out")
    return report, {
        next(path for _, path in study.images).parent.name: study for study in index_cohort(tmp_path / "out").studies
    }


def test_films_in_zip_files_and_folders_meet_their_line_of_the_table(tmp_path: Path, film: bytes) -> None:
    folder = xlsx(tmp_path / "in", [PATIENT_1, PATIENT_2], title=True)
    packed(folder, "lumos_x_001_280_dcm.zip", both(1, film))
    for name, raw in both(2, film).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(raw)
    report, studies = imported(tmp_path)
    assert (report.studies, report.images, report.rois, report.skipped) == (2, 4, 0, ())
    assert report.notes == (
        "LUMOS is CC BY-NC 4.0: name its authors, and use it and what was trained on it for no commercial purpose",
    )
    first, second = studies["lumos_1"], studies["lumos_2"]
    assert first.ap is not None and first.lateral is not None and second.ap is not None and second.lateral is not None
    assert first.dxa is not None and first.dxa.t_score == pytest.approx(-3.1) and first.dxa.bmd_g_cm2 == 0.652
    assert first.covariates.age_years == 61 and first.covariates.height_cm == 155 and str(first.covariates.sex) == "F"
    assert second.covariates.bmi_kg_m2 == pytest.approx(70.5 / 1.71**2) and second.covariates.height_cm == 171


def test_films_that_share_one_study_uid_become_one_study_a_patient(tmp_path: Path, film: bytes) -> None:
    packed(xlsx(tmp_path / "in", [PATIENT_1, PATIENT_2]), "a.zip", {**both(1, film), **both(2, film)})
    report, studies = imported(tmp_path)
    assert report.studies == 2 and len({study.study_uid for study in studies.values()}) == 2


def test_films_of_two_study_uids_are_one_study_of_their_patient(
    tmp_path: Path, film: bytes, make_dicom: MakeDicom
) -> None:
    other = make_dicom("other.dcm", ViewPosition=None, StudyInstanceUID="1.2.9").read_bytes()
    films = both(1, film)
    films["lumos_x_001/lumos_x_001_2.Dcm"] = other
    packed(xlsx(tmp_path / "in", [PATIENT_1]), "a.zip", films)
    report, studies = imported(tmp_path)
    assert report.studies == 1 and studies["lumos_1"].lateral is not None


def test_an_archive_is_known_by_its_content_and_films_by_their_own_names(tmp_path: Path, film: bytes) -> None:
    packed(xlsx(tmp_path / "in", [PATIENT_1]), "lumos_x_741_670_dcm", both(1, film))
    report, _ = imported(tmp_path)
    assert report.images == 2


@pytest.mark.parametrize("separator", [",", ";"])
def test_the_same_table_as_csv(tmp_path: Path, film: bytes, separator: str) -> None:
    packed(tmp_path / "in", "a.zip", both(1, film))
    cells = [str(value).replace(".", "," if separator == ";" else ".") for value in PATIENT_1]
    text = "\n".join([separator.join(COLUMNS), separator.join(cells)])
    (tmp_path / "in" / "table.csv").write_text(text)
    _, studies = imported(tmp_path)
    dxa = studies["lumos_1"].dxa
    assert dxa is not None and dxa.bmd_g_cm2 == 0.652


def test_values_that_cannot_be_right_are_unknown_and_listed(tmp_path: Path, film: bytes) -> None:
    wrong = [1, "old", "1", 15.5, 900, 22.7, 2, 652, *[0.6] * 4, -31.0, -3.0, -2.9, -3.4, *[-1.0] * 4]
    packed(xlsx(tmp_path / "in", [wrong]), "a.zip", both(1, film))
    report, studies = imported(tmp_path)
    said = reasons(report)
    for part in ("age is 'old'", "gender is '1'", "height is 15.5", "weight is 900", "bmd is 652", "t_l1 is -31"):
        assert part in said, part
    study = studies["lumos_1"]
    assert study.covariates.sex is None and study.covariates.age_years is None
    assert study.dxa is not None and study.dxa.t_score == pytest.approx(-3.1), "the mean of the other levels"
    assert study.covariates.height_cm is None and study.covariates.bmi_kg_m2 == 22.7


def test_a_patient_on_two_different_lines_has_none(tmp_path: Path, film: bytes) -> None:
    other = [1, 20, *PATIENT_1[2:]]
    packed(xlsx(tmp_path / "in", [PATIENT_1, other, PATIENT_2, PATIENT_2]), "a.zip", {**both(1, film), **both(2, film)})
    report, studies = imported(tmp_path)
    assert "lines 2, 3 differ for one patient; none is used" in reasons(report)
    assert studies["lumos_2"].dxa is not None
    assert "no usable line in the table; imported without covariates and DXA" in reasons(report)


def test_lines_without_films_and_files_of_other_names_are_listed(tmp_path: Path, film: bytes) -> None:
    films = {**both(1, film), "lumos_x_001/lumos_x_001_3.Dcm": film, "notes/readme.txt": b"x", "__MACOSX/._a": b"x"}
    packed(xlsx(tmp_path / "in", [PATIENT_1, PATIENT_2]), "a.zip", films)
    report, _ = imported(tmp_path)
    assert [line.split(" | ")[0] for line in reasons(report).splitlines()] == [
        "lumos_x_001_3.Dcm",
        "readme.txt",
        "lumos_clinical_data.xlsx",
    ]
    assert "line of a patient without radiographs" in reasons(report)


def test_no_name_in_an_archive_is_a_path_outside_the_target(tmp_path: Path, film: bytes) -> None:
    films = {**both(1, film), "../../lumos_x_002_1.Dcm": film, "/etc/lumos_x_003_1.Dcm": film}
    packed(xlsx(tmp_path / "in", [PATIENT_1]), "a.zip", films)
    imported(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.dcm", "in", "out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cohort.csv", "lumos_1", "lumos_2", "lumos_3"]


def test_links_and_bombs_and_damage_in_an_archive_are_listed(tmp_path: Path, film: bytes) -> None:
    path = packed(xlsx(tmp_path / "in", [PATIENT_1]), "a.zip", {**both(1, film), "lumos_x_002_1.Dcm": bytes(5_000_000)})
    with zipfile.ZipFile(path, "a") as target:
        link = zipfile.ZipInfo("lumos_x_003_1.Dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
        target.writestr("lumos_x_004_1.Dcm", b"no image at all")
    packed(tmp_path / "in", "broken.zip", both(5, film))
    raw = bytearray((tmp_path / "in" / "broken.zip").read_bytes())
    raw[80:120] = b"\xff" * 40
    (tmp_path / "in" / "broken.zip").write_bytes(raw)
    (tmp_path / "in" / "cut.zip").write_bytes(path.read_bytes()[:300])
    report, _ = imported(tmp_path)
    said = reasons(report)
    assert "unpacks to more than 200 times its size" in said and "a symbolic link in a zip is not followed" in said
    assert "cut.zip: cannot be read as a zip" in said and "is damaged" in said
    assert "a.zip/lumos_x_004_1.Dcm: lumos" not in said and "lumos_x_004_1.Dcm" in said
    assert not (tmp_path / "out" / "lumos_4").exists()


def test_archives_beyond_the_caps_are_refused_whole(
    tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(xlsx(tmp_path / "in", [PATIENT_1]), "a.zip", both(1, film))
    monkeypatch.setattr(archive, "MAX_BYTES_IN_ALL", 1000)
    with pytest.raises(ReadError, match=r"GiB unpacked, expected at most .*; unpack it yourself"):
        archive.members_of(tmp_path / "in" / "a.zip")
    monkeypatch.setattr(archive, "MAX_MEMBERS", 1)
    with pytest.raises(ReadError, match="2 members, expected at most 1; unpack it yourself"):
        archive.members_of(tmp_path / "in" / "a.zip")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"patient_id,age", "it is no xlsx file"),
        (b"PK\x03\x04 but no more", "cannot be read as xlsx"),
        (b"", "it is no xlsx file"),
    ],
)
def test_a_damaged_table_is_told_by_name(tmp_path: Path, film: bytes, raw: bytes, message: str) -> None:
    packed(tmp_path / "in", "a.zip", both(1, film))
    (tmp_path / "in" / "lumos_clinical_data.xlsx").write_bytes(raw)
    with pytest.raises(ReadError, match=rf"lumos_clinical_data.xlsx: .*{message}"):
        imported(tmp_path)


def test_a_zip_that_is_no_workbook_and_tables_of_other_columns_are_told(tmp_path: Path, film: bytes) -> None:
    packed(tmp_path / "in", "lumos_clinical_data.xlsx", {"a": b"b"})
    with pytest.raises(ReadError, match="cannot be read as xlsx"):
        imported(tmp_path)
    xlsx(tmp_path / "in", [[1, 2]], ["name", "value"])
    with pytest.raises(ReadError, match="no column patient_id in its first 20 lines"):
        imported(tmp_path)
    xlsx(tmp_path / "in", [[1, 2]], ["patient_id", "value"])
    with pytest.raises(ReadError, match="columns age, gender are missing"):
        imported(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_table_beyond_the_caps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xlsx(tmp_path / "in", [PATIENT_1, PATIENT_2])
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 1)
    with pytest.raises(ReadError, match="more than 1 rows"):
        lumos_table.read_lines(tmp_path / "in" / "lumos_clinical_data.xlsx", [])


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("001", 1), ("1.0", 1), ("LUMOS_X_010", 10), ("x", None), ("1.5", None), ("", None)]
)
def test_patients_are_numbers_however_they_are_written(text: str, number: int | None) -> None:
    assert lumos_table.patient_number(text) == number


def test_a_line_of_the_csv_that_does_not_fit_its_header_is_listed(tmp_path: Path, film: bytes) -> None:
    packed(tmp_path / "in", "a.zip", {**both(1, film), **both(2, film)})
    lines = ["patient_id,age,gender", "1,61,F", "2,70,M,M,9"]
    (tmp_path / "in" / "table.csv").write_text("\n".join(lines))
    report, studies = imported(tmp_path)
    assert "table.csv line 3: 5 cells, the header has 3" in reasons(report)
    assert studies["lumos_1"].covariates.age_years == 61 and studies["lumos_2"].covariates.age_years is None
