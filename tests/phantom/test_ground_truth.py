"""Boxes and outlines of the bodies on a radiograph."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import View
from phantom.ground_truth import body_truth, star_outline
from phantom.subject.pathology import Pathology
from tests.phantom.builders import ANATOMY, stand, wide_view


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (5, {"T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"}),
        (6, {"T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"}),
        (4, {"T11", "T12", "L1", "L2", "L3", "L4"}),
    ],
)
def test_truth_names_what_the_spine_has(count: int, levels: set[str]) -> None:
    pathology = Pathology(lumbar_count=count)
    posture = stand(pathology)
    boxes, outlines = body_truth(ANATOMY, posture, pathology, wide_view(View.AP))
    assert {str(b.level) for b in boxes} == levels
    assert {str(level) for level in outlines} == levels - {"S1"}
    for box in boxes:
        if box.level in outlines:
            line = outlines[box.level]
            assert (line[:, 0] >= box.x0).all() and (line[:, 0] <= box.x1).all()
            assert (line[:, 1] >= box.y0 - 1).all() and (line[:, 1] <= box.y1 + 1).all()


def test_a_star_outline_holds_a_circle() -> None:
    turn = np.random.default_rng(0).uniform(0, 2 * np.pi, 4000)
    line = star_outline(np.stack((50 + 20 * np.cos(turn), 30 + 20 * np.sin(turn)), 1))
    assert np.abs(np.hypot(line[:, 0] - 50, line[:, 1] - 30) - 20).max() < 0.2
