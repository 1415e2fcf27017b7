"""A delivery into a cohort folder: who is joined, who is left out, and what a rerun changes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cohort.check import check_cohort
from cohort.delivery.assemble import RECORD, Assembled, assemble_cohort
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.spine import View
from osteolens.errors import ConfigError, ReadError
from tests.conftest import MakeDicom
from tests.importing import picture


def tables(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return folder


def alone(made: Assembled) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return made.films_alone, made.lines_alone


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_headers_join_by_study_accession_and_patient(tmp_path: Path, make_dicom: MakeDicom) -> None:
    for k, (uid, patient, accession, view) in enumerate(
        [("1.1", "X", "A1", "AP"), ("1.1", "X", "A1", "LATERAL"), ("1.2", "007", "", "AP"), ("1.3", "7", "", "AP")]
    ):
        make_dicom(
            f"films/f{k}", StudyInstanceUID=uid, PatientID=patient, AccessionNumber=accession, ViewPosition=view,
            StudyDate="20210304", PatientAge=None,
        )  # fmt: skip
    source = tables(
        tmp_path / "t",
        Liste="Auftragsnummer;Patienten-Nr.;Geb.-Datum;Gewicht\nA1;0042;04.03.1950;60\n;007;04.03.1951;70\nA9;9;01.01.1950;61\n",
        DXA_LWS="Patienten-Nr.;Datum;T-Wert\n0042;01.03.2021;-2,6\n0042;01.03.2019;-1\n07;01.03.2021;-1\n",
    )
    made = assemble_cohort(source, tmp_path / "films", tmp_path / "out")
    assert (made.studies, made.patients, made.images, made.scans) == (2, 2, 3, 2)
    assert alone(made) == (
        ("f3 (its PatientID stands in no table)",),
        (
            "A9 (Liste.csv line 4)",
            "07 (DXA_LWS.csv line 4; matches 007 without leading zeros; keep the column as text)",
        ),
    )
    assert made.notes == ("f0: its line is of patient 0042, its header names another",)
    first, second = index_cohort(tmp_path / "out").studies
    assert (first.patient_id, first.covariates.age_years, first.covariates.weight_kg) == ("0042", 71.0, 60)
    assert first.dxa is not None and first.dxa.t_score == -2.6 and first.lateral is not None
    assert (second.patient_id, second.dxa, second.covariates.age_years) == ("007", None, 70.0)


def test_plain_images_join_by_the_names_of_files_and_folders(tmp_path: Path) -> None:
    for name in ("0011/LWS a.p..png", "0011/LWS seitl..png", "x/0012_AP.png", "x/0012_LAT.png", "y/0011_0012_AP.png",
                 "z/12_AP.png", "AP/scan 0013.png", "lat/scan 0013.png"):  # fmt: skip
        picture(tmp_path / "films" / name)
    source = tables(tmp_path / "t", P="Pat.-ID;Alter\n0011;60\n0012;61\n0013;62\n14;63\n")
    made = assemble_cohort(source, tmp_path / "films", tmp_path / "out")
    assert made.films_alone == (
        "y/0011_0012_AP.png (its files name several patients: 0011, 0012)",
        "z/12_AP.png (its files name no identifier of the tables)",
    )
    assert made.lines_alone == ("14 (P.csv line 5)",)
    studies = index_cohort(tmp_path / "out").studies
    assert [(s.study_uid, s.patient_id, s.covariates.age_years) for s in studies] == [
        ("0011", "0011", 60), ("0012", "0012", 61), ("0013", "0013", 62)
    ]  # fmt: skip
    assert all(study.ap is not None and study.lateral is not None for study in studies)


def test_a_rerun_brings_the_folder_up_to_date_and_touches_nothing_else(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    for name in ("p1_AP.png", "p2_AP.png"):
        picture(films / name)
    source = tables(tmp_path / "t", P="patient_id;Alter\np1;60\np2;61\n")
    planned = assemble_cohort(source, films, out, dry_run=True)
    assert not out.exists() and planned.studies == 2
    assert assemble_cohort(source, films, out) == planned
    first = contents(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assemble_cohort(source, films, out)
    assert contents(out) == first and {path: path.stat().st_mtime_ns for path in times} == times, "images are kept"
    (out / "notes.txt").write_text("mine")
    tables(source, P="patient_id;Alter\np1;65\n")
    picture(films / "p1_AP.png", (90, 180))
    assemble_cohort(source, films, out)
    assert sorted(contents(out)) == [RECORD, "cohort.csv", "notes.txt", "p1/AP.png"]
    assert (out / "p1/AP.png").read_bytes() == (films / "p1_AP.png").read_bytes()
    assert pd.read_csv(out / "cohort.csv")["age_years"].tolist() == [65]
    assemble_cohort(source, films, out, link=True)
    assert (out / "p1/AP.png").resolve() == (films / "p1_AP.png").resolve()
    assert index_cohort(out).studies[0].covariates.age_years == 65


def test_a_folder_of_others_and_a_record_that_leads_out_are_left_alone(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    picture(films / "p1_AP.png")
    source = tables(tmp_path / "t", P="patient_id;Alter\np1;60\n")
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds files that no earlier run wrote"):
        assemble_cohort(source, films, out)
    (tmp_path / "precious").write_text("x")
    (out / RECORD).write_text(
        json.dumps({"files": ["../precious", str(tmp_path / "precious"), "mine.txt/../../precious"]})
    )
    assemble_cohort(source, films, out)
    assert (tmp_path / "precious").exists() and (out / "mine.txt").exists()
    with pytest.raises(ConfigError, match="lies in the folder of radiographs"):
        assemble_cohort(source, films, films / "out")


def test_columns_that_wait_for_a_choice_stop_it(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    picture(films / "p1_AP.png")
    source = tables(tmp_path / "t", P="patient_id;Gewicht\np1;120\n")
    assert not check_cohort(source).tables_alone
    with pytest.raises(ConfigError, match=r"1 columns wait for a choice.*weight_kg in kg or weight_kg in lb"):
        assemble_cohort(source, films, out)
    yaml = source / "columns.yaml"
    yaml.write_text("".join(line for line in yaml.read_text().splitlines(True) if not line.strip().startswith("- ")
                            or "in lb" in line))  # fmt: skip
    assert check_cohort(source).tables_alone
    assert assemble_cohort(source, films, out).studies == 1
    assert index_cohort(out).studies[0].covariates.weight_kg == pytest.approx(54.43, abs=0.01)
    tables(source, P="patient_id;Gewicht\np9;120\n")
    with pytest.raises(ReadError, match=r"no radiograph of .* is of a line in"):
        assemble_cohort(source, films, tmp_path / "other")


def test_rois_of_imports_are_of_the_same_images(tmp_path: Path) -> None:
    films, drawn = tmp_path / "films", tmp_path / "rois"
    picture(films / "0011_AP.png")
    picture(films / "0012_AP.png", (81, 171))
    picture(drawn / "other name" / "AP.png")
    (drawn / "rois.csv").write_text(
        "study_uid,view,level,x0,y0,x1,y1\nother name,AP,L1,1,2,30,40\nghost,AP,L1,1,2,3,4\n"
    )
    source = tables(tmp_path / "t", P="Pat.-ID;Alter\n0011;60\n0012;61\n")
    made = assemble_cohort(source, films, tmp_path / "out", rois=[drawn])
    rois = read_rois(tmp_path / "out" / "rois.csv")
    assert list(rois) == [("0011", View.AP)] and rois["0011", View.AP][0].corners == (1, 2, 30, 40)
    assert made.rois == 1 and "ghost AP is of no radiograph" in made.wrong[0]


def test_a_radiograph_that_two_folders_draw_otherwise_is_told(tmp_path: Path) -> None:
    films = tmp_path / "films"
    picture(films / "0011_AP.png")
    folders = []
    for name, right in (("first", 40), ("second", 50), ("third", 50)):
        picture(tmp_path / name / "p" / "AP.png")
        (tmp_path / name / "rois.csv").write_text(f"study_uid,view,level,x0,y0,x1,y1\np,AP,L1,1,2,30,{right}\n")
        folders.append(tmp_path / name)
    source = tables(tmp_path / "t", P="Pat.-ID;Alter\n0011;60\n")
    made = assemble_cohort(source, films, tmp_path / "out", rois=folders)
    assert made.wrong == ("second/rois.csv: p AP is drawn otherwise in another folder too; this one is taken",)
    assert read_rois(tmp_path / "out" / "rois.csv")["0011", View.AP][0].corners == (1, 2, 30, 50)


def test_tables_and_lines_that_are_not_read_are_told(tmp_path: Path) -> None:
    films = tmp_path / "films"
    picture(films / "0011_AP.png")
    source = tables(
        tmp_path / "t",
        P="Pat.-ID;Alter\n0011;60\n0011;60\n",
        Q="Pat.-ID;Geschlecht\n0011;w\n0099;w\n",
        broken='Pat.-ID;Gewicht\n"0011;60\n',
    )
    made = assemble_cohort(source, films, tmp_path / "out")
    assert made.lines_alone == ("0099 (Q.csv line 3)",)
    assert len(made.notes) == 1 and made.notes[0].startswith("table that cannot be read: broken.csv")


def test_a_table_that_no_earlier_run_wrote_is_not_written_over(tmp_path: Path) -> None:
    films, drawn, out = tmp_path / "films", tmp_path / "rois", tmp_path / "out"
    picture(films / "0011_AP.png")
    picture(drawn / "p" / "AP.png")
    (drawn / "rois.csv").write_text("study_uid,view,level,x0,y0,x1,y1\np,AP,L1,1,2,30,40\n")
    source = tables(tmp_path / "t", P="Pat.-ID;Alter\n0011;60\n")
    assemble_cohort(source, films, out)
    (out / "rois.csv").write_text("mine")
    assemble_cohort(source, films, out)
    assert (out / "rois.csv").read_text() == "mine"
    with pytest.raises(ConfigError, match=r"holds rois\.csv, which no earlier run wrote"):
        assemble_cohort(source, films, out, rois=[drawn])
    assert (out / "rois.csv").read_text() == "mine"
    (out / "rois.csv").unlink()
    assert assemble_cohort(source, films, out, rois=[drawn]).rois == 1
    assert assemble_cohort(source, films, out, rois=[drawn]).rois == 1


def test_every_value_of_a_line_comes_into_the_cohort_folder(tmp_path: Path) -> None:
    picture(tmp_path / "films" / "0011_AP.png")
    row = {
        "patient_id": "0011", "age_years": 60.0, "sex": "F", "height_cm": 160.0, "weight_kg": 60.0, "site": "north",
        "split": "training", "machine": "X", "study_date": "2021-03-04", "pixel_spacing_mm": 0.2, "t_score": -1.5,
        "dxa_date": "2021-03-01", "fracture_grade": 1, "cobb_deg": 3.0, "lumbar_count": 5,
    }  # fmt: skip
    source = tmp_path / "t"
    source.mkdir()
    pd.DataFrame([row]).to_csv(source / "P.csv", index=False)
    assemble_cohort(source, tmp_path / "films", tmp_path / "out")
    (written,) = pd.read_csv(tmp_path / "out" / "cohort.csv", dtype={"patient_id": str}).to_dict("records")
    assert {name: written.get(name) for name in row} == row
    assert index_cohort(tmp_path / "out").studies[0].plain_spacing_mm == 0.2
