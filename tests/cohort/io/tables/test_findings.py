"""What a reader found counts before cohort.csv; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.io.tables.findings import read_findings
from cohort.io.tables.join import read_cohort_tables
from cohort.study import Findings, Study
from osteolens.errors import ReadError

HEAD = "study_uid,fracture_grade,implant,exposure,read_by\n"


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    table = "study_uid,patient_id,implant,fracture_grade,cobb_deg\ns1,p1,none,0,12\ns2,p2,none,3,\n"
    (tmp_path / "cohort.csv").write_text(table, "utf-8")
    return tmp_path


def joined(cohort: Path, uid: str) -> Findings:
    return read_cohort_tables(cohort).joined(Study(study_uid=uid, patient_id=uid.replace("s", "p"))).findings


def test_a_readers_findings_count_before_the_tables(cohort: Path) -> None:
    (cohort / "findings.csv").write_text(f"{HEAD}s1,2,metal,,anna\ns2,,,not evaluable,anna\n", "utf-8")
    first, second = joined(cohort, "s1"), joined(cohort, "s2")
    assert (first.fracture_grade, first.implant, first.cobb_deg, first.exposure_adequate) == (2, True, 12, None)
    assert (second.fracture_grade, second.implant, second.exposure_adequate) == (3, False, False)


def test_a_table_that_is_no_readers_is_left_unread(cohort: Path) -> None:
    (cohort / "findings.csv").write_text("study_uid,fracture_grade\ns1,3\n", "utf-8")
    assert joined(cohort, "s1").fracture_grade == 0


def test_two_readers_who_differ_are_both_left_out_and_named(cohort: Path) -> None:
    path = cohort / "findings.csv"
    path.write_text(f"{HEAD}s1,2,,,anna\ns1,1,,,ben\ns2,1,,,anna\ns2,1,,,ben\n", "utf-8")
    wrong: list[str] = []
    assert set(read_findings(path, wrong)) == {"s2"}
    assert wrong == [
        "findings.csv lines 2 and 3: study_uid s1 has different findings; both are left out; keep those of one reader"
    ]
    with pytest.raises(ReadError, match="different findings"):
        read_cohort_tables(cohort)


@pytest.mark.parametrize(
    ("line", "words"), [("s1,seven,,,anna", "line 2: fracture_grade"), (",1,,,anna", "line 2: study_uid is empty")]
)
def test_a_line_that_cannot_be_read_is_named(cohort: Path, line: str, words: str) -> None:
    (cohort / "findings.csv").write_text(f"{HEAD}{line}\n", "utf-8")
    wrong: list[str] = []
    assert not read_cohort_tables(cohort, wrong).read
    assert len(wrong) == 1 and words in wrong[0]
