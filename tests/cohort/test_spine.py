"""Boxes and their overlap."""

from __future__ import annotations

import pytest

from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View, iou


def test_iou_is_the_papers_overlap_rate() -> None:
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert iou((1, 2, 3, 4), (1, 2, 3, 4)) == 1


def test_an_empty_box_is_refused_with_its_level() -> None:
    with pytest.raises(ValueError, match="box of L2"):
        VertebraBox(VertebralLevel.L2, 5, 0, 5, 10)


def test_missing_names_what_lacks_of_l1_to_l4() -> None:
    boxes = tuple(VertebraBox(level, 0, 0, 1, 1) for level in (VertebralLevel.L1, VertebralLevel.L4))
    assert SpineDetection(View.AP, boxes, (9, 9)).missing == (VertebralLevel.L2, VertebralLevel.L3)


def test_a_box_knows_its_size_and_centre() -> None:
    box = VertebraBox(VertebralLevel.L2, 10, 20, 40, 30)
    assert (box.width, box.height, box.centre) == (30, 10, (25, 25))


@pytest.mark.parametrize(
    ("corners", "inside", "corners_inside"),
    [
        ((10, 10, 20, 20), 1.0, (10, 10, 20, 20)),
        ((-5, 10, 5, 20), 0.5, (0, 10, 5, 20)),
        ((95, 40, 105, 60), 0.25, (95, 40, 100, 50)),
        ((100, 10, 120, 20), 0.0, None),
        ((200, 300, 220, 320), 0.0, None),
    ],
)
def test_the_part_inside_an_image_of_rows_and_columns(
    corners: tuple[float, ...], inside: float, corners_inside: tuple[float, ...] | None
) -> None:
    box = VertebraBox(VertebralLevel.L2, *corners)
    clipped = box.clipped((50, 100))
    assert box.fraction_inside((50, 100)) == inside
    assert (None if clipped is None else clipped.corners) == corners_inside
