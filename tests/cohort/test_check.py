"""What a cohort check says of sound and of broken cohorts."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from cohort.check import check_cohort
from cohort.io.folder import index_cohort
from cohort.io.tables.notes import notes_of, read_tables, table_notes, unmatched
from cohort.splits import SiteSplits
from cohort.study import Study
from tests import EXAMPLES


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "c")
    return tmp_path / "c"


def test_the_examples_are_sound(cohort: Path) -> None:
    found = check_cohort(cohort, images=True)
    assert found.usable and found.problems == ()
    assert found.counts is not None and found.counts.studies == found.counts.studies_with_rois == 6
    assert found.flow[0].remaining == 6 and found.flow[-1].remaining == found.counts.eligible
    assert sum(sum(split.values()) for split in found.splits.values()) == found.counts.eligible


def change(cohort: Path, name: str, column: str, row: int, value: object) -> None:
    table = pd.read_csv(cohort / name, dtype=str)
    table.loc[row, column] = str(value)
    table.to_csv(cohort / name, index=False)


def test_every_problem_is_named(cohort: Path) -> None:
    rows = pd.read_csv(cohort / "cohort.csv", dtype=str)
    extra = rows.iloc[[0]].assign(patient_id="ghost", study_uid="9.9")
    pd.concat([rows, extra]).to_csv(cohort / "cohort.csv", index=False)
    change(cohort, "rois.csv", "x0", 0, 90000)
    change(cohort, "rois.csv", "x1", 0, 90050)
    rois = pd.read_csv(cohort / "rois.csv", dtype=str)
    lost = rois[(rois["level"] == "L3") & (rois["view"] == "AP")].index[-1]
    rois.drop(index=lost).to_csv(cohort / "rois.csv", index=False)
    text = "\n".join(check_cohort(cohort, images=True).problems)
    assert "1 x line of cohort.csv without radiographs: 9.9" in text
    assert "lies outside its image" in text
    assert "1 x view without ROIs of all of L1-L4" in text and "AP (L3)" in text


def test_bad_lines_are_all_listed(cohort: Path) -> None:
    change(cohort, "cohort.csv", "t_score", 0, -26)
    change(cohort, "cohort.csv", "sex", 2, "x")
    found = check_cohort(cohort)
    assert not found.usable
    assert "2 x line that cannot be read" in found.problems[0]
    assert "t_score is -26" in found.problems[0] and "sex is 'x'" in found.problems[0]


def test_bad_lines_of_a_reader_are_all_listed(cohort: Path) -> None:
    (cohort / "findings.csv").write_text("study_uid,read_by,fracture_grade\na,anna,9\nb,anna,1\nb,anna,2\n")
    (line,) = check_cohort(cohort).problems
    assert "2 x line that cannot be read" in line and "fracture_grade is 9" in line


def test_a_patient_on_both_sides_of_the_split_is_found(cohort: Path) -> None:
    rows = pd.read_csv(cohort / "cohort.csv", dtype=str)
    sites = ["training", "test1", *rows.site[2:]]
    rows.assign(site=sites).drop(columns="patient_id").to_csv(cohort / "cohort.csv", index=False)
    for uid in rows.study_uid[:2]:
        for path in cohort.rglob("*.dcm"):
            header = pydicom.dcmread(path)
            if uid == header.StudyInstanceUID:
                header.PatientID = "same"
                header.save_as(path)
    text = "\n".join(check_cohort(cohort).problems)
    told = "1 x patient at a test site and elsewhere, none of whose studies is trained on: same (test1, training)"
    assert told in text


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        (
            ["training", "validation"],
            "patient of training and of validation, whose other studies are not trained on: same (training, "
            "validation)",
        ),
        (
            ["test1", "external"],
            "patient at several test sites, whose studies are not independent: same (external, test1)",
        ),
        (["north", "all"], None),
    ],
)
def test_what_training_makes_of_a_patient_of_several_sites(tmp_path: Path, sites: list[str], told: str | None) -> None:
    film(tmp_path, "a", "b")
    table(tmp_path, "cohort.csv", f"study_uid,patient_id,site\na,same,{sites[0]}\nb,same,{sites[1]}\n")
    text = "\n".join(check_cohort(tmp_path).problems)
    assert f"1 x {told}" in text if told else "patient " not in text


def test_sites_are_for_what_column_setting_and_name_say(tmp_path: Path) -> None:
    film(tmp_path, "a", "b", "c", "d")
    lines = "a,p1,external,,-2\nb,p2,north,test,-2\nc,p3,training,,-2\nd,p4,all,,-2\n"
    table(tmp_path, "cohort.csv", f"study_uid,patient_id,site,split,t_score\n{lines}")
    assert list(check_cohort(tmp_path).splits) == ["external", "north", "training"]
    told = SiteSplits(training=("external",), test=("training",))
    assert list(check_cohort(tmp_path, sites=told).splits) == ["north", "training", "training (test)"]


def test_unknown_covariates_and_views_are_told(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), np.zeros((30, 20), np.uint8))
    text = "\n".join(check_cohort(tmp_path).problems)
    assert "1 x image whose view only the detector can tell: film.png" in text
    assert "1 x study without age_years: film" in text


def table(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")


def film(folder: Path, *names: str) -> None:
    for name in names:
        cv2.imwrite(str(folder / f"{name}_AP.png"), np.zeros((30, 20), np.uint8))


def test_lines_that_lost_their_zeros_match_nobody_and_are_told(tmp_path: Path) -> None:
    film(tmp_path, "0004711", "0004712", "c")
    table(tmp_path, "cohort.csv", "patient_id,age_years\n4711,78\n4712.0,80\nC,60\n1.23E+11,50\nghost,1\n")
    studies = index_cohort(tmp_path).studies
    assert all(study.covariates.age_years is None for study in studies)
    first, second = table_notes(tmp_path, studies)
    assert first.startswith(
        "5 x line of cohort.csv without radiographs: 4711 (line 2; matches 0004711 without leading zeros"
    )
    assert "4712.0 (line 3; matches 0004712 but for case, blanks or a decimal" in first and first.endswith("and 2 more")
    assert second == "3 x study without a line in cohort.csv: 0004711, 0004712, c"
    assert set(table_notes(tmp_path, studies)) <= set(check_cohort(tmp_path).problems)
    assert unmatched({"1.23E+11": 5, "c": 6}, studies) == (
        "1.23E+11 (line 5; a spreadsheet rounded it; keep the column as text)",
    )


def test_doubled_lines_are_counted_and_named(tmp_path: Path) -> None:
    film(tmp_path, "p1", "p2")
    table(tmp_path, "cohort.csv", "patient_id,age_years\np1,58\np1,58\np2,60\n")
    table(tmp_path, "dxa.csv", "patient_id,dxa_date,t_score\np2,2020-01-01,-1\np2,2020-01-01,-1.0\nghost,,-1\n")
    studies = index_cohort(tmp_path).studies
    assert studies[1].dxa is not None and studies[1].dxa.t_score == -1
    found = notes_of(read_tables(tmp_path), studies)
    assert found.doubled == (
        "1 x line of cohort.csv that stands twice, counted once: p1 (lines 2 and 3)",
        "1 x line of dxa.csv that stands twice, counted once: p2 (lines 2 and 3)",
    )
    assert found.unmatched == ("1 x patient of dxa.csv without radiographs: ghost (line 4)",)
    assert found.unreadable == () and found.lines == (*found.unmatched, *found.doubled)


def test_lines_that_contradict_make_a_cohort_unusable(tmp_path: Path) -> None:
    film(tmp_path, "p1")
    table(tmp_path, "cohort.csv", "patient_id,age_years\np1,58\np1,78\n")
    found = check_cohort(tmp_path)
    assert not found.usable and "cohort.csv lines 2 and 3: patient_id p1 stands on each" in found.problems[0]
    table(tmp_path, "cohort.csv", "patient_id,age_years\np1,58\n")
    table(tmp_path, "dxa.csv", "patient_id,t_score\np1,low\n")
    assert "dxa.csv line 2: t_score is 'low'" in check_cohort(tmp_path).problems[0]
    table(tmp_path, "dxa.csv", "name\np1\n")
    assert "dxa.csv: found columns name; expected patient_id" in check_cohort(tmp_path).problems[0]


def test_a_line_of_another_study_of_a_patient_matches_nobody(tmp_path: Path) -> None:
    table(tmp_path, "cohort.csv", "study_uid,patient_id,age_years\n1.2,p1,58\n1.3,p1,60\n,,70\n")
    (found,) = table_notes(tmp_path, [Study(study_uid="1.2", patient_id="p1")])
    assert found == (
        "2 x line of cohort.csv without radiographs: 1.3 (line 3; patient p1 has radiographs, but this study_uid is of "
        "none of them), line 4 (no study_uid or patient_id)"
    )


def test_boxes_of_unknown_studies_and_unsure_encodings_are_told(tmp_path: Path) -> None:
    head = "study_uid,view,level,x0,y0,x1,y1\n"
    table(tmp_path, "rois.csv", head + "p1,AP,L1,1,2,3,4\nP2,AP,L1,1,2,3,4\np1,AP,L2,NA,2,3,4\n")
    table(tmp_path, "readers.csv", f"reader,{head}a,p9,AP,L1,1,2,3,4\n")
    (tmp_path / "cohort.csv").write_bytes("patient_id,site\np1,Köln\np2,x\n".encode("cp1252"))
    assert table_notes(tmp_path, [Study(study_uid="p1", patient_id="p1"), Study(study_uid="p2", patient_id="p2")]) == (
        "1 x ROIs that cannot be read: rois.csv line 4: x0 is 'NA', expected a number of pixels",
        "1 x study of rois.csv without radiographs: P2 (matches p2 but for case, blanks or a decimal; keep the column "
        "as text)",
        "1 x study of readers.csv without radiographs: p9",
        "cohort.csv was read as Western European (cp1252), e.g. site Köln; save it as 'CSV UTF-8' if a name "
        "looks wrong",
    )


def test_a_folder_without_tables_and_a_single_file_have_no_notes(tmp_path: Path) -> None:
    film(tmp_path, "p1")
    assert table_notes(tmp_path, index_cohort(tmp_path).studies) == ()
    assert table_notes(tmp_path / "p1_AP.png", [Study(study_uid="p1", patient_id="p1")]) == ()


def test_a_test_study_in_the_table_alone_and_settings_for_sites_of_nobody_are_told(tmp_path: Path) -> None:
    table(tmp_path, "cohort.csv", "study_uid,patient_id,t_score,site\na,p1,-2,n\nb,p2,-2,n\nx,p1,-2,test1\n")
    film(tmp_path, "a", "b")
    problems = check_cohort(tmp_path, sites=SiteSplits(validation=("N",))).problems
    assert (
        "1 x patient at a test site and elsewhere, none of whose studies is trained on: p1 (test1, training)"
        in problems
    )
    assert "the settings sites name N, which no study is of; found n, test1" in problems


def test_tables_of_a_hospital_get_a_proposal_that_every_reader_uses(tmp_path: Path) -> None:
    film(tmp_path, "007", "008")
    (tmp_path / "Patienten.csv").write_bytes(
        "Nr;Sex;Alter;Größe;Gewicht\n007;w;67;1,62;120\n008;m;70;1,75;121\n".encode("cp1252")
    )
    table(tmp_path, "LWS.csv", "Pat.-Nr.;Datum;T-Wert\n007;04.03.2021;-2,6\n008;04.03.2021;-0,5\n")
    found = check_cohort(tmp_path)
    assert found.counts is not None and found.counts.studies_with_t_score == 2
    assert found.notes == (
        f"{tmp_path / 'columns.yaml'} was written: 7 columns of LWS.csv, Patienten.csv; read it before you go on",
    )
    assert found.problems[0] == (
        "Patienten.csv: column Gewicht is weight_kg in kg or weight_kg in lb or weight_kg in jin or not used (120 to "
        "121 fits kg and lb and jin); keep one of these lines in columns.yaml"
    )
    text = (tmp_path / "columns.yaml").read_text("utf-8")
    again = check_cohort(tmp_path)
    assert (tmp_path / "columns.yaml").read_text("utf-8") == text and again.notes == (), "written once"
    assert "1 x column that columns.yaml leaves open and nobody reads: Gewicht of Patienten.csv" in again.problems
    table(tmp_path, "Neu.csv", "Pat.-Nr.;Alter\n007;67\n")
    assert check_cohort(tmp_path).problems[0].startswith("columns.yaml does not name Neu.csv; add it, or delete")


def test_a_table_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    film(tmp_path, "p1")
    table(tmp_path, "cohort.csv", "name,age_years\np1,58\n")
    found = check_cohort(tmp_path)
    assert found.counts is None and not any("stands twice" in line or "named twice" in line for line in found.problems)
    assert "cohort.csv: found columns name, age_years; expected study_uid or patient_id" in found.problems[0]
