"""Exports as they are used: in a cohort folder, by compare-rois, train detector and evaluate."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.io.annotations import read_readings, read_rois
from detect.config import CLASSES
from detect.preprocess import detector_input
from detect.training.augment import move_boxes
from detect.training.config import DetectorTraining
from pipeline.evaluation.evaluate import evaluate
from pipeline.prediction import read_prediction
from pipeline.roi_comparison.compare import compare_rois
from pipeline.screening.screener import Screener
from pipeline.training.detector import train_detector
from pipeline.training.run import Start, TrainingOptions
from tests import EXAMPLES
from tests.pipeline.review.pages import Page, drawn, open_page

SIDE = 320
CORNERS = ("x0", "y0", "x1", "y1")


def corrected(page: Page, by: float = 4.0) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Every study saved with its boxes moved, the last one as not evaluable; the boxes as they were sent."""
    sent = {}
    *readable, unfit = page.uids
    for uid in readable:
        views = drawn(page.get(f"/api/study/{uid}"))
        for view, shown in views.items():
            shown["boxes"] = [{**box, "x0": box["x0"] + by, "x1": box["x1"] + by} for box in shown["boxes"]]
            sent[uid, view] = {box["level"]: [box[name] for name in CORNERS] for box in shown["boxes"]}
        page.post(f"/api/study/{uid}/corrections", {"views": views, "seconds": 9})
    page.post(f"/api/study/{unfit}/corrections", {"views": {}, "not_evaluable": "exposure"})
    return sent


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """The examples at one site, without their manual ROIs."""
    folder = Path(shutil.copytree(EXAMPLES, tmp_path / "cohort"))
    for name in ("rois.csv", "readers.csv"):
        (folder / name).unlink()
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    table.assign(site="here").to_csv(folder / "cohort.csv", index=False)
    return folder


def test_compare_rois_takes_every_reader_and_leaves_out_what_was_not_evaluable(
    results: Path, cohort: Path, screener: Screener
) -> None:
    for reader, by in (("anna", 2.0), ("ben", -2.0)):
        with open_page(results, reader=reader) as page:
            corrected(page, by)
            unfit = page.uids[-1]
    with open_page(results, reader="lead") as page:
        page.review.exports.write(cohort)
    assert set(read_readings(cohort / "readers.csv")) == {"anna", "ben"}
    comparison = compare_rois(cohort, cohort / "readers.csv", screener)
    assert comparison.count == 5 and comparison.studies.names == ("anna", "ben")
    assert not any(uid == unfit for uid, _ in read_readings(cohort / "readers.csv")["anna"])


def test_train_detector_labels_the_images_by_the_boxes_that_were_drawn(
    results: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_page(results, reader="anna") as page:
        sent = corrected(page)
        page.review.exports.write(cohort)
        shapes = {
            (uid, str(view)): result.detection.image_shape
            for uid, entry in page.review.worklist.entries.items()
            for view, result in read_prediction(entry.path).views.items()
        }
    made: list[Path] = []

    def stop(data: Path, *_: object) -> None:
        made.append(data)
        raise InterruptedError

    monkeypatch.setattr("detect.training.detector.fit_detector", stop)
    config = DetectorTraining(image_px=SIDE, renders=1, validation_fraction=0.4)
    with pytest.raises(InterruptedError):
        train_detector([cohort], tmp_path / "run", config, TrainingOptions(start_from=Start.NONE))
    labels = [path for path in made[0].parent.rglob("labels/*/*.txt") if path.read_text("ascii")]
    assert {tuple(path.stem.split("_")[:2]) for path in labels} == set(sent), "one not evaluable has no label"
    plain = [path for path in labels if path.parent.name == "val"]
    assert plain
    for path in plain:
        uid, view, _ = path.stem.split("_")
        check_labels(path, sent[uid, view], shapes[uid, view])


def check_labels(path: Path, sent: dict[str, list[float]], shape: tuple[int, int]) -> None:
    """Labels of a plain image are the boxes that were sent, to half a pixel of the image as read."""
    _, matrix = detector_input(np.zeros(shape, np.float32), SIDE)
    found = {}
    for line in path.read_text("ascii").splitlines():
        number, *values = line.split()
        x, y, width, height = (SIDE * float(value) for value in values)
        found[CLASSES[int(number)][1].value] = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    levels = list(found)
    assert set(levels) == set(sent)
    expected = move_boxes(np.array([sent[level] for level in levels]), matrix)
    np.testing.assert_allclose([found[level] for level in levels], expected, atol=0.5 * matrix[0, 0])


def test_evaluate_counts_a_study_as_its_reader_did(results: Path, cohort: Path) -> None:
    before = evaluate(results, cohort).overall.flow
    with open_page(results, reader="anna") as page:
        uids = page.uids
        fractured, unfit, metal = uids[:3]
        page.post(f"/api/study/{fractured}/corrections", {"views": {}, "fracture_grades": {"L2": 2}})
        page.post(f"/api/study/{unfit}/corrections", {"views": {}, "not_evaluable": "positioning"})
        views = drawn(page.get(f"/api/study/{metal}"))
        views["AP"]["left_out"] = {"L1": "metal or cement"}
        page.post(f"/api/study/{metal}/corrections", {"views": views})
        page.post(f"/api/study/{uids[3]}/corrections", {"views": {}, "fracture_grades": {"L2": 0}})
        page.review.exports.write(cohort)
    after = evaluate(results, cohort).overall.flow
    assert sum(before.ineligible.values()) == 0 and before.evaluated == 6
    assert {reason: n for reason, n in after.ineligible.items() if n} == {
        "compression fracture at L1-L4": 1,
        "exposure too poor": 1,
        "implant or cement at L1-L4": 1,
    }
    assert after.evaluated == 3 and after.studies == 6
    assert {uid for uid, _ in read_rois(cohort / "rois.csv")} == {*uids[:4]} - {unfit}
