"""Tables that are xlsx files."""

from __future__ import annotations

import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from cohort.io.tables.cohort_tables import cohort_table
from cohort.io.tables.reader import read_table
from osteolens.errors import ReadError


def book(path: Path, *sheets: list[list[object]]) -> Path:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = workbook.create_sheet(f"Blatt {number}")
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def test_days_numbers_and_leading_zeros_are_read_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = book(tmp_path / "P.xlsx", [["patient_id", "age_years", "study_date", "t_score"],
                                      [None, None, None, None],
                                      [4711, 67, datetime(2021, 3, 4), -2.5], ["0012", 70.5, "04.03.2020", 0.1 + 0.2]],
                [[]])  # fmt: skip
    workbook = load_workbook(path)
    workbook.worksheets[0]["A3"].number_format = "0000000"
    workbook.save(path)
    table = read_table(path)
    assert table.index.tolist() == [3, 4] and table.attrs["encoding"] == "xlsx"
    assert table.to_numpy().tolist() == [
        ["0004711", "67", "2021-03-04", "-2.5"], ["0012", "70.5", "04.03.2020", "0.3"]
    ]  # fmt: skip
    assert sorted(cohort_table(path).rows) == ["0004711", "0012"]


def test_several_sheets_and_broken_files_are_refused_by_name(tmp_path: Path) -> None:
    path = book(tmp_path / "P.xlsx", [["patient_id"], [1]], [["patient_id"], [2]])
    with pytest.raises(ReadError, match=r"P\.xlsx: 2 sheets hold cells \(Blatt 0, Blatt 1\); expected one table"):
        read_table(path)
    with zipfile.ZipFile(tmp_path / "B.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<x>")
    with pytest.raises(ReadError, match=r"B\.xlsx: cannot be read as xlsx .*; save the table as 'CSV UTF-8'"):
        read_table(tmp_path / "B.xlsx")
    with zipfile.ZipFile(tmp_path / "C.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 50_000_000)
    with pytest.raises(ReadError, match=r"C\.xlsx: xl/workbook\.xml: unpacks to more than 200 times its size"):
        read_table(tmp_path / "C.xlsx")
