"""cohort.csv that OsteoLens writes says what it was given."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cohort.bmd import BmdClass, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.io.tables.cohort_tables import read_cohort_csv
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.writer import write_cohort_csv
from cohort.spine import TARGET_LEVELS, VertebralLevel
from cohort.study import Findings, Split

FULL = CohortRow(
    patient_id="p1",
    covariates=Covariates(age_years=61.5, sex=Sex.FEMALE, height_cm=160, weight_kg=60.5, bmi_given=23.6),
    dxa=DxaResult(
        t_score=-2.5,
        bmd_g_cm2=0.74,
        t_score_by_level=dict(zip(TARGET_LEVELS, (-2.1, -2.4, -2.6, -2.9), strict=True)),
        scan_date=date(2021, 3, 4),
        reference="Hologic",
    ),
    site="köln, mitte",
    split=Split.TEST,
    machine="A",
    study_date=date(2021, 3, 1),
    findings=Findings(
        menopause_age_years=50,
        implant=False,
        fracture_grade=2,
        cobb_deg=8.5,
        exposure_adequate=True,
        lumbar_count=5,
        height_loss={VertebralLevel.L1: 0.32, VertebralLevel.L3: 0.25},
    ),
)


def test_everything_that_is_known_comes_back(tmp_path: Path) -> None:
    rows = {"1.2": FULL, "1.3": CohortRow(patient_id="p2", findings=Findings(implant=True, exposure_adequate=False))}
    write_cohort_csv(tmp_path / "cohort.csv", rows)
    read = read_cohort_csv(tmp_path / "cohort.csv")
    assert read == rows | {row.patient_id: row for row in rows.values()}


def test_a_calculated_t_score_comes_back_unrounded(tmp_path: Path) -> None:
    """-2.4969 as two decimals, -2.50, would be of another class."""
    (tmp_path / "in").mkdir()
    lines = "study_uid,reference_mean_g_cm2,reference_sd_g_cm2,bmd_g_cm2\n1.2,0.99,0.1,0.74031\n"
    (tmp_path / "in" / "cohort.csv").write_text(lines)
    rows = read_cohort_csv(tmp_path / "in" / "cohort.csv")
    write_cohort_csv(tmp_path / "cohort.csv", rows)
    dxa = read_cohort_csv(tmp_path / "cohort.csv")["1.2"].dxa
    assert dxa is not None and dxa.t_score == -2.4969 and dxa.bmd_class is BmdClass.OSTEOPENIA


def test_what_nobody_knows_has_no_column(tmp_path: Path) -> None:
    write_cohort_csv(tmp_path / "cohort.csv", {"1.2": CohortRow(patient_id="p1", covariates=Covariates(age_years=70))})
    assert (tmp_path / "cohort.csv").read_text() == "study_uid,patient_id,age_years\n1.2,p1,70\n"
