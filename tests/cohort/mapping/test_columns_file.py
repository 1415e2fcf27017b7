"""columns.yaml: read strictly, written so that it reads back."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.mapping.columns_file import (
    COLUMNS_FILE,
    Holds,
    Meaning,
    ProposedColumn,
    TableMapping,
    mapping_of,
    read_columns,
    tables_that_hold,
    write_columns,
)
from osteolens.errors import ReadError

HEAD = 'tables:\n  "a.csv":\n    holds: cohort\n    columns:\n'


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    columns = (
        ProposedColumn(header='Größe "m"', meanings=(Meaning(column="height_cm", unit="m"),), why="1.6\x1b[31m to 1.8"),
        ProposedColumn(header="# x: y", meanings=(None,)),
        ProposedColumn(header="Sexo", meanings=(Meaning(column="sex", words=(("H", "M"), ("女", "F"))), None), why="?"),
        ProposedColumn(header="Tag", meanings=(Meaning(column="study_date", order="month/day/year"),)),
    )
    tables = (TableMapping(file="Tabelle 1.csv", holds=Holds.DXA, columns=columns),)
    text = write_columns(tmp_path, tables).read_text("utf-8")
    assert "\x1b" not in text and "# choose: ?" in text
    read = mapping_of(tmp_path / "Tabelle 1.csv")
    assert read is not None and read.holds is Holds.DXA and read.open_columns == ("Sexo",)
    assert [(c.header, c.meanings) for c in read.columns] == [(c.header, c.meanings) for c in columns]
    assert mapping_of(tmp_path / "other.csv") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: 3", "expected `tables:` and under it the names of files"),
        ("tables:\n  ../a.csv: {holds: cohort, columns: {}}", "expected the name of a file beside columns.yaml"),
        ("tables:\n  a.csv: {holds: films, columns: {}}", "holds is 'films'; expected one of cohort, dxa"),
        ("tables:\n  a.csv: {holds: dxa, column: {}, columns: {}}", "column is unknown"),
        (HEAD + "      X: weight", "X: weight is no column; expected one of study_uid, patient_id"),
        (HEAD + "      X: weight_kg in stone", "unit stone of weight_kg is unknown; expected one of: kg, lb, jin, g"),
        (HEAD + "      X: age_years as day/month/year", "`as day/month/year` is unknown"),
        (HEAD + "      X: sex with 1=male", "`with 1=male` is unknown; expected such as `sex with 1=M, 2=F`"),
        (HEAD + "      X: []", "X has no line left"),
        (HEAD + "      X: age_years\n      Y: age_years", "age_years is held by X and Y"),
        (HEAD + "      X: &a age_years", "anchor"),
        (HEAD + "      X: !!python/name:os.system x", "tag"),
        (HEAD + "      X: age_years\n      X: sex", "stands twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / COLUMNS_FILE).write_text(text)
    with pytest.raises(ReadError, match=r"columns\.yaml") as error:
        read_columns(tmp_path)
    assert message in str(error.value)


def test_tables_of_a_folder_by_what_they_hold(tmp_path: Path) -> None:
    assert read_columns(tmp_path) is None and tables_that_hold(tmp_path, Holds.COHORT) == ()
    (tmp_path / "cohort.csv").write_text("patient_id\n1\n")
    (tmp_path / COLUMNS_FILE).write_text("tables:\n  b.csv: {holds: dxa, columns: {P: patient_id}}")
    with pytest.raises(ReadError, match=r"columns.yaml names b.csv, which is not in its folder"):
        tables_that_hold(tmp_path, Holds.DXA)
    (tmp_path / "b.csv").write_text("P\n1\n")
    assert tables_that_hold(tmp_path, Holds.DXA) == (tmp_path / "b.csv",)
    assert tables_that_hold(tmp_path, Holds.COHORT) == (tmp_path / "cohort.csv",)
