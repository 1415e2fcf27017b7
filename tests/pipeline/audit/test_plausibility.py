"""The audit finds what it should: on a made-up cohort with known leaks, without simulating anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.eligibility import EligibilityCriteria
from osteolens.errors import ConfigError, ReadError
from pipeline.audit.config import AuditConfig
from pipeline.audit.plausibility import AuditOptions, audit_cohort
from tests.conftest import MakeDicom
from tests.pipeline.audit.made_up import PATIENTS, YOUNG, write_cohort


def test_an_audit_reports_flow_table_checks_and_figures(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    real = tmp_path / "real"
    real.mkdir()
    for name in ("film_AP.dcm", "film_lat.dcm"):
        (real / name).write_bytes((folder / "P000" / "AP.dcm").read_bytes())
    out = tmp_path / "audit"
    audit = audit_cohort(folder, out, YOUNG, AuditOptions(real=real))
    assert audit.cohort.count == PATIENTS and audit.eligible == PATIENTS - 1
    assert audit.cohort.excluded_for == {"implant or cement at L1-L4": 1}
    sites = audit.population
    assert list(sites) == ["training", "test1", "total"]
    assert sites["total"].studies == sites["training"].studies + sites["test1"].studies == PATIENTS - 1
    assert set(audit.population_p) == {"age_years", "bmi_kg_m2", "t_score", "sex", "bmd_class"}
    assert audit.dxa_error_g_cm2.mean == pytest.approx(0.03)
    document = json.loads((out / "audit.json").read_text())
    assert document.pop("notice").startswith("In-silico")
    assert document["checks"] == [
        {**check, "passed": check["low"] <= check["value"] <= check["high"]} for check in document["checks"]
    ]
    assert document["passed"] == audit.passed == sum(check["passed"] for check in document["checks"])
    assert {path.stem for path in (out / "tables").iterdir()} == set(audit.tables)
    figures = {path.stem for path in (out / "figures").iterdir()}
    assert figures == {"population", "bone", "shortcut_learning", "panel_ap", "panel_lateral"}
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 5 and "In-silico" in page and "FAIL" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page.replace("xlink:", ""))


def test_checks_of_a_sound_cohort_pass(tmp_path: Path, make_dicom: MakeDicom) -> None:
    audit = audit_cohort(write_cohort(tmp_path, make_dicom), young=YOUNG)
    passed = {check.name: check.passed for check in audit.checks}
    assert len(passed) == len(audit.checks) == 30
    assert passed["young women: mean areal BMD, g/cm2"] and passed["mineral in posterior elements, %"]
    assert passed["AUC from header"] and not (tmp_path / "audit").exists()


def test_a_window_that_gives_the_class_away_fails_the_audit(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom, leak=True)
    audit = audit_cohort(folder, None, YOUNG, AuditOptions(config=AuditConfig(image_studies=50)))
    checks = {check.name: check for check in audit.checks}
    assert audit.image_studies == 50
    assert checks["AUC from header"].value > 0.95
    assert not checks["AUC from header"].passed and not checks["AUC from all of these"].passed


def test_progress_counts_studies(tmp_path: Path, make_dicom: MakeDicom) -> None:
    told: list[tuple[int, int]] = []
    folder = write_cohort(tmp_path, make_dicom)
    audit_cohort(
        folder,
        None,
        YOUNG,
        AuditOptions(config=AuditConfig(image_studies=3)),
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_young_adults_are_simulated_from_the_cohorts_plan(
    tmp_path: Path, make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    with pytest.raises(ConfigError, match=r"simulation\.json is missing"):
        audit_cohort(folder)
    asked: list[object] = []
    monkeypatch.setattr("pipeline.audit.plausibility.read_plan", lambda *given: asked.append(given))
    monkeypatch.setattr("pipeline.audit.plausibility.young_adults", lambda plan, count, progress: YOUNG[:count])
    audit = audit_cohort(
        folder, None, None, AuditOptions(config=AuditConfig(young_adults=7, image_studies=1), device="cuda", jobs=2)
    )
    assert audit.young_adults == 7 and asked == [(folder, None, "cuda", 2)]


def test_a_hospitals_cohort_cannot_be_audited(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    table = pd.read_csv(folder / "cohort.csv")
    table.drop(columns=["vbmd_mg_cm3"]).to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ReadError, match=r"cohort\.csv: no columns vbmd_mg_cm3; expected a cohort of"):
        audit_cohort(folder, young=YOUNG)
    table.assign(implant="screws").to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ReadError, match="no eligible patient"):
        audit_cohort(folder, young=YOUNG)


def test_what_a_small_cohort_cannot_tell_is_null_in_json(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    (folder / "readers.csv").unlink()
    table = pd.read_csv(folder / "cohort.csv")
    table.assign(implant=np.where(table.index < 2, "none", "screws")).to_csv(folder / "cohort.csv", index=False)
    audit_cohort(folder, tmp_path / "audit", YOUNG)
    document = json.loads((tmp_path / "audit" / "audit.json").read_text())
    by_name = {check["name"]: check for check in document["checks"]}
    overlap = by_name["mean intersection over union of two readers"]
    assert overlap["value"] is None and overlap["passed"] is False
    assert document["eligible"] == 2 and document["population"]["test1"]["age_years"] is None


def test_criteria_are_a_setting(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    older = AuditConfig(criteria=EligibilityCriteria(min_age_years=65), image_studies=1)
    audit = audit_cohort(folder, None, YOUNG, AuditOptions(config=older))
    ages = pd.read_csv(folder / "cohort.csv")["age_years"]
    assert audit.cohort.excluded_for["younger than 65 years"] == (ages < 65).sum() > 0
    assert audit.eligible < PATIENTS - 1
