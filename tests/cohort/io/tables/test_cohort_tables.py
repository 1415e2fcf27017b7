"""DXA tables as hospitals write them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cohort.bmd import YOUNG_CHINESE, BmdClass, DxaResult
from cohort.eligibility import exclusions
from cohort.io.folder import index_cohort
from cohort.io.tables.cohort_tables import nearest_scan, read_cohort_csv, read_dxa_csv
from osteolens.errors import ReadError


def written(tmp_path: Path, text: str, name: str = "cohort.csv") -> Path:
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / name


def dxa(tmp_path: Path, text: str) -> DxaResult | None:
    return read_cohort_csv(written(tmp_path, text))["p1"].dxa


def scores(tmp_path: Path, text: str) -> tuple[float | None, BmdClass | None]:
    found = dxa(tmp_path, text)
    assert found is not None
    return found.t_score, found.bmd_class


@pytest.mark.parametrize(
    "text",
    [
        "patient_id,t_score\np1,-2.6\n",
        "patient_id;t_score\np1;-2,6\n",
        "patient_id\tt_score\np1\t-2,6\n",
        "\ufeffpatient_id;t_score\np1;-2.6\n",
    ],
)
def test_commas_semicolons_tabs_and_decimal_commas(tmp_path: Path, text: str) -> None:
    assert scores(tmp_path, text) == (-2.6, BmdClass.OSTEOPOROSIS)


def test_bmd_becomes_a_t_score_by_its_reference(tmp_path: Path) -> None:
    named = dxa(tmp_path, f'patient_id,sex,bmd_g_cm2,dxa_reference\np1,F,0.790,"{YOUNG_CHINESE}"\n')
    assert named is not None and named.t_score == pytest.approx(-2.0) and named.bmd_g_cm2 == 0.79
    stated = "patient_id,bmd_g_cm2,reference_mean_g_cm2,reference_sd_g_cm2\np1,0.8,1.1,0.12\n"
    assert scores(tmp_path, stated) == (-2.5, BmdClass.OSTEOPOROSIS)
    assert dxa(tmp_path, "patient_id,sex,bmd_g_cm2\np1,F,0.8\n") is None, "no reference, no T-score"


def test_levels_stand_for_the_whole_where_it_is_missing(tmp_path: Path) -> None:
    two = "patient_id,t_score_L2,t_score_L3\np1,-1.0,-2.0\n"
    assert scores(tmp_path, two) == (-1.5, BmdClass.OSTEOPENIA)
    assert dxa(tmp_path, "patient_id,t_score_L2\np1,-1.0\n") is None
    assert scores(tmp_path, "patient_id,t_score,t_score_L2,t_score_L3\np1,-3,-1,-2\n")[0] == -3


def test_a_t_score_out_of_range_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"cohort.csv line 2: t_score is -26, expected -9 to 9; check the unit"):
        dxa(tmp_path, "patient_id,t_score\np1,-26\n")


def test_the_nearest_scan_of_a_patient_counts(tmp_path: Path) -> None:
    (tmp_path / "dxa.csv").write_text(
        "patient_id;dxa_date;t_score\np1;2020-01-01;-1,0\np1;2021-03-01;-2,0\np1;2023-01-01;-3,0\np2;2020-01-01;-2,7\n"
    )
    (tmp_path / "cohort.csv").write_text("study_uid,patient_id,study_date\np1,p1,2021-02-01\np3,p3,2021-02-01\n")
    for name in ("p1", "p2", "p3"):
        cv2.imwrite(str(tmp_path / f"{name}_AP.png"), np.zeros((20, 20), np.uint8))
    studies = {study.patient_id: study for study in index_cohort(tmp_path).studies}
    assert studies["p1"].dxa is not None and studies["p1"].dxa.t_score == -2.0
    assert exclusions(studies["p1"]) == ()
    assert studies["p2"].dxa is not None and studies["p2"].dxa.t_score == -2.7
    assert studies["p3"].dxa is None
    several = read_dxa_csv(tmp_path / "dxa.csv")["p1"]
    assert nearest_scan(several, None) is None and nearest_scan(several[:1], None) is several[0]


def test_the_nearest_scan_may_still_be_too_far(tmp_path: Path) -> None:
    (tmp_path / "dxa.csv").write_text("patient_id,dxa_date,t_score\np1,2019-01-01,-1.0\n")
    (tmp_path / "cohort.csv").write_text("patient_id,study_date\np1,2021-02-01\n")
    cv2.imwrite(str(tmp_path / "p1_AP.png"), np.zeros((20, 20), np.uint8))
    (study,) = index_cohort(tmp_path).studies
    assert exclusions(study) == ("DXA more than 90 days away",)


def test_a_key_on_two_lines_that_differ_is_an_error_that_names_both(tmp_path: Path) -> None:
    text = "patient_id,age_years,t_score\np1,58,-0.2\np2,60,-1\np1,78.2,-4.02\n"
    with pytest.raises(
        ReadError, match="lines 2 and 4: patient_id p1 stands on each, with different age_years, t_score"
    ):
        read_cohort_csv(written(tmp_path, text))
    wrong: list[str] = []
    assert list(read_cohort_csv(written(tmp_path, text), wrong)) == ["p2"] and len(wrong) == 1
    text = "study_uid,patient_id,age_years\n1.2,p1,58\n1.2,p2,58\n"
    with pytest.raises(ReadError, match=r"lines 2 and 3: study_uid 1\.2 stands on each, with different patient_id"):
        read_cohort_csv(written(tmp_path, text))


def test_lines_that_say_the_same_are_one(tmp_path: Path) -> None:
    rows = read_cohort_csv(written(tmp_path, "patient_id,age_years,my_note\np1,58,a\np1,58.0,b\n"))
    assert rows["p1"].covariates.age_years == 58


def test_several_studies_of_a_patient_match_by_study_alone(tmp_path: Path) -> None:
    text = "study_uid,patient_id,age_years\n1.2,p1,58\n1.3,p1,60\n1.4,p2,70\n"
    rows = read_cohort_csv(written(tmp_path, text))
    assert list(rows) == ["1.2", "1.3", "1.4", "p2"]
    assert rows["1.3"].covariates.age_years == 60 and rows["1.3"].patient_id == "p1"
    with pytest.raises(ReadError, match="lines 2, 3 and 5: patient_id p1 stands on each"):
        read_cohort_csv(written(tmp_path, text + ",p1,62\n"))


def test_a_name_that_is_a_study_here_and_a_patient_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="lines 2 and 3: x is the study_uid of one and the patient_id of the other"):
        read_cohort_csv(written(tmp_path, "study_uid,patient_id,age_years\nx,p1,58\ny,x,60\n"))


def test_scans_of_one_day_that_differ_are_an_error(tmp_path: Path) -> None:
    text = "patient_id;dxa_date;t_score\np1;2020-01-01;-1,0\np1;01.01.2020;{}\np1;;-3\n"
    with pytest.raises(ReadError, match=r"dxa\.csv lines 2 and 3: patient_id p1 has different scans on 2020-01-01"):
        read_dxa_csv(written(tmp_path, text.format("-2,0"), "dxa.csv"))
    assert len(read_dxa_csv(written(tmp_path, text.format("-1"), "dxa.csv"))["p1"]) == 2
    with pytest.raises(ReadError, match="different scans without dxa_date"):
        read_dxa_csv(written(tmp_path, text.format("-1") + "p1;NA;-2\n", "dxa.csv"))
