"""The letterbox of the detector; that of the classifier's crops lies between pixels (classify/preprocess.py)."""

from __future__ import annotations

import numpy as np
import pytest

from osteolens.letterbox import Letterbox


@pytest.mark.parametrize(
    ("shape", "side", "place"),
    [
        ((200, 50), 128, Letterbox(top=0, left=48, height=128, width=32)),
        ((50, 200), 128, Letterbox(top=48, left=0, height=32, width=128)),
        ((64, 64), 128, Letterbox(top=0, left=0, height=128, width=128)),
        ((301, 100), 100, Letterbox(top=0, left=33, height=100, width=33)),
        ((3000, 2), 96, Letterbox(top=0, left=47, height=96, width=1)),
    ],
)
def test_the_longer_side_fills_the_square(shape: tuple[int, int], side: int, place: Letterbox) -> None:
    assert Letterbox.of(shape, side) == place


@pytest.mark.parametrize("shape", [(300, 120), (120, 300), (64, 64), (1000, 3), (50, 40)])
def test_the_image_lies_in_the_middle(shape: tuple[int, int]) -> None:
    place, square = Letterbox.of(shape, 96), np.zeros((96, 96), np.uint8)
    image = place.resized(np.ones(shape, np.float32))
    assert max(image.shape) == 96 and min(image.shape) >= 1
    place.inside(square)[:] = 200
    assert (square == 200).sum() == image.size and place.inside(square).shape == image.shape
    rows, columns = np.nonzero(square)
    assert abs(rows.min() - (95 - rows.max())) <= 1 and abs(columns.min() - (95 - columns.max())) <= 1


def test_shrinking_averages_and_growing_interpolates() -> None:
    checks = np.indices((8, 8)).sum(0).astype(np.float32) % 2
    assert np.array_equal(Letterbox.of(checks.shape, 4).resized(checks), np.full((4, 4), 0.5, np.float32))
    ramp = np.tile(np.array([0, 1], np.float32), (2, 1))
    assert Letterbox.of(ramp.shape, 4).resized(ramp)[0].tolist() == [0.0, 0.25, 0.75, 1.0]
