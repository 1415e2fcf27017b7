"""Heights, tilts and curves of bodies whose shape is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from cohort.spine import TARGET_LEVELS, VertebralLevel
from detect.config import DetectionConfig
from detect.fractures import lost_height, vertebra_findings
from detect.morphometry import body_heights, cobb_angle, endplates
from detect.segmenter import SegmentedBody

Points = npt.NDArray[np.float64]
L1, L2, L3, L4 = TARGET_LEVELS


def body(left: float = 30.0, right: float = 30.0, wide: float = 40.0, turn_deg: float = 0.0, at: float = 0.0) -> Points:
    """A body with straight endplates, heights at its left and right walls, turned about its centre."""
    x = np.linspace(-wide / 2, wide / 2, 41)
    half = (left + (right - left) * (x + wide / 2) / wide) / 2
    points = np.concatenate((np.c_[x, -half], np.c_[x[::-1], half[::-1]]))
    turn = np.radians(turn_deg)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(points @ rotation + (100.0, 100.0 + at), np.float64)


def column(**odd: Points) -> dict[VertebralLevel, Points | None]:
    return {level: odd.get(level.value, body(at=40.0 * k)) for k, level in enumerate(TARGET_LEVELS)}


@pytest.mark.parametrize("turn_deg", [-25, -8, 0, 8, 25])
def test_heights_do_not_depend_on_the_tilt_of_a_body(turn_deg: float) -> None:
    plates = endplates(body(30, 20, turn_deg=turn_deg))
    assert plates is not None
    front, middle, back = plates.heights(True)
    assert (front, middle, back) == pytest.approx((28.2, 25, 22.2), abs=0.8)
    assert (plates.upper_deg + plates.lower_deg) / 2 == pytest.approx(turn_deg, abs=0.5)
    assert plates.upper_deg - plates.lower_deg == pytest.approx(2 * np.degrees(np.arctan(5 / 40)), abs=0.5)


def test_an_outline_on_its_side_has_no_endplates() -> None:
    assert endplates(np.array([[0.0, 0], [1, 0], [1, 100], [0, 100]])) is not None
    assert endplates(body(turn_deg=75)) is None or abs(endplates(body(turn_deg=75)).upper_deg) < 60  # type: ignore[union-attr]


@pytest.mark.parametrize("anterior_left", [True, False])
def test_a_wedge_is_lower_in_front_whichever_way_it_faces(anterior_left: bool) -> None:
    low, high = (18, 30) if anterior_left else (30, 18)
    found = body_heights(column(L2=body(low, high, at=40)), anterior_left)
    assert found[L2].anterior < found[L2].middle < found[L2].posterior
    assert found[L2].wedge == pytest.approx(0.263, abs=0.01)
    assert abs(found[L3].wedge) < 0.01 and found[L1].biconcave == pytest.approx(0, abs=0.01)


def test_a_crushed_body_is_lower_than_its_neighbours_and_a_sunken_one_in_its_middle() -> None:
    found = body_heights(column(L3=body(18, 18, at=80)), True)
    assert found[L3].crush == pytest.approx(0.4, abs=0.02) and found[L3].wedge == pytest.approx(0, abs=0.01)
    x = np.linspace(-20, 20, 41)
    half = 15 - 4 * np.cos(np.pi * x / 40)
    sunken = np.concatenate((np.c_[x, -half], np.c_[x[::-1], half[::-1]])) + np.array((100.0, 140.0))
    assert body_heights(column(L2=sunken), True)[L2].biconcave > 0.1


def chain(tilts: Sequence[float], odd: float | None = None) -> dict[VertebralLevel, Points | None]:
    """Bodies along a line that they stand across; the last one tilted otherwise where asked."""
    x, found = 0.0, {}
    for k, (level, tilt) in enumerate(zip(TARGET_LEVELS, tilts, strict=True)):
        own = tilt if odd is None or k < 3 else odd
        found[level] = body(turn_deg=own, at=40.0 * k) + np.array((x, 0.0))
        x -= 40 * np.tan(np.radians(tilt))
    return found


def test_a_cobb_angle_is_the_largest_between_two_bodies() -> None:
    curve = cobb_angle(chain((-10, -10, 10, 10)))
    assert curve is not None and curve.degrees == pytest.approx(20, abs=0.5)
    assert curve.upper in (L1, L2) and curve.lower in (L3, L4)
    again = cobb_angle(chain((-10, -10, 10, 10), odd=25))
    assert again is not None and again.degrees == pytest.approx(25, abs=0.5), "an endplate counts a third, centres two"
    assert cobb_angle({L1: body(), L2: body(at=40.0), L3: None}) is None


def seen(outline: Points | None, loss: float) -> SegmentedBody:
    return SegmentedBody(outline=outline, height_loss=loss, body=1.0, lateral=1.0, anterior_left=1.0)


def test_outline_and_learned_loss_decide_together() -> None:
    outlines = column(L2=body(16, 30, at=40))
    bodies = {level: seen(outline, 0.02) for level, outline in outlines.items()}
    found = vertebra_findings(bodies, True, DetectionConfig())
    assert not found[L2].suspected, "a learned loss of nothing beside a wedge is not enough"
    bodies[L2] = replace(bodies[L2], height_loss=0.3)
    found = vertebra_findings(bodies, True, DetectionConfig())
    assert found[L2].suspected and found[L2].genant_grade >= 2 and found[L2].confidence > 0.9
    assert not any(found[level].suspected for level in (L1, L3, L4))
    assert vertebra_findings({L2: seen(None, 0.9)}, True, DetectionConfig()) == {}


def test_what_a_film_raises_in_every_body_is_no_fracture() -> None:
    bodies = {level: seen(outline, 0.35) for level, outline in column().items()}
    assert not any(own.suspected for own in vertebra_findings(bodies, True, DetectionConfig()).values())
    bodies[L3] = replace(bodies[L3], height_loss=0.6)
    found = vertebra_findings(bodies, True, DetectionConfig())
    assert [level for level, own in found.items() if own.suspected] == [L3]


def test_an_outline_that_no_body_has_is_not_believed() -> None:
    x = np.linspace(-20, 20, 41)
    half = 8 + 8 * np.cos(np.pi * x / 40)
    bulging = np.concatenate((np.c_[x, -half], np.c_[x[::-1], half[::-1]])) + np.array((100.0, 140.0))
    heights = body_heights(column(L2=bulging), True)[L2]
    assert heights.biconcave < -0.12
    assert lost_height(L2, heights, {L1: 0.0, L2: 0.1, L3: 0.0}) == pytest.approx(0.1)
