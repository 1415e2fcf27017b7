"""The detection stage by view, level, site and finding, on made-up studies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.covariates import Covariates
from cohort.rejection_codes import SIX_LUMBAR, LevelCode, LevelReason, RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.errors import ReadError
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.detection.detection import EVALUATED, Detection
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.studies.results import load_predictions
from pipeline.prediction import LengthUnit, MeasuredVertebra, Prediction, Rejection, ViewResult
from tests.predictions import MODEL, save

L1, L2 = TARGET_LEVELS[:2]
TRUTH = tuple(VertebraBox(level, 100, 50 + 60 * k, 180, 110 + 60 * k) for k, level in enumerate(TARGET_LEVELS))
SHIFTED = tuple(VertebraBox(TARGET_LEVELS[k + 1], *box.corners, confidence=0.9) for k, box in enumerate(TRUTH[:-1]))
MOVED = tuple(box.moved(2.0, 0.0) for box in TRUTH)


def view(boxes: tuple[VertebraBox, ...], of: View = View.AP) -> ViewResult:
    return ViewResult(image="x.dcm", detection=SpineDetection(of, boxes, (400, 300)), pixel_spacing_mm=(0.5, 0.5))


def rejected(uid: str, boxes: tuple[VertebraBox, ...], warnings: tuple[str, ...] = ()) -> Prediction:
    return Prediction(
        study_uid=uid,
        patient_id=uid,
        model=MODEL,
        covariates=Covariates(),
        views={View.AP: view(boxes)} if boxes else {},
        rejection=Rejection(RejectionCode.NO_SPINE if not boxes else RejectionCode.EXPOSURE, "made up"),
        warnings=warnings,
    )


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four made-up studies: right, shifted by a level, not found, and one with an implant."""
    boxes = {"a": TRUTH, "b": SHIFTED, "c": (), "d": MOVED}
    warned = {"b": (f"AP: {SIX_LUMBAR} Check the levels",)}
    save(tmp_path / "out", (rejected(uid, found, warned.get(uid, ())) for uid, found in boxes.items()))
    (tmp_path / "cohort").mkdir()
    rois = [[uid, "AP", str(box.level), *box.corners] for uid in boxes for box in TRUTH]
    columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
    pd.DataFrame(rois, columns=columns).to_csv(tmp_path / "cohort" / "rois.csv", index=False)
    table = {
        "study_uid": list(boxes),
        "site": ["test1", "test1", "test2", "test2"],
        "implant": ["none", "none", "none", "screws"],
        "lumbar_count": [5, 6, 5, 5],
    }
    pd.DataFrame(table).to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    return tmp_path / "out", tmp_path / "cohort"


def detection_of(folders: tuple[Path, Path], site: str | None = None, include_ineligible: bool = False) -> Detection:
    found = evaluate(*folders, EvaluationConfig(), site, include_ineligible).detection
    assert found is not None
    return found


def test_boxes_are_evaluated_by_view_site_and_finding(folders: tuple[Path, Path]) -> None:
    found = detection_of(folders)
    assert (found.both_views.studies, found.both_views.rejected) == (3, 3)
    assert found.both_views.levels_right == pytest.approx(1 / 3)
    assert set(found.views) == {View.AP}
    frontal = found.views[View.AP]
    assert frontal.mean_iou == pytest.approx(1 / 3, abs=0.01)
    assert frontal.mean_iou_by_level[L1] == pytest.approx(1 / 3)
    assert found.by_site["test1"].studies == 2 and found.by_site["test2"].studies == 1
    assert found.by_finding["implant"].levels_right == 1, "excluded by the criteria, and told here"
    assert found.by_finding["six lumbar vertebrae"].levels_right == 0
    assert "poor exposure" not in found.by_finding
    assert detection_of(folders, "test2").both_views.studies == 1
    assert detection_of(folders, include_ineligible=True).both_views.studies == 4
    with pytest.raises(ReadError, match="no study is of site 'nowhere'"):
        detection_of(folders, "nowhere")


def test_quality_control_is_counted_by_reason(folders: tuple[Path, Path]) -> None:
    (first, *_) = load_predictions(folders[0])
    left_out = {level: LevelReason(code=LevelCode.METAL, reason="2 %") for level in (L1, L2)}
    both = {of: replace(view(TRUTH, of), left_out=left_out) for of in View}
    save(folders[0], [replace(first, views=both)])
    found = detection_of(folders).quality_control
    assert found[EVALUATED].rejected == {RejectionCode.EXPOSURE: 2, RejectionCode.NO_SPINE: 1}
    assert found[EVALUATED].levels_left_out == {LevelCode.METAL: 1}, "studies are counted, not levels"
    assert found["six lumbar vertebrae"].warned[SIX_LUMBAR] == 1


def test_a_view_whose_table_lacks_l1_to_l4_makes_no_study_wrong(folders: tuple[Path, Path]) -> None:
    table = folders[1] / "rois.csv"
    table.write_text(table.read_text() + "a,LATERAL,L5,1,2,3,4\n")
    found = detection_of(folders)
    assert found.both_views.levels_right == pytest.approx(1 / 3) and View.LATERAL not in found.views


def test_distances_need_a_pixel_spacing(folders: tuple[Path, Path]) -> None:
    known = detection_of(folders, include_ineligible=True).views[View.AP]
    assert known.edge_mm_median == 0 and known.edge_mm_p95 is not None
    plain = [
        replace(own, views={of: replace(v, pixel_spacing_mm=None) for of, v in own.views.items()})
        for own in load_predictions(folders[0])
    ]
    save(folders[0], plain)
    assert detection_of(folders).views[View.AP].edge_mm_median is None


def measured(level: VertebralLevel, loss: float, suspected: bool) -> MeasuredVertebra:
    return MeasuredVertebra(
        level=level,
        unit=LengthUnit.PIXEL,
        anterior_height=30.0,
        middle_height=30.0,
        posterior_height=30.0,
        anterior_to_posterior=1.0,
        middle_to_posterior=1.0,
        posterior_to_neighbours=1.0,
        height_loss=loss,
        genant_grade=2 if suspected else 0,
        confidence=0.9,
        suspected=suspected,
    )


def test_suspected_fractures_are_held_against_the_stated_losses(folders: tuple[Path, Path]) -> None:
    out, cohort = folders
    assert detection_of(folders).fractures is None, "nothing was measured"
    table = pd.read_csv(cohort / "cohort.csv")
    losses = table.assign(fracture_grade=[2, 0, 0, 0], fractures=["L1:wedge:0.32", "", "", ""])
    losses.to_csv(cohort / "cohort.csv", index=False)
    with_lateral = []
    for own in load_predictions(out)[:2]:
        vertebrae = {L1: measured(L1, 0.3, own.study_uid == "a"), L2: measured(L2, 0.0, own.study_uid == "b")}
        lateral = replace(view(TRUTH, View.LATERAL), vertebrae=vertebrae)
        with_lateral.append(replace(own, views={**own.views, View.LATERAL: lateral}))
    save(out, with_lateral)
    found = detection_of(folders).fractures
    assert found is not None and (found.vertebrae, found.grade_2_or_3, found.studies_grade_2_or_3) == (4, 1, 1)
    assert (found.sensitivity, found.study_sensitivity, found.study_false_positive_rate) == (1, 1, 1)
    assert found.false_positive_rate == pytest.approx(1 / 3)
    assert found.height_loss_error_sd == pytest.approx(np.std([0.3 - 0.32, 0, 0.3, 0]))


def test_the_command_prints_tables_or_json(folders: tuple[Path, Path]) -> None:
    out, cohort = map(str, folders)
    done = CliRunner().invoke(app, ["evaluate", out, cohort, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["detection"]["both_views"]["studies"] == 3
    table = CliRunner().invoke(app, ["evaluate", out, cohort, "--site", "test1"]).stdout
    assert "mAP50-95" in table and "Detection by finding" in table and "Quality control" in table
    assert "test2" not in table
