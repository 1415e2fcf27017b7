"""Naming of candidates by the chain."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import DETECTED_LEVELS, SpineDetection, VertebralLevel, View
from detect.config import CLASSES, DetectionConfig
from detect.labelling import has_sixth_lumbar, label_levels, reconcile_views, shift_levels

SHAPE = (800, 500)


def column(first: int, count: int, view: View = View.AP, doubt: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Bodies of 60 x 50 px one below the other, each sure of its level but for a share of doubt."""
    boxes = np.array([[200, 40 + 56 * k, 262, 92 + 56 * k] for k in range(count)], float)
    scores = np.full((count, len(CLASSES)), 0.001)
    for k in range(count):
        for step, share in ((-1, doubt / 2), (0, 1 - doubt), (1, doubt / 2)):
            if 0 <= first + k + step < len(DETECTED_LEVELS):
                scores[k, CLASSES.index((view, DETECTED_LEVELS[first + k + step]))] = 0.9 * share
    return boxes, scores


def names(boxes: np.ndarray, scores: np.ndarray) -> list[str]:
    found = label_levels(boxes, scores, SHAPE, DetectionConfig())
    return [] if found is None else [b.level.value for b in found.boxes]


def test_a_whole_chain_is_named_in_order() -> None:
    boxes, scores = column(1, 7)
    assert names(boxes, scores) == ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]


def test_the_order_of_candidates_does_not_matter() -> None:
    boxes, scores = column(1, 7)
    order = np.random.default_rng(1).permutation(7)
    assert names(boxes[order], scores[order]) == names(boxes, scores)


def test_one_missed_body_does_not_shift_the_others() -> None:
    boxes, scores = column(1, 7)
    keep = [0, 1, 2, 4, 5, 6]
    assert names(boxes[keep], scores[keep]) == ["T12", "L1", "L2", "L4", "L5", "S1"]


def test_one_body_that_claims_a_wrong_level_is_outvoted() -> None:
    boxes, scores = column(1, 7)
    scores[3] = 0.001
    scores[3, CLASSES.index((View.AP, VertebralLevel.L4))] = 0.8
    assert names(boxes, scores) == ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]


def test_a_false_candidate_beside_the_spine_is_left_out() -> None:
    boxes, scores = column(1, 7)
    stray = np.array([[20.0, 300, 60, 330]])
    weak = np.full((1, len(CLASSES)), 0.02)
    assert names(np.vstack((boxes, stray)), np.vstack((scores, weak))) == names(boxes, scores)


def test_the_image_decides_the_view() -> None:
    found = label_levels(*column(2, 5, View.LATERAL), SHAPE, DetectionConfig())
    assert found is not None and found.view is View.LATERAL


@pytest.mark.parametrize("view", list(View))
def test_a_known_view_is_taken_whatever_holds_more_score(view: View) -> None:
    boxes, ap = column(2, 5, View.AP)
    _, lateral = column(2, 5, View.LATERAL)
    found = label_levels(boxes, (0.6 * ap + 0.4 * lateral), SHAPE, DetectionConfig(), view)
    assert found is not None and found.view is view
    alone = label_levels(boxes, ap, SHAPE, DetectionConfig())
    assert alone is not None and [b.level for b in found.boxes] == [b.level for b in alone.boxes]


def test_two_bodies_are_no_spine() -> None:
    assert label_levels(*column(2, 2), SHAPE, DetectionConfig()) is None


def test_ambiguous_levels_have_a_small_margin() -> None:
    sure = label_levels(*column(2, 5, doubt=0.1), SHAPE, DetectionConfig())
    boxes, scores = column(2, 5)
    shifted = column(1, 5)[1]
    unsure = label_levels(boxes, 0.52 * scores + 0.48 * shifted, SHAPE, DetectionConfig())
    assert sure is not None and unsure is not None
    assert unsure.labelling_margin < 0.35 < sure.labelling_margin


def test_a_reader_can_move_the_names() -> None:
    found = label_levels(*column(1, 7), SHAPE, DetectionConfig())
    assert found is not None
    down, up = shift_levels(found, 1), shift_levels(found, -1)
    assert [b.level.value for b in down.boxes] == ["L1", "L2", "L3", "L4", "L5", "S1"]
    assert [b.level.value for b in up.boxes] == ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    assert down.boxes[0].corners == found.boxes[0].corners and up.labelling_margin == float("inf")


def six_lumbar(view: View) -> SpineDetection:
    """T12 to S1 with another body above the sacrum; an AP view sees ribs and leaves it unnamed, a lateral counts it."""
    boxes, scores = column(1 if view is View.AP else 0, 8, view)
    if view is View.AP:
        scores[6] = 0.001
        scores[7] = 0.001
        scores[7, CLASSES.index((view, VertebralLevel.S1))] = 0.8
    found = label_levels(boxes, scores, SHAPE, DetectionConfig())
    assert found is not None
    return found


def test_a_body_between_the_fifth_and_the_sacrum_stays_unnamed() -> None:
    ap = six_lumbar(View.AP)
    assert [b.level.value for b in ap.boxes] == ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]
    assert has_sixth_lumbar(ap)
    usual = label_levels(*column(1, 7), SHAPE, DetectionConfig())
    assert usual is not None and not has_sixth_lumbar(usual)


def test_a_lateral_view_takes_the_sixth_lumbar_body_from_the_ap() -> None:
    ap, lateral = six_lumbar(View.AP), six_lumbar(View.LATERAL)
    assert [b.level.value for b in lateral.boxes] == ["T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"]
    _, labelled = reconcile_views([ap, lateral])
    assert labelled is not None
    assert [b.level.value for b in labelled.boxes] == ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]
    in_lateral, in_ap = labelled.box(VertebralLevel.L4), ap.box(VertebralLevel.L4)
    assert in_lateral is not None and in_ap is not None and in_lateral.y0 == in_ap.y0
    assert has_sixth_lumbar(labelled)
    usual = label_levels(*column(1, 7), SHAPE, DetectionConfig())
    assert reconcile_views([usual, lateral, None]) == [usual, lateral, None]
    assert reconcile_views([ap, labelled]) == [ap, labelled], "nothing moves twice"
