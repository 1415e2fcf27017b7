"""Tables as people and spreadsheets write them: encodings, delimiters, headers and lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.io.tables import reader as tables
from cohort.io.tables.cohort_tables import read_cohort_csv
from cohort.io.tables.reader import lines_of, read_table
from osteolens.errors import ReadError

SITES = "patient_id;age_years;site\np1;78,2;{}\n"


def written(tmp_path: Path, content: str | bytes, name: str = "cohort.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def cells(tmp_path: Path, content: str | bytes) -> list[dict[str, str]]:
    return [row for _, row in lines_of(read_table(written(tmp_path, content)))]


@pytest.mark.parametrize(
    ("encoding", "site"),
    [
        ("utf-8", "Universitätsklinikum"),
        ("utf-8-sig", "Universitätsklinikum"),
        ("utf-16", "第一医院"),
        ("utf-16-le", "Universitätsklinikum"),
        ("utf-16-be", "第一医院"),
        ("utf-32", "Hôpital"),
        ("cp1252", "Universitätsklinikum"),
        ("cp1252", "Größe"),
        ("cp1252", "l’hôpital Sacré-Cœur"),
        ("cp1252", "São José"),
        ("cp1252", "Köln–Bonn"),
        ("gb18030", "第一医院"),
        ("gb18030", "中山大学附属第三医院（东院）"),
        ("gb18030", "女"),
    ],
)
def test_the_encodings_of_spreadsheets_are_read(tmp_path: Path, encoding: str, site: str) -> None:
    path = written(tmp_path, SITES.format(site).encode(encoding))
    row = read_cohort_csv(path)["p1"]
    assert row.site == site and row.covariates.age_years == 78.2


@pytest.mark.parametrize(
    ("encoding", "header", "name"),
    [
        ("cp932", "患者番号,性別,年齢,施設名", "徳島大学ｱｲｳ"),
        ("big5", "患者編號,性別,年齡", "臺大"),
        ("gb18030", "病历号,检查日期,部位", "穆勒"),
    ],
)
def test_east_asian_tables_are_known_by_the_words_of_their_header(
    tmp_path: Path, encoding: str, header: str, name: str
) -> None:
    rows = ",".join([name] * (header.count(",") + 1))
    table = read_table(written(tmp_path, f"{header}\n{rows}\n".encode(encoding)))
    assert table.attrs["encoding"] == encoding and ",".join(table.columns) == header
    assert table.iloc[0, 0] == name


@pytest.mark.parametrize(
    ("encoding", "site"),
    [
        ("cp949", "서울대병원"),
        ("cp1251", "Больница"),
        ("cp1250", "Łódź"),
        ("cp1250", "Gdańsk"),
        ("cp1254", "Şişli"),
        ("cp1253", "Αθήνα"),
        ("shift_jis", "東京病院"),
        ("euc_jp", "大学病院"),
        ("big5", "第一醫院"),
        ("mac_roman", "Universitätsklinikum"),
        ("mac_roman", "María"),
        ("cp850", "Universitätsklinikum"),
        ("cp850", "Málaga"),
    ],
)
def test_other_encodings_are_named_by_line_and_not_guessed(tmp_path: Path, encoding: str, site: str) -> None:
    path = written(tmp_path, SITES.format(site).encode(encoding))
    with pytest.raises(
        ReadError, match=r"cohort\.csv line 2: is neither UTF-8 nor surely .*save the table as 'CSV UTF-8'"
    ):
        read_table(path)


def test_text_that_two_encodings_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, SITES.format("CT室").encode("gb18030"))
    with pytest.raises(
        ReadError, match=r"line 2: reads both as Western European \(cp1252\) and as Chinese \(GB18030\)"
    ):
        read_table(path)


def test_western_and_chinese_names_in_one_table_are_refused(tmp_path: Path) -> None:
    mixed = SITES.format("Köln").encode("cp1252") + "p2;70;第一医院\n".encode("gb18030")
    with pytest.raises(ReadError, match="save the table as 'CSV UTF-8'"):
        read_table(written(tmp_path, mixed))


def test_a_workbook_nul_bytes_and_empty_files_are_named(tmp_path: Path) -> None:
    for content, message in (
        (b"PK\x03\x04rest", r"is a spreadsheet \(xlsx or ods\), expected a CSV"),
        (b"patient_id\np1\0\n", "line 2: holds NUL characters"),
        (b"patient_id,site\np1,a\x1b[2Jb\n", "line 2: a cell holds control characters"),
        (b"", "is empty; expected a header line"),
        (b"\n\n", "is empty; expected a header line"),
        (b"\xff\xfep\0a\0\0\xd8", "begins as UTF-16-LE and goes on otherwise"),
    ):
        with pytest.raises(ReadError, match=message):
            read_table(written(tmp_path, content))
    with pytest.raises(ReadError, match=r"none\.csv: is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="is no file"):
        read_table(tmp_path)


def test_sizes_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "patient_id\n" + "p\n" * 50)
    monkeypatch.setattr(tables, "MOST_LINES", 20)
    with pytest.raises(ReadError, match="more than 20 lines"):
        read_table(path)
    monkeypatch.setattr(tables, "MOST_BYTES", 2**20)
    with pytest.raises(ReadError, match="is larger than 1 MiB"):
        read_table(written(tmp_path, b"a" * (2**20 + 1)))
    with pytest.raises(ReadError, match="2,001 columns, expected at most 2,000"):
        read_table(written(tmp_path, ",".join(f"c{k}" for k in range(2001)) + "\n"))


@pytest.mark.parametrize("end", [",", ",,,", ", "])
def test_a_delimiter_at_line_ends_moves_no_column(tmp_path: Path, end: str) -> None:
    text = f"patient_id,study_uid,t_score_L1,t_score_L2\np1,1.2,-1.7,-2.4{end}\n"
    assert cells(tmp_path, text) == [
        {"patient_id": "p1", "study_uid": "1.2", "t_score_L1": "-1.7", "t_score_L2": "-2.4"},
    ]
    assert cells(tmp_path, text.replace("_L2\n", "_L2,\n"))[0]["t_score_L2"] == "-2.4"


def test_lines_of_other_lengths_are_refused_by_line_number(tmp_path: Path) -> None:
    path = written(tmp_path, "patient_id,t_score,site\np1,-1.0,a\n\np2,-2,6,b\n")
    with pytest.raises(ReadError, match=r"cohort\.csv line 4: 4 cells, the header has 3; .*quotation marks"):
        read_table(path)
    path = written(tmp_path, "patient_id,study_uid,t_score_L1,t_score_L2\np1,1.2,-1,-2\np2,-1.7,-2.4\n")
    with pytest.raises(ReadError, match=r"line 3: 3 cells, the header has 4; expected as many"):
        read_table(path)
    wrong: list[str] = []
    assert list(read_cohort_csv(path, wrong)) == ["1.2", "p1"] and len(wrong) == 1


def test_short_lines_are_filled_where_the_last_columns_are_empty_everywhere(tmp_path: Path) -> None:
    assert cells(tmp_path, "patient_id,site,machine\np1,a\np2,b,\n")[0] == {
        "patient_id": "p1",
        "site": "a",
        "machine": "",
    }


def test_quoted_cells_hold_delimiters_and_line_breaks_and_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    text = 'patient_id,site\r\np1,"North, ""old""\r\nhouse"\r\n\r\n,,\r\np2,x\r\n'
    table = read_table(written(tmp_path, text))
    assert list(table.index) == [2, 6]
    assert table.site.tolist() == ['North, "old"\r\nhouse', "x"]
    bad = text + "p3,a,b\r\n"
    with pytest.raises(ReadError, match="line 7: 3 cells"):
        read_table(written(tmp_path, bad))
    with pytest.raises(ReadError, match=r"cohort\.csv line 3: quotation marks do not pair"):
        read_table(written(tmp_path, 'patient_id,site\np1,a\np2,"b\np3,c\n'))


def test_lines_end_as_any_system_ends_them(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        text = end.join(["patient_id,age_years", "p1,70", "", "p2,200", ""])
        with pytest.raises(ReadError, match="line 4: age_years is 200, expected 0 to 120"):
            read_cohort_csv(written(tmp_path, text.encode()))


def test_headers_may_have_blanks_and_other_case(tmp_path: Path) -> None:
    text = "Patient ID;Study-UID;AGE_YEARS;T-Score L1;BMI (kg/m²);My Note;\np1;1.2;70;-1,0;22,5;x\n"
    assert list(cells(tmp_path, text)[0]) == [
        "patient_id", "study_uid", "age_years", "t_score_L1", "bmi_kg_m2", "My Note",
    ]  # fmt: skip


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"line 1: column patient_id stands twice \('patient_id' and 'Patient ID'\)"):
        read_table(written(tmp_path, "patient_id,age_years,Patient ID\np1,70,p2\n"))


def test_a_spreadsheets_separator_line_and_a_column_of_row_numbers_are_taken(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "sep=;\r\n;patient_id;site\r\n0;p1;a,b\r\n1;p2;c\r\n"))
    assert list(table) == ["patient_id", "site"] and table.site.tolist() == ["a,b", "c"]
    assert list(table.index) == [3, 4]


def test_a_header_that_two_delimiters_part_alike_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="commas and semicolons part the header into as many columns"):
        read_table(written(tmp_path, "patient_id,age;years\np1,70;1\n"))


def test_identifiers_keep_their_zeros(tmp_path: Path) -> None:
    rows = read_cohort_csv(written(tmp_path, 'patient_id,age_years\n0004711,70\n="0004712",71\n'))
    assert list(rows) == ["0004711", "0004712"]


def test_the_number_of_bad_lines_stands_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"line 2: age_years is 'old'.*\(2 more such lines\)"):
        read_cohort_csv(written(tmp_path, "patient_id,age_years\na,old\nb,new\nc,x\n"))


def test_a_table_without_keys_lists_its_columns(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="found columns name, age_years; expected study_uid or patient_id among them"):
        read_cohort_csv(written(tmp_path, "name,age_years\na,70\n"))
