"""Tables read by columns.yaml: units, days, sexes, regions, and lines that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cohort.io.folder import index_cohort
from cohort.io.tables.cohort_tables import cohort_table, scan_table
from cohort.io.tables.join import read_cohort_tables
from cohort.io.tables.notes import notes_of, read_tables
from cohort.mapping.columns_file import COLUMNS_FILE
from cohort.study import Study
from osteolens.errors import ReadError


def mapped(folder: Path, name: str, text: str, *columns: str, holds: str = "cohort") -> Path:
    """A table, and columns.yaml that names it too."""
    (folder / name).write_text(text, "utf-8")
    yaml = folder / COLUMNS_FILE
    before = yaml.read_text("utf-8") if yaml.is_file() else "tables:\n"
    lines = "".join(f"      {column}\n" for column in columns)
    yaml.write_text(f"{before}  {name}:\n    holds: {holds}\n    columns:\n{lines}", "utf-8")
    return folder / name


def test_units_days_and_sexes_are_those_that_columns_yaml_says(tmp_path: Path) -> None:
    path = mapped(
        tmp_path, "P.csv", "Nr;G;W;S;D;B;L\n0007;1,62;130;1;03/04/2021;04/03/1950;a\n0008;165 cm;60 kg;2;4/3/2021;;b\n",
        "Nr: patient_id", "G: height_cm in m", "W: weight_kg in lb", "S: sex with 1=M, 2=F",
        "D: study_date as day/month/year", "B: birth_date as day/month/year", "L: not used",
    )  # fmt: skip
    rows = cohort_table(path).rows
    first, second = rows["0007"], rows["0008"]
    assert first.covariates.height_cm == 162
    assert first.covariates.weight_kg == pytest.approx(58.967, abs=1e-3)
    assert (second.covariates.height_cm, second.covariates.weight_kg) == (165, 60)
    assert (str(first.covariates.sex), str(second.covariates.sex)) == ("M", "F")
    assert (str(first.study_date), str(second.study_date)) == ("2021-04-03", "2021-03-04")
    assert first.covariates.age_years == 71.1 and second.covariates.age_years is None


def test_a_value_that_is_of_another_unit_leaves_its_line_out_by_name(tmp_path: Path) -> None:
    path = mapped(tmp_path, "P.csv", "Nr;G\n1;1,62\n2;162\n3;\n", "Nr: patient_id", "G: height_cm in m")
    table = cohort_table(path)
    assert sorted(table.rows) == ["1", "3"]
    assert table.wrong == ("P.csv line 3: height_cm in m is 162, expected 0.5 to 2.6; check the unit",)


def test_a_column_that_is_left_open_is_not_read_and_told(tmp_path: Path) -> None:
    mapped(tmp_path, "P.csv", "Nr;W;A\n1;130;67\n", "Nr: patient_id", "W: [weight_kg in kg, weight_kg in lb]",
           "A: [age_years]")  # fmt: skip
    tables = read_tables(tmp_path)
    assert tables.cohort is not None
    covariates = tables.cohort.rows["1"].covariates
    assert (covariates.weight_kg, covariates.age_years) == (None, 67)
    notes = notes_of(tables, [Study(study_uid="s", patient_id="1")])
    assert notes.lines == ("1 x column that columns.yaml leaves open and nobody reads: W of P.csv",)


def test_one_line_a_region_becomes_one_scan(tmp_path: Path) -> None:
    text = ("P;D;R;T;B\n1;2021-03-04;L1-L4;-2,5;0,8\n1;2021-03-04;L1;-2,4;0,7\n1;2021-03-04;Neck;-3,5;0,5\n"
            "1;2020-03-04;LWS gesamt;-1,5;0,9\n2;2020-03-04;Total hip;-1;0,9\n3;2020-03-04;tibia;-1;0,9\n")  # fmt: skip
    path = mapped(tmp_path, "D.csv", text, "P: patient_id", "D: dxa_date", "R: dxa_region", "T: t_score",
                  "B: bmd_g_cm2", holds="dxa")  # fmt: skip
    table = scan_table(path)
    assert {p: [(str(s.scan_date), s.t_score, s.bmd_g_cm2) for s in found] for p, found in table.scans.items()} == {
        "1": [("2021-03-04", -2.5, 0.8), ("2020-03-04", -1.5, 0.9)]
    }
    assert table.scans["1"][0].t_score_by_level == {"L1": -2.4}
    assert table.wrong == ("D.csv line 7: its region is not known; expected L1-L4, L1 .. L4 or another place",)


def test_tables_of_patients_and_of_studies_become_one(tmp_path: Path) -> None:
    visits = mapped(tmp_path, "V.csv", "U;P;D;S\na;1;2021-03-04;F\nb;1;2020-03-04;\nc;2;2020-01-01;F\n", "U: study_uid",
                    "P: patient_id", "D: study_date", "S: sex")  # fmt: skip
    people = mapped(tmp_path, "P.csv", "P;B;S\n1;1950-03-04;w\n2;1940-01-01;m\n9;1940-01-01;m\n", "P: patient_id",
                    "B: birth_date", "S: sex")  # fmt: skip
    table = cohort_table(people, visits)
    assert table.name == "V.csv" and [line.study_uid for line in table.lines] == ["a", "b"]
    assert [line.row.covariates.age_years for line in table.lines] == [71.0, 70.0]
    assert table.unmatched == ("9 (P.csv line 4)",)
    assert [line.row.covariates.sex for line in table.lines] == ["F", "F"]
    assert "V.csv line 4 and P.csv line 3: patient_id 2 has different sex" in table.wrong[0]
    people.write_text("P;B;S\n1;1950-03-04;w\n1;1940-01-01;w\n")
    with pytest.raises(ReadError, match=r"P\.csv lines 2 and 3: patient_id 1 stands on both, and only one of several"):
        cohort_table(people, visits)


def test_a_birth_date_gives_the_age_on_the_day_of_the_radiographs(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id,birth_date\n1,1950-03-04\n")
    tables = read_cohort_tables(tmp_path)
    study = Study(study_uid="s", patient_id="1")
    assert tables.joined(study).covariates.age_years is None
    assert tables.joined(replace(study, study_date=date(2020, 3, 4))).covariates.age_years == 70.0


def test_a_manifest_and_a_column_that_is_gone(tmp_path: Path) -> None:
    path = mapped(tmp_path, "films.csv", "Nr;vorn;A\n1;x.png;67\n", "Nr: patient_id", "vorn: ap", "A: age_years",
                  holds="manifest")  # fmt: skip
    (study,) = index_cohort(path).studies
    assert study.ap == tmp_path / "x.png" and study.covariates.age_years == 67
    path.write_text("Nr;front;A\n1;x.png;67\n")
    with pytest.raises(ReadError, match=r"columns\.yaml: films\.csv has no column .vorn.; found Nr, front, A"):
        index_cohort(path)
