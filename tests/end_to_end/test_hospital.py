"""From a hospital's delivery to a report, by the commands of the docs, with no file made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.io.annotations import read_rois
from cohort.spine import TARGET_LEVELS
from tests import EXAMPLES
from tests.end_to_end.hospital import deliver, patient_of


def run(*command: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(part) for part in command])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.slow
def test_a_delivery_becomes_a_report(tmp_path: Path) -> None:
    deliver(tmp_path / "delivery", patients=2)
    tables, films, drawn = (tmp_path / "delivery" / name for name in ("tables", "films", "annotations"))
    cohort, rois = tmp_path / "cohort", tmp_path / "rois"
    told = run("cohort", "check", tables)
    assert "12 columns of Patienten.csv, 骨密度.csv" in told and "0004712 (lines 3 and 4)" in told
    for kind in ("labelme", "cvat", "coco", "yolo"):
        run("cohort", "import", kind, drawn / kind, rois / kind, "--images", films)
    options = [part for kind in ("labelme", "cvat", "coco", "yolo") for part in ("--rois", rois / kind)]
    told = run("cohort", "assemble", tables, films, cohort, *options)
    assert "IM9999.dcm (its PatientID stands in no table)" in told and "0004799 (Patienten.csv line 5)" in told
    run("cohort", "check", cohort, "--images")
    _as_delivered(cohort)
    run("process", cohort, "--out", tmp_path / "out", "--quiet")
    run("evaluate", tmp_path / "out", cohort, "--out", tmp_path / "report", "--set", "bootstrap_draws=20")
    assert (tmp_path / "report" / "report.html").is_file()
    text = json.dumps(json.loads((tmp_path / "report" / "evaluation.json").read_text("utf-8")))
    assert '"study without DXA"' not in text and "Müller" not in text


def _as_delivered(cohort: Path) -> None:
    """Every value and box of the cohort folder is that of the examples."""
    truth = pd.read_csv(EXAMPLES / "cohort.csv", dtype={"patient_id": str}).head(2).set_index("study_uid")
    made = pd.read_csv(cohort / "cohort.csv", dtype={"patient_id": str}).set_index("study_uid")
    scans = pd.read_csv(cohort / "dxa.csv", dtype={"patient_id": str}).to_dict("records")
    assert sorted(made.index) == sorted(truth.index)
    for number, (uid, row) in enumerate(truth.iterrows()):
        line = made.loc[str(uid)]
        assert line["patient_id"] == patient_of(number)
        assert line["age_years"] == pytest.approx(row["age_years"], abs=0.11)
        for name in ("sex", "height_cm", "weight_kg", "site", "study_date"):
            assert line[name] == row[name], name
        scan = next(s for s in scans if (s["patient_id"], s["dxa_date"]) == (patient_of(number), row["dxa_date"]))
        assert all(scan[name] == row[name] for name in ("t_score", "bmd_g_cm2", "t_score_L2"))
    drawn, boxes = read_rois(cohort / "rois.csv"), read_rois(EXAMPLES / "rois.csv")
    assert set(drawn) == {key for key in boxes if key[0] in made.index}
    for key, found in drawn.items():
        wanted = {box.level: box.corners for box in boxes[key] if box.level in TARGET_LEVELS}
        assert {box.level: box.corners for box in found} == {k: pytest.approx(v, abs=0.02) for k, v in wanted.items()}
