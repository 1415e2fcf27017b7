"""What a cohort check says of sound and of broken cohorts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.check import check_cohort

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "c")
    return tmp_path / "c"


def test_the_examples_are_sound(cohort: Path) -> None:
    found = check_cohort(cohort, images=True)
    assert found.usable and found.problems == ()
    assert found.counts["studies"] == found.counts["studies_with_rois"] == 6
    assert found.flow[0].remaining == 6 and found.flow[-1].remaining == found.counts["eligible"]
    assert sum(sum(own.values()) for own in found.parts.values()) == found.counts["eligible"]


def change(cohort: Path, name: str, column: str, row: int, value: object) -> None:
    table = pd.read_csv(cohort / name, dtype=str)
    table.loc[row, column] = str(value)
    table.to_csv(cohort / name, index=False)


def test_every_problem_is_named(cohort: Path) -> None:
    rows = pd.read_csv(cohort / "cohort.csv", dtype=str)
    extra = rows.iloc[[0]].assign(patient_id="ghost", study_uid="9.9")
    pd.concat([rows, extra]).to_csv(cohort / "cohort.csv", index=False)
    change(cohort, "rois.csv", "x0", 0, 90000)
    change(cohort, "rois.csv", "x1", 0, 90050)
    rois = pd.read_csv(cohort / "rois.csv", dtype=str)
    lost = rois[(rois["level"] == "L3") & (rois["view"] == "AP")].index[-1]
    rois.drop(index=lost).to_csv(cohort / "rois.csv", index=False)
    text = "\n".join(check_cohort(cohort, images=True).problems)
    assert "1 x line of cohort.csv without radiographs: 9.9" in text
    assert "lies outside its image" in text
    assert "1 x view without ROIs of all of L1-L4" in text and "AP (L3)" in text


def test_bad_lines_are_all_listed(cohort: Path) -> None:
    change(cohort, "cohort.csv", "t_score", 0, -26)
    change(cohort, "cohort.csv", "sex", 2, "x")
    found = check_cohort(cohort)
    assert not found.usable
    assert "2 x line that cannot be read" in found.problems[0]
    assert "t_score is -26" in found.problems[0] and "sex is 'x'" in found.problems[0]


def test_a_patient_on_both_sides_of_the_split_is_found(cohort: Path) -> None:
    rows = pd.read_csv(cohort / "cohort.csv", dtype=str)
    sites = ["training", "test1", *rows.site[2:]]
    rows.assign(site=sites).drop(columns="patient_id").to_csv(cohort / "cohort.csv", index=False)
    for uid in rows.study_uid[:2]:
        for path in cohort.rglob("*.dcm"):
            header = pydicom.dcmread(path)
            if uid == header.StudyInstanceUID:
                header.PatientID = "same"
                header.save_as(path)
    text = "\n".join(check_cohort(cohort).problems)
    assert "1 x patient on several sides of the split: same (test1, training)" in text


def test_the_command_draws_the_flow_and_fails_on_nothing(cohort: Path, tmp_path: Path) -> None:
    flow = tmp_path / "flow.svg"
    done = CliRunner().invoke(app, ["cohort", "check", str(cohort), "--flow", str(flow)])
    assert done.exit_code == 0, done.output
    assert "eligible" in done.stdout and flow.read_text().startswith("<?xml")
    done = CliRunner().invoke(app, ["cohort", "check", str(cohort), "--json", "--set", "min_age_years=95"])
    assert json.loads(done.stdout)["counts"]["eligible"] == 0
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["cohort", "check", str(tmp_path / "empty")])
    assert done.exit_code == 1 and "nothing here can be trained on or judged" in done.stderr


def test_unknown_covariates_and_views_are_told(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), np.zeros((30, 20), np.uint8))
    text = "\n".join(check_cohort(tmp_path).problems)
    assert "1 x image whose view only the detector can tell: film.png" in text
    assert "1 x study without age_years: film" in text
