"""The ceiling of a cohort whose classes follow from its bones, and of one whose classes do not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from osteolens.errors import ReadError
from pipeline.audit.oracle import ceiling


def cohort(folder: Path, noise: float) -> Path:
    rng = np.random.default_rng(0)
    count = 240
    density, shell, size = rng.normal(110, 30, count), rng.normal(0.35, 0.05, count), rng.normal(1, 0.05, count)
    t_score = (density - 170) / 35 + 10 * (shell - 0.35) + noise * rng.normal(0, 1, count)
    table = pd.DataFrame(
        {
            "study_uid": [f"s{k}" for k in range(count)],
            "site": ["training"] * 140 + ["test1"] * 50 + ["test2"] * 50,
            "age_years": rng.uniform(55, 85, count).round(1),
            "sex": rng.choice(["F", "M"], count),
            "bmi_kg_m2": rng.normal(24, 3, count).round(1),
            "t_score": np.clip(t_score, -8, 8).round(2),
            "vbmd_mg_cm3": density,
            "shell_mm": shell,
            "bone_size": size,
        }
    )
    table.to_csv(folder / "cohort.csv", index=False)
    for uid in table.study_uid:
        cv2.imwrite(str(folder / f"{uid}_AP.png"), np.zeros((4, 4), np.uint8))
    return folder


def test_bones_tell_what_they_cause_and_covariates_do_not(tmp_path: Path) -> None:
    found = ceiling(cohort(tmp_path, 0.0))
    assert set(found) == {"covariates", "true bones"} and set(found["true bones"]) == {"test1", "test2"}
    assert min(found["true bones"]["test1"].values()) > 0.9
    assert abs(found["covariates"]["test1"]["osteoporosis"] - 0.5) < 0.25


def test_noise_lowers_the_ceiling(tmp_path: Path) -> None:
    found = ceiling(cohort(tmp_path, 3.0))
    assert found["true bones"]["test1"]["osteoporosis"] < 0.85


def test_the_command_and_a_cohort_that_is_not_simulated(tmp_path: Path) -> None:
    folder = cohort(tmp_path, 0.5)
    done = CliRunner().invoke(app, ["evaluate", "ceiling", str(folder)])
    assert done.exit_code == 0 and "true bones" in done.stdout
    table = pd.read_csv(folder / "cohort.csv").drop(columns="shell_mm")
    table.to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ReadError, match="expected a cohort of osteolens simulate"):
        ceiling(folder)
