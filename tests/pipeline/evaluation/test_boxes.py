"""Measures of detection on boxes whose errors are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.rejection import SIX_LUMBAR
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from osteolens.errors import ReadError
from pipeline.evaluation.boxes import EvaluatedImage, average_precision, box_errors, studies_right
from pipeline.evaluation.detection import evaluate_detector

runner = CliRunner()
TRUTH = tuple(VertebraBox(level, 100, 50 + 60 * k, 180, 110 + 60 * k) for k, level in enumerate(TARGET_LEVELS))


def moved(dx: float, dy: float = 0.0, confidence: float = 0.9) -> tuple[VertebraBox, ...]:
    return tuple(VertebraBox(b.level, b.x0 + dx, b.y0 + dy, b.x1 + dx, b.y1 + dy, confidence=confidence) for b in TRUTH)


def renamed_one_down() -> tuple[VertebraBox, ...]:
    return tuple(VertebraBox(TARGET_LEVELS[k + 1], *box.corners, confidence=0.9) for k, box in enumerate(TRUTH[:-1]))


def image(found: tuple[VertebraBox, ...], uid: str = "1", view: View = View.AP) -> EvaluatedImage:
    return EvaluatedImage(uid, view, TRUTH, found, (0.5, 0.25))


def test_perfect_boxes_are_perfect() -> None:
    precision = average_precision([image(TRUTH), image(TRUTH, "2")])
    assert precision["mAP50"] == precision["mAP50-95"] == precision["AP50-95_L3"] == pytest.approx(1.0)
    errors = box_errors([image(TRUTH)])
    assert [e.overlap for e in errors] == [1.0] * 4 and errors[0].edges_mm == (0, 0, 0, 0)


def test_errors_are_in_millimetres_of_their_axis() -> None:
    row = box_errors([image(moved(4.0, -2.0))])[0]
    assert row.edges_mm == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert row.centre_mm == pytest.approx(np.sqrt(2.0))
    assert row.overlap == pytest.approx(76 * 58 / (2 * 80 * 60 - 76 * 58))
    unknown = EvaluatedImage("1", View.AP, TRUTH, moved(4.0), None)
    assert np.isnan(box_errors([unknown])[0].centre_mm)


def test_a_box_at_three_quarters_overlap_counts_for_some_thresholds() -> None:
    shift = 80 * (1 - 0.76) / 1.76
    precision = average_precision([image(moved(shift))])
    assert precision["mAP50"] == pytest.approx(1.0)
    assert precision["mAP50-95"] == pytest.approx(0.6), "0.50 to 0.75 of ten thresholds"


def test_a_shifted_naming_is_wrong_everywhere() -> None:
    images = [image(renamed_one_down())]
    assert average_precision(images)["mAP50"] == 0
    assert studies_right(box_errors(images)) == {"1": False}


def test_both_views_must_be_right() -> None:
    rows = box_errors([image(TRUTH, "1"), image((), "1", View.LATERAL), image(TRUTH, "2")])
    assert studies_right(rows) == {"1": False, "2": True}


def test_nothing_found_scores_nothing_and_no_truth_is_unknown() -> None:
    assert average_precision([image(())])["mAP50"] == 0
    assert np.isnan(average_precision([EvaluatedImage("1", View.AP, (), TRUTH)])["mAP50"])


def test_confident_false_boxes_cost_precision() -> None:
    false = tuple(VertebraBox(b.level, b.x0 + 300, b.y0, b.x1 + 300, b.y1, confidence=0.95) for b in TRUTH)
    images = [image(TRUTH), EvaluatedImage("2", View.AP, (), false)]
    assert average_precision(images)["mAP50"] == pytest.approx(1.0), "a true box without score 1 comes first"
    worse = [image(moved(0, 0, 0.5)), EvaluatedImage("2", View.AP, (), false)]
    assert average_precision(worse)["mAP50"] == pytest.approx(0.5, abs=0.01)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    """Four made-up studies: right, shifted by a level, rejected, and one with an implant."""
    (tmp_path / "out" / "studies").mkdir(parents=True)
    (tmp_path / "cohort").mkdir()
    found = {"a": TRUTH, "b": renamed_one_down(), "c": (), "d": moved(2.0)}
    rois = []
    for uid, boxes in found.items():
        stored = [
            {"level": str(b.level), **dict(zip(("x0", "y0", "x1", "y1"), b.corners, strict=True)), "confidence": 0.9}
            for b in boxes
        ]
        view = {"image": "AP.dcm", "rows": 400, "columns": 300, "pixel_spacing_mm": [0.5, 0.5], "boxes": stored}
        rejection = {"code": "no_spine", "reason": "none"} if uid == "c" else None
        document = {"study_uid": uid, "patient_id": uid, "views": {"AP": view} if boxes else {}, "rejection": rejection}
        document["warnings"] = [f"AP: {SIX_LUMBAR} Check the levels"] if uid == "b" else []
        (tmp_path / "out" / "studies" / f"{uid}.json").write_text(json.dumps(document))
        rois += [[uid, "AP", str(b.level), *b.corners] for b in TRUTH]
    columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
    pd.DataFrame(rois, columns=columns).to_csv(tmp_path / "cohort" / "rois.csv", index=False)
    table = pd.DataFrame(
        {
            "study_uid": list(found),
            "site": ["test1", "test1", "test2", "test2"],
            "implant": ["none", "none", "none", "screws"],
            "lumbar_count": [5, 6, 5, 5],
        }
    )
    table.to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    return tmp_path / "out", tmp_path / "cohort"


def test_results_are_judged_by_view_site_and_finding(cohort: tuple[Path, Path]) -> None:
    figures = evaluate_detector(*cohort)
    eligible = figures["eligible"]
    assert (eligible["studies"], eligible["rejected"]) == (3, 1)
    assert eligible["studies_with_all_levels_right"] == pytest.approx(1 / 3)
    assert eligible["AP"]["mean_iou"] == pytest.approx(1 / 3, abs=0.01) and "LATERAL" not in eligible
    assert eligible["AP"]["mean_iou_L1"] == pytest.approx(1 / 3)
    assert figures["by_site"]["test1"]["studies"] == 2 and figures["by_site"]["test2"]["studies"] == 1
    assert figures["by_finding"]["implant"]["studies_with_all_levels_right"] == 1
    assert figures["by_finding"]["six lumbar vertebrae"]["studies_with_all_levels_right"] == 0
    assert "poor exposure" not in figures["by_finding"]
    assert figures["gate"]["eligible"]["studies"] == 3 and figures["gate"]["eligible"]["rejected: no_spine"] == 1
    assert figures["gate"]["six lumbar vertebrae"]["warned: six lumbar vertebrae?"] == 1
    assert evaluate_detector(*cohort, "test2")["eligible"]["studies"] == 1
    with pytest.raises(ReadError, match="no study of site nowhere has ROIs"):
        evaluate_detector(*cohort, "nowhere")


def test_the_command_prints_tables_or_json(cohort: tuple[Path, Path]) -> None:
    out, folder = map(str, cohort)
    done = runner.invoke(app, ["evaluate", "detector", out, folder, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["eligible"]["studies"] == 3
    table = runner.invoke(app, ["evaluate", "detector", out, folder, "--site", "test1"]).stdout
    assert "mAP50-95" in table and "by finding" in table and "test2" not in table


def test_results_without_rois_are_explained(cohort: tuple[Path, Path]) -> None:
    (cohort[1] / "rois.csv").unlink()
    done = runner.invoke(app, ["evaluate", "detector", *map(str, cohort)])
    assert done.exit_code == 1 and "rois.csv is missing" in done.stderr
