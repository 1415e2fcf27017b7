"""Proposals of what columns hold: what is sure is taken, what is not waits for a choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.io.tables.reader import read_as_written
from cohort.mapping.columns_file import Holds, TableMapping
from cohort.mapping.propose import FilmIds, propose_table

NO_FILMS = FilmIds()


def proposed(tmp_path: Path, text: str, name: str = "Tabelle.csv", ids: FilmIds = NO_FILMS) -> TableMapping:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return propose_table(path, read_as_written(path), ids)


def lines(mapping: TableMapping) -> dict[str, list[str]]:
    return {c.header: ["-" if m is None else str(m) for m in c.meanings] for c in mapping.columns}


def column(tmp_path: Path, header: str, *cells: str, name: str = "t.csv") -> list[str]:
    """What one column beside a patient's may hold."""
    rows = "".join(f"p{k}\t{cell}\n" for k, cell in enumerate(cells))
    return lines(proposed(tmp_path, f'patient_id\t"{header}"\n{rows}', name))[header]


@pytest.mark.parametrize(
    ("header", "cells", "choices"),
    [
        ("Größe", ("1,62", "1,75"), ["height_cm in m"]),
        ("Größe", ("162", "175,5"), ["height_cm"]),
        ("Height", ("64", "70"), ["height_cm in in"]),
        ("Größe (cm)", ("1,62", "1,75"), ["height_cm", "height_cm in m", "-"]),
        ("Größe", ("1,62", "175"), ["height_cm", "-"]),
        ("Gewicht", ("52", "82", "131"), ["weight_kg in kg"]),
        ("Weight", ("152", "182", "131"), ["weight_kg in kg", "weight_kg in lb", "weight_kg in jin", "-"]),
        ("Weight (lb)", ("152", "182", "131"), ["weight_kg in lb"]),
        ("体重(斤)", ("102", "122"), ["weight_kg in jin"]),
        ("Peso kg", ("6,1", "7,5"), ["weight_kg in kg", "-"]),
        ("BMD LWS", ("812", "1012"), ["bmd_g_cm2 in mg/cm2"]),
        ("BMD LWS (g/cm²)", ("0,812", "1,012"), ["bmd_g_cm2"]),
        ("BMD L2", ("0,812", "1,012"), ["-"]),
        ("T-Wert L2", ("-2,1", "0"), ["t_score_L2"]),
        ("T-Wert Hüfte", ("-2,1", "0"), ["-"]),
        ("Z-Wert LWS", ("-2,1", "0"), ["-"]),
        ("T-Wert", ("-2,1", "0"), ["t_score", "-"]),
        ("T-score L2-L4", ("-2,1", "0"), ["-"]),
        ("T-Score LWS lateral", ("-2,1", "0"), ["t_score", "-"]),
        ("AP", ("1", "2"), ["-"]),
        ("腰椎T值", ("78", "92"), ["t_score", "-"]),
        ("Age", ("67", "81"), ["age_years"]),
        ("Geburtsgewicht", ("67", "81"), ["-"]),
        ("Weight of the dog", ("67", "81"), ["weight_kg in kg", "-"]),
        ("Röntgendatum", ("03/04/2021", "05/06/2021"),
         ["study_date as day/month/year", "study_date as month/day/year", "-"]),
        ("Röntgendatum", ("03/04/2021", "25/06/2021"), ["study_date"]),
        ("Aufnahmedatum", ("2021-03-04",), ["study_date", "-"]),
        ("Geschlecht", ("w", "m"), ["sex"]),
        ("性别", ("女", "男"), ["sex"]),
        ("Sexe", ("H", "F"), ["sex"]),
        ("Sexo", ("H", "M"), ["sex with H=M, M=F", "sex with H=F, M=M", "-"]),
        ("Sexo", ("M", "M"), ["sex with M=F", "sex with M=M", "-"]),
        ("Sex", ("1", "2"), ["sex with 1=M, 2=F", "sex with 1=F, 2=M", "-"]),
        ("性别(1男2女)", ("1", "2"), ["sex with 1=M, 2=F"]),
        ("Sex (0=female 1=male)", ("1", "0"), ["sex with 0=F, 1=M"]),
    ],
)  # fmt: skip
def test_a_column_is_taken_where_header_and_values_agree(
    tmp_path: Path, header: str, cells: tuple[str, ...], choices: list[str]
) -> None:
    assert column(tmp_path, header, *cells) == choices


def test_a_table_named_after_the_lumbar_spine_says_whose_t_scores_it_holds(tmp_path: Path) -> None:
    assert column(tmp_path, "T-Wert", "-2,1", name="DXA_LWS.csv") == ["t_score"]
    assert column(tmp_path, "T-Wert", "-2,1", name="DXA_LWS_Hüfte.csv") == ["t_score", "-"]
    assert column(tmp_path, "t_score", "-2.1") == ["t_score"], "the column's own name"


def test_the_kind_of_a_table_is_told_from_its_columns(tmp_path: Path) -> None:
    patients = proposed(tmp_path, "Pat-Nr;Alter;Datum\n1;67;2021-03-04\n")
    assert patients.holds is Holds.COHORT and lines(patients)["Datum"] == ["study_date"]
    scans = proposed(tmp_path, "Pat-Nr;Datum;T-Wert L1-L4;Alter\n1;2021-03-04;-2;67\n1;2020-03-04;-1;66\n")
    assert scans.holds is Holds.DXA
    assert lines(scans) == {
        "Pat-Nr": ["patient_id"],
        "Datum": ["dxa_date"],
        "T-Wert L1-L4": ["t_score"],
        "Alter": ["-"],
    }
    both = proposed(tmp_path, "Pat-Nr;Alter;Datum;T-Wert L1-L4\n1;67;2021-03-04;-2\n")
    assert both.holds is Holds.COHORT and lines(both)["Datum"] == ["study_date", "dxa_date", "-"]
    assert proposed(tmp_path, "Name;Datum\nx;2021-03-04\n").holds is Holds.NOTHING
    assert proposed(tmp_path, "Pat-Nr;Bemerkung\nx;gut\n").holds is Holds.NOTHING
    dated = proposed(tmp_path, "Pat-Nr;Geburtsdatum;Röntgendatum;DXA-Datum\n1;1.1.1950;2.2.2021;3.2.2021\n")
    assert dated.holds is Holds.COHORT and lines(dated)["Geburtsdatum"] == ["birth_date"]
    films = proposed(tmp_path, "Pat-Nr;LWS a.p.;LWS seitlich\n1;a.png;b.png\n")
    assert films.holds is Holds.MANIFEST and lines(films)["LWS a.p."] == ["ap"]


def test_the_radiographs_tell_what_a_number_is(tmp_path: Path) -> None:
    text = "Nr;Alter\n007;67\n008;68\n"
    keys = ["study_uid", "patient_id", "accession_number", "-"]
    assert lines(proposed(tmp_path, text))["Nr"] == keys
    for films in (FilmIds(patient_id=frozenset({"7", "8"})), FilmIds(patient_id=frozenset({"x"}))):
        assert lines(proposed(tmp_path, text, ids=films))["Nr"] == keys, "no leading zero is guessed"
    of_films = FilmIds(patient_id=frozenset({"007"}), accession_number=frozenset({"A"}))
    assert lines(proposed(tmp_path, text, ids=of_films))["Nr"] == ["patient_id"]
    of_both = FilmIds(patient_id=frozenset({"007"}), accession_number=frozenset({"008"}))
    assert lines(proposed(tmp_path, text, ids=of_both))["Nr"] == keys
    two = "Patient ID;PID;Alter\n1;007;67\n2;008;68\n"
    assert lines(proposed(tmp_path, two)) == {
        "Patient ID": ["patient_id", "-"], "PID": ["patient_id", "-"], "Alter": ["age_years"]
    }  # fmt: skip
    assert lines(proposed(tmp_path, two, ids=of_films))["PID"] == ["patient_id"]


def test_values_that_contradict_each_other_wait_for_a_choice(tmp_path: Path) -> None:
    head = "patient_id;Größe;Gewicht;BMI\n"
    assert all(len(m) == 1 for m in lines(proposed(tmp_path, f"{head}1;160;64;25\n2;170;72,25;25\n")).values())
    found = lines(proposed(tmp_path, f"{head}1;160;94;17\n2;170;95;15\n"))
    assert found["Gewicht"] == ["weight_kg in kg", "-"] and found["Größe"] == ["height_cm", "-"]


def test_a_column_of_regions_is_known_by_its_values(tmp_path: Path) -> None:
    text = "Pat-Nr;Site;T-score\n1;L1-L4;-2\n1;Neck;-3\n"
    assert lines(proposed(tmp_path, text)) == {"Pat-Nr": ["patient_id"], "Site": ["dxa_region"], "T-score": ["t_score"]}
    assert lines(proposed(tmp_path, "Pat-Nr;Site;Age\n1;Köln;67\n"))["Site"] == ["site"]
