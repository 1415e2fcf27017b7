"""The paper's ROI rule against geometry."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.roi_rule import roi_boxes
from cohort.spine import VertebralLevel


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


L1, L2, L4 = VertebralLevel.L1, VertebralLevel.L2, VertebralLevel.L4


def test_top_and_bottom_lie_in_the_middle_of_the_disc() -> None:
    upper, lower = roi_boxes({L1: rectangle(100, 100, 160, 150), L2: rectangle(102, 162, 164, 214)}, (0.5, 0.5))
    assert upper.y1 == pytest.approx(156)
    assert lower.y0 == pytest.approx(156)


def test_sides_lie_within_two_millimetres_of_the_body() -> None:
    for spacing in (0.15, 0.6):
        (box,) = roi_boxes({L1: rectangle(100, 100, 160, 150)}, (spacing, spacing))
        assert 0 <= (100 - box.x0) * spacing <= 2
        assert 0 <= (box.x1 - 160) * spacing <= 2


def test_without_spacing_the_margin_is_relative() -> None:
    (box,) = roi_boxes({L1: rectangle(100, 100, 160, 150)}, None)
    assert 100 - box.x0 == pytest.approx(0.022 * 60)


def test_a_tilted_body_stays_inside_its_box() -> None:
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (rectangle(-30, -22, 30, 22) @ turn.T) + 200
    below = rectangle(170, 235, 230, 280)
    box = roi_boxes({L1: corners, L2: below}, (0.5, 0.5))[0]
    assert box.x0 <= corners[:, 0].min() and box.x1 >= corners[:, 0].max()
    assert box.y0 <= corners[:, 1].min() and box.y1 >= corners[:, 1].max()


def test_levels_that_are_not_neighbours_share_no_disc() -> None:
    boxes = roi_boxes({L1: rectangle(0, 0, 60, 50), L4: rectangle(0, 200, 60, 250)}, (0.5, 0.5))
    assert boxes[0].y1 == pytest.approx(50 + 0.08 * 50)


def test_points_inside_the_outline_change_nothing() -> None:
    body = rectangle(0, 0, 60, 50)
    dense = np.concatenate((body, np.random.default_rng(0).uniform(5, 45, (50, 2))))
    assert roi_boxes({L1: body}, None) == roi_boxes({L1: dense}, None)
