"""Cells as people write them: words for unknown, numbers, days and words for sex."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cohort.covariates import Sex
from cohort.io.tables.cells import day, number
from cohort.io.tables.cohort_tables import read_cohort_csv
from cohort.io.tables.reader import read_table
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.words import is_unknown, sex_of
from cohort.study import Findings
from osteolens.errors import ReadError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text(text, "utf-8")
    return path


UNKNOWN = (
    "",
    " ",
    "NA",
    "N/A",
    "n.a.",
    "nan",
    "NaN",
    "NULL",
    "null",
    "None",
    "-",
    "--",
    ".",
    "?",
    "unknown",
    "#N/A",
    "未知",
)


@pytest.mark.parametrize("word", UNKNOWN)
def test_words_for_unknown_are_unknown_in_every_kind_of_cell(tmp_path: Path, word: str) -> None:
    header = "patient_id;age_years;sex;t_score;dxa_date;study_date;site;implant;exposure;fractures;fracture_grade"
    row = read_cohort_csv(written(tmp_path, f"{header}\np1;{';'.join([word] * 10)}\n"))["p1"]
    implant = False if word == "None" else None  # none is the word for no implant
    assert row == CohortRow(patient_id="p1", findings=Findings(implant=implant))
    assert is_unknown(word)


@pytest.mark.parametrize(
    ("text", "value"),
    [("-2,6", -2.6), ("-2.6", -2.6), ("−2.6", -2.6), ("–2,6", -2.6), ("+1", 1), (",5", 0.5), ("1.", 1),
     ("1,012", 1.012),
     ("1.2e0", 1.2), (" 3 ", 3), ("３．５", 3.5)],
)  # fmt: skip
def test_numbers_have_a_decimal_point_or_comma(text: str, value: float) -> None:
    assert number(text, "x line 2", "t_score", (-9, 9)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inf", "is 'inf', expected a number"),
        ("-Infinity", "expected a number"),
        ("1_000", "is '1_000', expected a number"),
        ("1.234,5", "is '1.234,5', expected a number without thousands separators"),
        ("1,234.5", "without thousands separators"),
        ("1 234", "without thousands separators"),
        ("1'234", "without thousands separators"),
        ("64 kg", "is '64 kg', expected a number alone; the unit stands in the column's name"),
        ("078Y", "alone; the unit stands"),
        ("25%", "alone; the unit stands"),
        ("1e999", "x line 2: weight is 1e999, expected 0 to 400; check the unit"),
        ("#DIV/0!", "expected a number"),
        ("0x10", "expected a number"),
        ("9" * 5000, "expected 0 to 400"),
    ],
)
def test_what_is_no_plain_number_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        number(text, "x line 2", "weight", (0, 400))
    assert message in str(caught.value) and len(str(caught.value)) < 200


def test_a_group_of_three_digits_is_not_guessed() -> None:
    with pytest.raises(ReadError, match="x0 is '1,234', which may hold a decimal sign or a thousands separator"):
        number("1,234", "x line 2", "x0", (0, 5000))
    assert number("1,234", "x line 2", "x0", (0, 5000), decimal_comma=True) == 1.234
    assert number("1.234", "x line 2", "x0", (0, 5000)) == 1.234
    with pytest.raises(ReadError, match="thousands separator"):
        number("1.234", "x line 2", "x0", (0, 5000), decimal_comma=True)


def test_a_fraction_of_a_grade_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"line 2: fracture_grade is 1\.5, expected a whole number"):
        read_cohort_csv(written(tmp_path, "patient_id,fracture_grade\np1,1.5\n"))


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-25", "20210325", "2021/03/25", "2021/3/25", "2021.03.25", "25.03.2021", "25.3.2021", "25/03/2021",
        "03/25/2021", "25-03-2021", "2021-03-25 14:30", "2021-03-25T14:30:00", "2021-03-25T14:30:00.000+01:00",
        "2021-03-25 00:00:00", "20210325143000", "25.03.2021 14:30", "25/03/2021 2:30 PM", "2021年3月25日",
        "令和3年3月25日",
        "2021年03月25日 14:30", "25 Mar 2021", "25-Mar-2021", "March 25, 2021", "25. März 2021", "25 mars 2021",
        "25 de marzo de 2021", "25 março 2021", "２０２１-03-25",
    ],
)  # fmt: skip
def test_days_are_read_as_people_write_them(text: str) -> None:
    assert day(text, "x line 2", "study_date") == date(2021, 3, 25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("03/04/2021", "study_date is '03/04/2021', which may be day/month or month/day"),
        ("25.03.21", "expected YYYY-MM-DD with four digits of the year"),
        ("44280", "a spreadsheet's count of days, format the column as a date"),
        ("2021-02-30", "which is no day"),
        ("2021-13-01", "which is no day"),
        ("0021-03-25", "expected a year from 1900 to 2100"),
        ("25032021", "which is no day"),
        ("spring", "study_date is 'spring', expected YYYY-MM-DD"),
        ("2021", "expected YYYY-MM-DD"),
    ],
)
def test_days_that_say_too_little_are_refused(text: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        day(text, "x line 2", "study_date")
    assert message in str(caught.value)


def test_the_column_tells_the_order_of_day_and_month(tmp_path: Path) -> None:
    text = "patient_id,study_date\np1,03/04/2021\np2,{}\np3,05/05/2021\n"
    rows = read_cohort_csv(written(tmp_path, text.format("25/04/2021")))
    assert rows["p1"].study_date == date(2021, 4, 3) and rows["p3"].study_date == date(2021, 5, 5)
    rows = read_cohort_csv(written(tmp_path, text.format("04/25/2021")))
    assert rows["p1"].study_date == date(2021, 3, 4)
    both = text.format("25/04/2021") + "p4,04/25/2021\n"
    for unclear in (text.format("06/07/2021"), both):
        with pytest.raises(ReadError, match="line 2: study_date is '03/04/2021', which may be day/month or month/day"):
            read_cohort_csv(written(tmp_path, unclear))
    assert read_table(
        written(tmp_path, "patient_id,study_date,dxa_date\np1,25/04/2021,03/04/2021\n")
    ).dxa_date.item() == ("03/04/2021")


@pytest.mark.parametrize(
    ("words", "sex"),
    [
        ("F f female Female WOMAN w W weiblich Frau femme féminin Féminin fem. mujer Mujer femenino hembra donna "
         "femminile mulher feminino 女 女性", Sex.FEMALE),
        ("M m male Man männlich Männlich maennlich Mann homme masculin Masculino hombre varón uomo homem 男 男性",
         Sex.MALE),
        ("O other unknown U divers NA -", None),
    ],
)  # fmt: skip
def test_sex_is_a_word_of_a_closed_list(words: str, sex: Sex | None) -> None:
    assert {word: sex_of(word) for word in words.split()} == dict.fromkeys(words.split(), sex)


@pytest.mark.parametrize("word", ["1", "0", "2", "H", "D", "x", "Fred", "Maria", "F/M", "mf", "Wm", "Ů"])
def test_other_words_for_sex_are_refused_by_name(tmp_path: Path, word: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_cohort_csv(written(tmp_path, f"patient_id,sex,site\np1,{word},é\n"))
    assert f"cohort.csv line 2: sex is {word!r}" in str(caught.value) and "expected F or M" in str(caught.value)
    assert ("ambiguous" in str(caught.value)) == (word in "102HD")


def test_single_letters_of_spanish_and_french_columns_are_read_together(tmp_path: Path) -> None:
    rows = read_cohort_csv(written(tmp_path, "patient_id,sex\np1,H\np2,F\n"))
    assert rows["p1"].covariates.sex is Sex.MALE and rows["p2"].covariates.sex is Sex.FEMALE
    wrong: list[str] = []
    assert read_cohort_csv(written(tmp_path, "patient_id,sex\np1,H\np2,M\n"), wrong) == {}
    assert len(wrong) == 2 and "mujer" in wrong[1]


def test_words_for_no_implant_and_good_exposure(tmp_path: Path) -> None:
    rows = read_cohort_csv(written(tmp_path, "patient_id,implant,exposure\na,Nein,Good\nb,non,under\nc,screws,\n"))
    assert [rows[key].findings.implant for key in "abc"] == [False, False, True]
    assert [rows[key].findings.exposure_adequate for key in "abc"] == [True, False, None]
