"""The audit finds what it should: on a made-up cohort with known leaks, without simulating anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteolens.errors import ReadError
from pipeline.audit.checks import Check, audit_cohort, reader_overlap
from pipeline.audit.shortcut_learning import cross_validated_auc, shortcut_areas
from tests.conftest import MakeDicom

PATIENTS = 60
YOUNG = [
    {"sex": sex, "age_years": 20 + k, "vbmd_mg_cm3": 180, "bmd_g_cm2": mean + sd * z}
    for sex, mean, sd in (("F", 0.990, 0.100), ("M", 0.980, 0.116))
    for k, z in enumerate(np.linspace(-1.7, 1.7, 20))
]


def write_cohort(tmp_path: Path, make_dicom: MakeDicom, leak: bool) -> Path:
    """Sixty patients with 64 x 48 noise as radiographs; with a leak the osteoporotic ones have another window."""
    rng = np.random.default_rng(0)
    rows, rois, readings = [], [], []
    for k in range(PATIENTS):
        t_score = float(rng.normal(-1.82, 1.5))
        uid = f"1.2.{k}"
        for view in ("AP", "LATERAL"):
            make_dicom(
                f"cohort/P{k:03d}/{view}.dcm",
                rng.integers(0, 4000, (64, 48)).astype(np.uint16),
                StudyInstanceUID=uid,
                PatientID=f"P{k:03d}",
                ViewPosition="AP" if view == "AP" else "LL",
                WindowCenter=500.0 if leak and t_score <= -2.5 else 2000.0,
                WindowWidth=4000.0,
            )
            for number, level in enumerate(("L1", "L2", "L3", "L4")):
                box = [10, 4 + 14 * number, 38, 18 + 14 * number]
                rois.append([uid, view, level, *box])
                readings += [[f"reader{r}", uid, view, level, 10, box[1], 38 + r, box[3]] for r in range(2)]
        rows.append(
            {
                "study_uid": uid,
                "patient_id": f"P{k:03d}",
                "site": ["training", "test1"][k % 2],
                "age_years": float(np.clip(rng.normal(65.4, 9.3), 50, 95)),
                "sex": "M" if rng.random() < 0.31 else "F",
                "height_cm": 160.0,
                "weight_kg": 60.0 + 5 * rng.normal(),
                "t_score": t_score,
                "bmd_g_cm2": 0.99 + 0.1 * t_score,
                "vbmd_mg_cm3": 160 + 30 * t_score + 25 * rng.normal(),
                "posterior_share": 0.51,
                "true_bmd_g_cm2": 0.96 + 0.1 * t_score,
                "implant": "screws" if k == 7 else "none",
            }
        )
    folder = tmp_path / "cohort"
    columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    pd.DataFrame(rois, columns=columns).to_csv(folder / "rois.csv", index=False)
    pd.DataFrame(readings, columns=["reader", *columns]).to_csv(folder / "readers.csv", index=False)
    return folder


def test_an_audit_reports_flow_table_checks_and_figures(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom, leak=False)
    real = tmp_path / "real"
    real.mkdir()
    (real / "film_AP.dcm").write_bytes((folder / "P000" / "AP.dcm").read_bytes())
    summary = audit_cohort(folder, YOUNG, tmp_path / "audit", real)
    document = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert document["patients"] == PATIENTS and document["eligible"] == PATIENTS - 1
    assert document["excluded_for"] == {"implant or cement at L1-L4": 1}
    assert document["table_1"]["total"]["n"] == PATIENTS - 1
    assert document["table_1"]["training"]["n"] + document["table_1"]["test1"]["n"] == PATIENTS - 1
    assert 0 <= document["table_1"]["p"]["age_mean"] <= 1
    assert document["dxa_error_g_cm2"]["mean"] == pytest.approx(0.03)
    passed = {c["name"]: c["passed"] for c in document["checks"]}
    assert summary.checks == len(passed) and summary.passed == sum(passed.values())
    assert passed["young women: mean areal BMD, g/cm2"] and passed["mineral in posterior elements, %"]
    assert passed["AUC of osteoporosis from header"]
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "In-silico" in page and page.count("data:image/png;base64,") == 5 and "http" not in page
    assert (tmp_path / "audit" / "panel_ap.png").is_file()


def test_a_window_that_gives_the_class_away_fails_the_audit(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom, leak=True)
    audit_cohort(folder, YOUNG, tmp_path / "audit", None, image_studies=50)
    document = json.loads((tmp_path / "audit" / "audit.json").read_text())
    checks = {c["name"]: c for c in document["checks"]}
    assert document["image_studies"] == 50
    assert checks["AUC of osteoporosis from header"]["value"] > 0.95
    assert not checks["AUC of osteoporosis from header"]["passed"]
    assert not checks["AUC of osteoporosis from all of these"]["passed"]


def test_a_hospitals_cohort_cannot_be_audited(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom, leak=False)
    table = pd.read_csv(folder / "cohort.csv").drop(columns=["vbmd_mg_cm3"])
    table.to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ReadError, match="expected a simulated cohort"):
        audit_cohort(folder, YOUNG, tmp_path / "audit")


def test_overlap_of_two_readers_is_intersection_over_union(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom, leak=False)
    assert reader_overlap(folder / "readers.csv") == pytest.approx(28 / 29)
    assert np.isnan(reader_overlap(folder / "none.csv"))


def test_a_check_holds_its_bounds() -> None:
    assert Check("x", 0.5, 0.5, 0.6, "").passed and not Check("x", 0.61, 0.5, 0.6, "").passed
    assert not Check("x", float("nan"), 0.5, 0.6, "").passed


def test_areas_tell_signal_from_noise() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(300) < 0.3
    noise, signal = rng.normal(size=(300, 3)), positive[:, None] + rng.normal(0, 0.3, (300, 1))
    areas = shortcut_areas({"noise": noise, "signal": signal}, positive)
    assert areas["signal"] > 0.97 and 0.35 < areas["noise"] < 0.65 and areas["all of these"] > 0.95
    assert cross_validated_auc(noise, np.zeros(300, bool)) == 0.5
