"""cohort.csv and dxa.csv joined to studies: own line, same visit, no other visit's scan."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cohort.bmd import BmdClass, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.eligibility import exclusions
from cohort.io.folder import index_cohort
from cohort.io.safe_names import safe_name
from cohort.io.tables.cohort_tables import nearest_scan
from cohort.io.tables.join import CohortTables, read_cohort_tables
from cohort.io.tables.notes import table_notes
from cohort.study import Split, Study
from osteolens.errors import ReadError
from tests.cohort.io.test_folder import picture
from tests.conftest import MakeDicom

MAY, JUNE, NEXT_YEAR = date(2020, 5, 1), date(2020, 6, 1), date(2021, 5, 1)


def tables(folder: Path, cohort: str = "", dxa: str = "", wrong: list[str] | None = None) -> CohortTables:
    for name, text in (("cohort.csv", cohort), ("dxa.csv", dxa)):
        if text:
            (folder / name).write_text(text)
    return read_cohort_tables(folder, wrong)


def study(uid: str = "1.2", patient: str = "p1", day: date | None = None) -> Study:
    return Study(study_uid=uid, patient_id=patient, study_date=day)


def t_score(joined: Study) -> float | None:
    return None if joined.dxa is None else joined.dxa.t_score


def test_all_of_a_studys_own_line_counts(tmp_path: Path) -> None:
    text = (
        "study_uid,patient_id,age_years,sex,t_score,site,split,machine,study_date,cobb_deg\n"
        "1.2,real,61,F,-2,north,test,maker B,2020-05-01,12\n"
    )
    joined = tables(tmp_path, text).joined(study(patient="header", day=JUNE))
    assert (joined.patient_id, joined.site, joined.split, joined.system) == ("real", "north", Split.TEST, "maker B")
    assert (joined.covariates.age_years, joined.study_date, joined.findings.cobb_deg) == (61, MAY, 12)
    assert t_score(joined) == -2


def test_a_study_is_found_by_its_identifier_or_the_safe_form_of_it(tmp_path: Path) -> None:
    found = tables(tmp_path, "study_uid,age_years\nvisit 1/a,61\n")
    assert found.joined(study(safe_name("visit 1/a"), "x")).covariates.age_years == 61
    assert found.joined(study("other", "x"), "visit 1/a").covariates.age_years == 61


@pytest.mark.parametrize(
    ("line_day", "study_day", "same"),
    [("2020-05-01", MAY, True), ("2020-05-01", JUNE, False), ("", JUNE, True), ("2020-05-01", None, True)],
)
def test_a_line_without_study_uid_is_of_its_day(
    tmp_path: Path, line_day: str, study_day: date | None, same: bool
) -> None:
    text = f"patient_id,study_date,age_years,t_score,cobb_deg,site\np1,{line_day},61,-2,12,north\n"
    joined = tables(tmp_path, text).joined(study(day=study_day))
    assert (joined.covariates.age_years == 61, t_score(joined) == -2, joined.findings.cobb_deg == 12) == (same,) * 3
    assert joined.study_date == (study_day or MAY) and joined.site == "north", "a site is constant in a patient"


@pytest.mark.parametrize(
    ("line_day", "study_day", "same"),
    [("2020-05-01", MAY, True), ("2020-05-01", JUNE, False), ("", MAY, False), ("2020-05-01", None, False)],
)
def test_a_line_of_another_study_counts_where_both_days_are_known_and_equal(
    tmp_path: Path, line_day: str, study_day: date | None, same: bool
) -> None:
    text = f"study_uid,patient_id,study_date,age_years,t_score,sex\n9.9,p1,{line_day},61,-2,F\n"
    joined = tables(tmp_path, text).joined(study(day=study_day))
    assert (joined.covariates.age_years == 61, t_score(joined) == -2) == (same, same)
    assert joined.covariates.sex is Sex.FEMALE and joined.study_date == study_day


def test_what_is_constant_in_a_patient_fills_gaps_and_overrides_nothing(tmp_path: Path) -> None:
    text = (
        "study_uid,patient_id,age_years,sex,site,split,machine\n"
        "1.2,p1,61,,,,\n1.3,p1,70,M,north,test,maker B\n1.4,p2,50,F,a,train,\n1.5,p2,51,F,b,,\n"
    )
    found = tables(tmp_path, text)
    joined = found.joined(study())
    assert (joined.covariates.sex, joined.site, joined.split, joined.system) == (Sex.MALE, None, None, None)
    visit = found.joined(study("1.8", "p1"))
    assert (visit.covariates.sex, visit.site, visit.split) == (Sex.MALE, "north", Split.TEST), (
        "it has no line of its own"
    )
    header = Study(study_uid="1.2", patient_id="p1", covariates=Covariates(sex=Sex.FEMALE), site="south")
    kept = found.joined(header)
    assert (kept.covariates.sex, kept.site, kept.covariates.age_years) == (Sex.FEMALE, "south", 61)
    assert found.joined(study("1.9", "p2")).site is None, "lines that differ say nothing"


def test_lines_of_a_patient_are_told_apart_by_their_days(tmp_path: Path) -> None:
    text = "patient_id,study_date,age_years,t_score\np1,2020-05-01,60,-1\np1,2021-05-01,61,-3\n"
    found = tables(tmp_path, text)
    assert (found.joined(study(day=MAY)).covariates.age_years, t_score(found.joined(study(day=MAY)))) == (60, -1)
    assert t_score(found.joined(study("1.3", day=NEXT_YEAR))) == -3
    unknown = found.joined(study("1.4"))
    assert unknown.covariates.age_years is None and unknown.dxa is None and unknown.study_date is None
    notes = table_notes(tmp_path, [study("1.4")])
    assert notes == ("1 x study without a line in cohort.csv: p1 (lines 2, 3 could be its own)",)
    assert found.unprocessed([study("1.4")]) == (), "it is one of the two"


@pytest.mark.parametrize(
    "second", ["p1,,61,-3", "p1,2020-05-01,61,-3"], ids=["one without a day", "both of the same day"]
)
def test_lines_of_a_patient_that_no_day_tells_apart_contradict(tmp_path: Path, second: str) -> None:
    text = f"patient_id,study_date,age_years,t_score\np1,2020-05-01,60,-1\n{second}\np2,,50,-2\n"
    with pytest.raises(ReadError, match="lines 2 and 3: patient_id p1 stands on each, with different"):
        tables(tmp_path, text)
    wrong: list[str] = []
    found = tables(tmp_path, text, wrong=wrong)
    assert len(wrong) == 1 and found.joined(study(day=MAY)).dxa is None
    assert t_score(found.joined(study("2", "p2"))) == -2


def test_only_the_lines_that_contradict_are_left_out(tmp_path: Path) -> None:
    wrong: list[str] = []
    text = "patient_id,study_date,t_score\np1,2020-05-01,-1\np1,2020-05-01,-3\np1,2021-05-01,-2\np1,2021-05-01,-2\n"
    found = tables(tmp_path, text, wrong=wrong)
    assert wrong == [
        "cohort.csv lines 2 and 3: patient_id p1 stands on each, with different t_score; expected one line, or a "
        "study_uid or study_date for each study"
    ]
    assert found.joined(study(day=MAY)).dxa is None and t_score(found.joined(study(day=NEXT_YEAR))) == -2
    assert found.cohort is not None and found.cohort.doubled == ("p1 (lines 4 and 5)",)


def test_dxa_of_another_visit_is_a_scan_by_its_own_day_and_never_without_one(tmp_path: Path) -> None:
    head = "study_uid,patient_id,study_date,t_score,dxa_date\n"
    near = tables(tmp_path, head + "9.9,p1,2020-06-01,-2,2020-05-20\n").joined(study(day=MAY))
    assert t_score(near) == -2 and exclusions(near) == ()
    far = tables(tmp_path, head + "9.9,p1,2021-05-01,-2,2021-05-01\n").joined(study(day=MAY))
    assert exclusions(far) == ("DXA more than 90 days away",)
    undated = tables(tmp_path, head + "9.9,p1,2020-06-01,-2,\n").joined(study(day=MAY))
    assert undated.dxa is None


def test_dxa_of_another_study_is_none_of_a_study_without_a_day(tmp_path: Path) -> None:
    cohort = "study_uid,patient_id,study_date,t_score,dxa_date\n9.9,p1,2020-06-01,-2,2020-05-20\n"
    assert tables(tmp_path, cohort).joined(study()).dxa is None
    both = tables(tmp_path, cohort, "patient_id,dxa_date,t_score\np1,2021-08-01,-1\n")
    assert both.joined(study()).dxa is None, "one of two"
    repeated = tables(tmp_path, cohort, "patient_id,dxa_date,t_score\np1,2020-05-20,-2\n")
    assert t_score(repeated.joined(study())) == -2, "the same scan in both tables is the only one"


def test_a_line_without_a_day_that_counts_for_several_studies_is_told(tmp_path: Path) -> None:
    found = tables(tmp_path, "study_uid,patient_id,t_score,study_date\n,p1,-2,\n,p2,-1,\n1.5,p3,-1,\n")
    given = [study("1.2", "p1", MAY), study("1.3", "p1", NEXT_YEAR), study("1.4", "p2"), study("1.5", "p3")]
    joined = [found.joined(one) for one in given]
    assert [t_score(one) for one in joined] == [-2, -2, -1, -1]
    assert table_notes(tmp_path, joined) == (
        "1 x line without a day that was joined to several studies: p1 (line 2; 2 studies)",
    )


def test_own_dxa_then_the_nearest_scan_of_both_tables(tmp_path: Path) -> None:
    cohort = "study_uid,patient_id,study_date,t_score,dxa_date\n1.2,p1,2020-05-01,,\n1.3,p1,2021-05-01,-3,2021-04-01\n"
    scans = "patient_id,dxa_date,t_score\np1,2020-08-01,-1\np1,2021-05-01,-2\n"
    found = tables(tmp_path, cohort, scans)
    assert t_score(found.joined(study("1.2"))) == -1
    assert t_score(found.joined(study("1.3"))) == -3, "its own counts, although dxa.csv holds a nearer one"
    assert t_score(found.joined(study("1.4", day=date(2021, 3, 1)))) == -3
    assert t_score(found.joined(study("1.5", day=date(2021, 4, 30)))) == -2


def test_several_scans_and_no_day_give_none_and_are_told(tmp_path: Path) -> None:
    found = tables(tmp_path, dxa="patient_id,dxa_date,t_score\np1,2020-08-01,-1\np1,2021-05-01,-2\np2,,-2.6\n")
    joined = [found.joined(study()), found.joined(study("2", "p2"))]
    assert [t_score(one) for one in joined] == [None, -2.6]
    assert table_notes(tmp_path, joined) == (
        "1 x study of a patient with several DXA scans, none of which can be told to be the nearest: p1",
    )


def test_scans_of_one_day_that_differ_between_the_tables_give_none(tmp_path: Path) -> None:
    cohort = "study_uid,patient_id,study_date,t_score,dxa_date\n1.3,p1,2021-05-01,-3,2020-05-02\n"
    found = tables(tmp_path, cohort, "patient_id,dxa_date,t_score\np1,2020-05-02,-1\n")
    assert found.joined(study(day=MAY)).dxa is None


def test_the_earlier_of_two_scans_that_are_equally_near_counts() -> None:
    before, after = (DxaResult(t_score=t, scan_date=date(2020, 5, d)) for t, d in ((-1.0, 1), (-2.0, 11)))
    for scans in ((before, after), (after, before)):
        assert nearest_scan(scans, date(2020, 5, 6)) is before


def test_joining_twice_changes_nothing(tmp_path: Path) -> None:
    text = "study_uid,patient_id,study_date,age_years,t_score,dxa_date\n1.2,p1,2020-05-01,60,,\n,p2,2020-05-01,61,-1,\n"
    found = tables(tmp_path, text, "patient_id,dxa_date,t_score\np1,2020-08-01,-1\np1,2021-05-01,-2\n")
    for one in (study("1.2", "header"), study("x", "p2"), study("x", "p3")):
        once = found.joined(one)
        assert found.joined(once) == once


def test_a_study_uid_that_repeats_the_patient_names_no_study(tmp_path: Path) -> None:
    found = tables(tmp_path, "study_uid,patient_id,age_years\np1,p1,61\np2,,62\n")
    assert found.joined(study("1.2", "p1")).covariates.age_years == 61
    assert found.joined(study("1.3", "p2")).covariates.age_years == 62


def test_a_study_uid_that_is_of_no_image_joins_nothing_and_is_told(tmp_path: Path) -> None:
    found = tables(tmp_path, "study_uid,patient_id,age_years,t_score\n9.9,p1,61,-2\n")
    joined = found.joined(study())
    assert joined.covariates.age_years is None and joined.dxa is None
    first, second = table_notes(tmp_path, [joined])
    assert first == (
        "1 x line of cohort.csv without radiographs: 9.9 (line 2; patient p1 has radiographs, but this study_uid is "
        "of none of them)"
    )
    assert second == "1 x study without a line in cohort.csv: p1"


def test_the_line_of_a_study_uid_that_stands_for_two_patients_is_of_its_patient(
    make_dicom: MakeDicom, tmp_path: Path
) -> None:
    make_dicom("a.dcm")
    make_dicom("b.dcm", PatientID="P2")
    (tmp_path / "cohort.csv").write_text("study_uid,patient_id,age_years\n1.2.3,P2,81\n")
    studies = {one.patient_id: one for one in index_cohort(tmp_path).studies}
    assert studies["P2"].covariates.age_years == 81 and studies["P1"].covariates.age_years == 67
    found = read_cohort_tables(tmp_path)
    assert [found.joined(one) for one in studies.values()] == list(studies.values())
    assert found.unprocessed(studies.values()) == ()


def test_studies_that_the_tables_name_and_nobody_processed(tmp_path: Path) -> None:
    cohort = (
        "study_uid,patient_id,study_date,age_years,t_score,dxa_date,site,split,cobb_deg\n"
        "1.2,p1,2020-05-01,60,-1,,north,,\n1.3,p1,2021-05-01,61,-3,2021-05-01,north,test,14\n"
        ",p2,,50,-2,,south,,\n,p3,2020-05-01,51,,,,,\n,p3,2021-05-01,52,,,,,\n,,,99,,,,,\n"
    )
    scans = "patient_id,dxa_date,t_score\np3,2021-04-01,-2.6\np4,2020-01-01,-1.5\np2,2020-01-01,0\n"
    found = tables(tmp_path, cohort, scans)
    given = [study("1.2", "p1", MAY), study("x", "p3", MAY)]
    left = {one.study_uid: one for one in found.unprocessed(given)}
    assert list(left) == ["1.3", "p2", "p3", "p4"]
    second = left["1.3"]
    assert (second.patient_id, second.site, second.split, second.study_date) == ("p1", "north", Split.TEST, NEXT_YEAR)
    assert (second.covariates.age_years, second.findings.cobb_deg, t_score(second)) == (61, 14, -3)
    assert (t_score(left["p2"]), left["p2"].site) == (-2, "south")
    assert (left["p3"].covariates.age_years, t_score(left["p3"]), left["p3"].study_date) == (52, -2.6, NEXT_YEAR)
    assert (left["p4"].patient_id, t_score(left["p4"])) == ("p4", -1.5)
    everyone = (*given, *left.values())
    assert found.unprocessed(everyone) == ()
    names = [one.study_uid for one in found.unprocessed([])]
    assert len(names) == len(set(names)) == 6, "each once, under a name of its own"


def test_a_patient_who_was_screened_is_found_by_the_tables_name_of_him(tmp_path: Path) -> None:
    found = tables(tmp_path, "study_uid,patient_id\n1.2,p1\n", "patient_id,t_score\np1,-2\n")
    assert found.unprocessed([study(patient="header's")]) == ()


def test_no_tables_join_nothing(tmp_path: Path) -> None:
    found = read_cohort_tables(tmp_path)
    assert found.joined(study(day=MAY)) == study(day=MAY) and found.unprocessed([study()]) == ()


@pytest.mark.parametrize(
    ("word", "split"),
    [("training", Split.TRAINING), ("TRAIN", Split.TRAINING), ("val", Split.VALIDATION), ("dev", Split.VALIDATION)]
    + [(word, Split.TEST) for word in ("test", "Testing", "holdout", "hold-out", "hold out", "held_out", "external")]
    + [(word, None) for word in ("", "NA", "unknown")],
)  # fmt: skip
def test_words_of_the_column_split(tmp_path: Path, word: str, split: Split | None) -> None:
    joined = tables(tmp_path, f"study_uid,split,site\n1.2,{word},all\n").joined(study())
    assert (joined.split, joined.site) == (split, "all")


def test_an_unknown_word_of_the_column_split_is_an_error(tmp_path: Path) -> None:
    expected = r"cohort\.csv line 3: split is 'fold 1', expected training \(train\), validation \(dev, val\), test \("
    with pytest.raises(ReadError, match=expected):
        tables(tmp_path, "study_uid,split\n1.2,train\n1.3,fold 1\n")


@pytest.mark.parametrize(
    ("line", "bmd_class"),
    [
        ("0.74031,,", BmdClass.OSTEOPENIA),  # T -2.4969 to two decimals is -2.50
        ("0.7405,,", BmdClass.OSTEOPENIA),
        ("0.74,,", BmdClass.OSTEOPOROSIS),
        ("0.73999,,", BmdClass.OSTEOPOROSIS),
        ("0.88999,,", BmdClass.OSTEOPENIA),
        ("0.89,,", BmdClass.NORMAL),
        (",-2.49,-2.5", BmdClass.OSTEOPENIA),  # mean -2.495
        (",-2.499,-2.5", BmdClass.OSTEOPENIA),
        (",-2.4,-2.6", BmdClass.OSTEOPOROSIS),
        (",-1.0,-1.008", BmdClass.OSTEOPENIA),  # mean -1.004
        (",-0.9,-1.1", BmdClass.NORMAL),
    ],
)
def test_rounding_decides_no_class(tmp_path: Path, line: str, bmd_class: BmdClass) -> None:
    head = "study_uid,reference_mean_g_cm2,reference_sd_g_cm2,bmd_g_cm2,t_score_L2,t_score_L3"
    joined = tables(tmp_path, f"{head}\n1.2,0.99,0.1,{line}\n").joined(study())
    assert joined.dxa is not None and joined.dxa.bmd_class is bmd_class


def test_every_bmd_on_a_border_is_classed_as_its_decimals_say(tmp_path: Path) -> None:
    for thousandths in range(900, 1100):
        sd, mean = 0.1, thousandths / 1000
        for t, expected in ((-2.5, BmdClass.OSTEOPOROSIS), (-1.0, BmdClass.NORMAL)):
            line = f"1.2,{mean},{sd},{(thousandths + t * 100) / 1000:.3f}"
            text = f"study_uid,reference_mean_g_cm2,reference_sd_g_cm2,bmd_g_cm2\n{line}\n"
            dxa = tables(tmp_path, text).joined(study()).dxa
            assert dxa is not None and dxa.bmd_class is expected, line


def test_a_manifest_is_joined_with_the_tables_beside_it(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom("a.dcm", StudyDate="20200501", Manufacturer="Maker", ManufacturerModelName="One")
    make_dicom("b.dcm", PatientID="P2")
    picture(tmp_path / "c.png")
    (tmp_path / "m.csv").write_text("study_uid,patient_id,ap,age_years\ns1,,a.dcm,70\ns2,,b.dcm,\ns3,file,c.png,50\n")
    (tmp_path / "cohort.csv").write_text("study_uid,patient_id,site\ns2,real,north\ns3,real3,\n")
    (tmp_path / "dxa.csv").write_text("patient_id,dxa_date,t_score\nP1,2020-04-01,-2\nP1,2021-04-01,-3\nreal3,,-1\n")
    first, second, third = index_cohort(tmp_path / "m.csv").studies
    assert (first.patient_id, first.study_date, first.system, t_score(first)) == ("P1", MAY, "Maker One", -2)
    assert (second.patient_id, second.site) == ("real", "north")
    assert (third.patient_id, third.covariates.age_years, t_score(third)) == ("real3", 50, -1)


@pytest.mark.parametrize(
    ("maker", "model", "system"),
    [
        ("Maker", "One", "Maker One"),
        ("Maker", "MAKER One", "MAKER One"),
        (None, "One", "One"),
        ("Maker", None, "Maker"),
        (None, None, None),
        ("Mak\x1b[31mer", "x" * 64, None),
    ],
)
def test_the_header_names_the_radiography_system(
    make_dicom: MakeDicom, tmp_path: Path, maker: str | None, model: str | None, system: str | None
) -> None:
    make_dicom("a.dcm", Manufacturer=maker, ManufacturerModelName=model)
    (found,) = index_cohort(tmp_path).studies
    if maker and "\x1b" in maker:
        assert found.system is not None and "\x1b" not in found.system and len(found.system) < 100
    else:
        assert found.system == system
    (tmp_path / "cohort.csv").write_text("study_uid,machine\n1.2.3,the table's\n")
    assert index_cohort(tmp_path).studies[0].system == "the table's"
