"""The paper's criteria, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cohort.bmd import DxaResult
from cohort.covariates import Covariates, Sex
from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.tables.cohort_tables import read_cohort_csv
from cohort.spine import VertebralLevel
from cohort.study import Findings, Study
from osteolens.errors import ReadError

GOOD = Study(
    study_uid="1.2.3",
    patient_id="P1",
    covariates=Covariates(age_years=60, sex=Sex.FEMALE),
    dxa=DxaResult(t_score=-1.2, scan_date=date(2021, 3, 1)),
    study_date=date(2021, 1, 1),
    findings=Findings(menopause_age_years=50, implant=False, fracture_grade=0, cobb_deg=8, exposure_adequate=True),
)


def test_a_study_that_meets_every_criterion_is_eligible() -> None:
    assert exclusions(GOOD) == ()
    assert exclusions(Study(study_uid="1", patient_id="P", dxa=DxaResult(t_score=-1.0))) == (), (
        "unknown values exclude nobody"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"covariates": Covariates(age_years=49, sex=Sex.MALE)}, "younger than 50 years"),
        ({"findings": replace(GOOD.findings, menopause_age_years=61)}, "before menopause"),
        ({"dxa": None}, "no T-score"),
        ({"dxa": DxaResult(t_score=-1.2, scan_date=date(2021, 6, 1))}, "DXA more than 90 days away"),
        ({"findings": replace(GOOD.findings, implant=True)}, "implant or cement at L1-L4"),
        ({"findings": replace(GOOD.findings, cobb_deg=21)}, "scoliosis above 20 degrees"),
        ({"findings": replace(GOOD.findings, fracture_grade=1)}, "compression fracture at L1-L4"),
        ({"findings": replace(GOOD.findings, exposure_adequate=False)}, "exposure too poor"),
    ],
)
def test_each_criterion_excludes(change: dict[str, Any], reason: str) -> None:
    study = replace(GOOD, **change)
    assert exclusions(study) == (reason,)


def test_criteria_are_settings() -> None:
    loose = EligibilityCriteria(min_age_years=40, max_dxa_days=365, max_cobb_deg=50, max_fracture_grade=2)
    study = replace(
        GOOD,
        covariates=Covariates(age_years=45, sex=Sex.MALE),
        dxa=DxaResult(t_score=-1.2, scan_date=date(2021, 11, 1)),
        findings=replace(GOOD.findings, cobb_deg=35, fracture_grade=2),
    )
    assert len(exclusions(study)) == 4 and exclusions(study, loose) == ()


def test_findings_are_read_from_the_table(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text(
        "patient_id,t_score,study_date,implant,fracture_grade,cobb_deg,exposure,menopause_age_years\n"
        "A,-1,2021-01-01,none,0,3.5,good,49\nB,-1,,screws,2,,under,\nC,-1,,,,,,\n"
    )
    rows = read_cohort_csv(path)
    assert rows["A"].findings == Findings(
        menopause_age_years=49,
        implant=False,
        fracture_grade=0,
        cobb_deg=3.5,
        exposure_adequate=True,
        lumbar_count=None,
        height_loss={},
    ) and rows["A"].study_date == date(2021, 1, 1)
    assert rows["B"].findings == Findings(
        menopause_age_years=None, implant=True, fracture_grade=2, cobb_deg=None, exposure_adequate=False
    )
    assert rows["C"].findings == Findings()
    path.write_text(
        "patient_id,fracture_grade,fractures\nA,2,L1:wedge:0.32 L6:crush:0.25\nB,0,\nC,1,\nD,,\nE,0,T12:wedge:0.3\n"
    )
    losses = {key: row.findings.height_loss for key, row in read_cohort_csv(path).items()}
    assert losses == {"A": {VertebralLevel.L1: 0.32}, "B": {}, "C": None, "D": None, "E": {VertebralLevel.T12: 0.3}}
    for wrong in ("L1", "L1:wedge:some", "L1:wedge:32"):
        path.write_text(f"patient_id,fractures\nA,{wrong}\n")
        with pytest.raises(ReadError, match=f"line 2: fractures holds '{wrong}', expected"):
            read_cohort_csv(path)
    path.write_text("patient_id,t_score,cobb_deg\nA,-1,steep\n")
    with pytest.raises(ReadError, match="cobb_deg is 'steep', expected a number"):
        read_cohort_csv(path)
