"""Simulated patients whose bones and faults are known, without simulating anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cohort.bmd import DxaResult
from cohort.covariates import Covariates, Sex
from cohort.study import Study
from phantom.subject.population import YoungAdult
from pipeline.audit.patients import SimulatedPatients
from tests.conftest import MakeDicom

PATIENTS = 60

YOUNG = [
    YoungAdult(sex, 20 + k, 180, mean + sd * z)
    for sex, mean, sd in ((Sex.FEMALE, 0.990, 0.100), (Sex.MALE, 0.980, 0.116))
    for k, z in enumerate(np.linspace(-1.7, 1.7, 20))
]


def write_cohort(tmp_path: Path, make_dicom: MakeDicom, leak: bool = False) -> Path:
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
                "shell_mm": 0.35,
                "bone_size": 1.0,
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


def patients(
    noise: float = 0.0, sites: tuple[str, ...] = ("training", "test1", "test2"), count: int = 240
) -> SimulatedPatients:
    """Patients whose T-score follows from their bones, with noise; sites in turn."""
    rng = np.random.default_rng(0)
    vbmd, shell, size = rng.normal(110, 30, count), rng.normal(0.35, 0.05, count), rng.normal(1, 0.05, count)
    t_score = np.clip((vbmd - 170) / 35 + 10 * (shell - 0.35) + noise * rng.normal(0, 1, count), -8, 8)
    female, age, bmi = rng.random(count) < 0.7, rng.uniform(55, 85, count), rng.normal(24, 3, count)
    studies = tuple(
        Study(
            study_uid=f"s{k}",
            patient_id=f"p{k}",
            site=sites[k % len(sites)],
            covariates=Covariates(
                age_years=float(age[k]), sex=Sex.FEMALE if female[k] else Sex.MALE, bmi_given=float(bmi[k])
            ),
            dxa=DxaResult(t_score=float(t_score[k]), bmd_g_cm2=float(0.99 + 0.1 * t_score[k])),
        )
        for k in range(count)
    )
    bmd = 0.99 + 0.1 * t_score
    return SimulatedPatients(
        studies=studies,
        female=female,
        age_years=age,
        bmi_kg_m2=bmi,
        t_score=t_score,
        bmd_g_cm2=bmd,
        true_bmd_g_cm2=bmd,
        vbmd_mg_cm3=vbmd,
        shell_mm=shell,
        bone_size=size,
        posterior_fraction=np.full(count, 0.51),
    )
