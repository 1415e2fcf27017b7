"""Metrics of boxes whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import TARGET_LEVELS, VertebraBox, VertebralLevel, View
from pipeline.evaluation.detection.boxes import EvaluatedImage, average_precision, box_errors, levels_right

TRUTH = tuple(VertebraBox(level, 100, 50 + 60 * k, 180, 110 + 60 * k) for k, level in enumerate(TARGET_LEVELS))


def moved(dx: float, dy: float = 0.0, confidence: float = 0.9) -> tuple[VertebraBox, ...]:
    return tuple(VertebraBox(b.level, b.x0 + dx, b.y0 + dy, b.x1 + dx, b.y1 + dy, confidence=confidence) for b in TRUTH)


def labelled_one_down() -> tuple[VertebraBox, ...]:
    return tuple(VertebraBox(TARGET_LEVELS[k + 1], *box.corners, confidence=0.9) for k, box in enumerate(TRUTH[:-1]))


def image(
    detected: tuple[VertebraBox, ...],
    uid: str = "1",
    view: View = View.AP,
    truth: tuple[VertebraBox, ...] = TRUTH,
    spacing_mm: tuple[float, float] | None = (0.5, 0.25),
) -> EvaluatedImage:
    return EvaluatedImage(study_uid=uid, view=view, truth=truth, detected=detected, spacing_mm=spacing_mm)


def test_perfect_boxes_are_perfect() -> None:
    precision = average_precision([image(TRUTH), image(TRUTH, "2")])
    assert precision.map50 == precision.map50_95 == precision.ap50_95[VertebralLevel.L3] == pytest.approx(1.0)
    errors = box_errors([image(TRUTH)])
    assert [e.iou for e in errors] == [1.0] * 4 and errors[0].edges_mm == (0, 0, 0, 0)


def test_errors_are_in_millimetres_of_their_axis() -> None:
    row = box_errors([image(moved(4.0, -2.0))])[0]
    assert row.edges_mm == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert row.centre_mm == pytest.approx(np.sqrt(2.0))
    assert row.iou == pytest.approx(76 * 58 / (2 * 80 * 60 - 76 * 58))
    unknown = image(moved(4.0), spacing_mm=None)
    assert np.isnan(box_errors([unknown])[0].centre_mm)


def test_a_box_at_three_quarters_overlap_counts_for_some_thresholds() -> None:
    shift = 80 * (1 - 0.76) / 1.76
    precision = average_precision([image(moved(shift))])
    assert precision.map50 == pytest.approx(1.0)
    assert precision.map50_95 == pytest.approx(0.6), "0.50 to 0.75 of ten thresholds"


def test_a_shifted_labelling_is_wrong_everywhere() -> None:
    images = [image(labelled_one_down())]
    assert average_precision(images).map50 == 0
    assert levels_right(box_errors(images)) == {"1": False}


def test_both_views_must_be_right() -> None:
    rows = box_errors([image(TRUTH, "1"), image((), "1", View.LATERAL), image(TRUTH, "2")])
    assert levels_right(rows) == {"1": False, "2": True}


def test_nothing_found_scores_nothing_and_no_truth_is_unknown() -> None:
    assert average_precision([image(())]).map50 == 0
    assert np.isnan(average_precision([image(TRUTH, truth=())]).map50)


def test_confident_false_boxes_cost_precision() -> None:
    false = tuple(VertebraBox(b.level, b.x0 + 300, b.y0, b.x1 + 300, b.y1, confidence=0.95) for b in TRUTH)
    images = [image(TRUTH), image(false, "2", truth=())]
    assert average_precision(images).map50 == pytest.approx(1.0), "a true box without score 1 comes first"
    worse = [image(moved(0, 0, 0.5)), image(false, "2", truth=())]
    assert average_precision(worse).map50 == pytest.approx(0.5, abs=0.01)
