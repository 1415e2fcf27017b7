"""Labels stand beside their boxes: over no box, over no other label, within the picture."""

from __future__ import annotations

from itertools import combinations

import pytest

from pipeline.screening.output.labels import Corners, Label, Plate, place

LEVELS = ("L1", "L2", "L3", "L4")


def label(name: str, box: Corners, *details: str, size_px: int = 20) -> Label:
    return Label(name=name, details=details, colour="#56b4e9", size_px=size_px, is_used=not details, box=box)


def column(x0: float, x1: float, tall: float, *details: str, top: float = 0) -> list[Label]:
    """Labels of four boxes one below the other."""
    return [label(name, (x0, top + k * tall, x1, top + (k + 1) * tall), *details) for k, name in enumerate(LEVELS)]


def meet(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def check(labels: list[Label], plates: list[Plate], width: int, height: int) -> None:
    """What holds wherever boxes lie."""
    assert {plate.label.name for plate in plates} == {own.name for own in labels}
    for plate in plates:
        x0, y0, x1, y1 = plate.corners
        assert x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height
        assert not any(meet(plate.corners, own.box) for own in labels)
    assert not any(meet(one.corners, other.corners) for one, other in combinations(plates, 2))


@pytest.mark.parametrize("details", [(), ("low confidence",), ("fracture? grade 2", "fracture?")])
@pytest.mark.parametrize(
    ("x0", "x1", "width", "height"),
    [(200, 260, 500, 400), (2, 60, 500, 400), (440, 498, 500, 400), (50, 90, 120, 400), (2, 98, 100, 400)],
    ids=["middle", "left edge", "right edge", "little room", "no room"],
)
def test_labels_cover_nothing(x0: float, x1: float, width: int, height: int, details: tuple[str, ...]) -> None:
    labels = column(x0, x1, 90, *details)
    plates, whole = place(labels, width, height)
    check(labels, plates, whole, height)
    assert (whole > width) == (x0 == 2 and x1 == 98)


def test_labels_of_low_boxes_give_way_to_each_other() -> None:
    labels = column(250, 280, 24, "suspected fracture", top=40)
    plates, whole = place(labels, 600, 200)
    check(labels, plates, whole, 200)


def test_the_left_side_comes_first_and_the_reason_goes_before_the_side() -> None:
    (plain,), _ = place([label("L1", (200, 100, 260, 180))], 500, 400)
    assert plain.corners[2] < 200 and abs(sum(plain.corners[1::2]) / 2 - 140) < 1
    (right,), _ = place([label("L1", (100, 100, 160, 180), "low confidence")], 500, 400)
    assert right.corners[0] > 160 and right.detail == "low confidence"
    (shorter,), _ = place([label("L1", (130, 100, 160, 180), "fracture? grade 2", "fracture?")], 260, 400)
    assert shorter.corners[2] < 130 and shorter.detail == "fracture?"
    (short,), _ = place([label("L1", (100, 100, 160, 180), "low confidence")], 260, 400)
    assert short.corners[2] < 100 and short.detail == ""


def test_a_label_in_the_margin_is_joined_to_its_box() -> None:
    labels = column(1, 99, 30)
    plates, whole = place(labels, 100, 120)
    assert all(plate.has_line and plate.corners[0] > 100 for plate in plates)
    check(labels, plates, whole, 120)
