"""One scale for every film."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from detect.scale import BODY_PX, at_body_scale, body_width


def film(times: float) -> tuple[np.ndarray, SpineDetection]:
    """Bodies 96 px wide on noise-free tissue, drawn at a multiple of that size."""
    pixels = np.full((700, 500), 0.2, np.float32)
    boxes = [VertebraBox(level, 200, 100 + 110 * k, 296, 180 + 110 * k) for k, level in enumerate(TARGET_LEVELS)]
    for box in boxes:
        cv2.rectangle(pixels, (int(box.x0), int(box.y0)), (int(box.x1), int(box.y1)), 0.8, -1)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    large = cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    scaled = tuple(VertebraBox(b.level, *(times * v for v in b.corners)) for b in boxes)
    return large, SpineDetection(View.LATERAL, scaled, large.shape)


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 7.3])
def test_bodies_have_one_width_and_points_go_back_to_where_they_were(times: float) -> None:
    pixels, detection = film(times)
    seen = at_body_scale(pixels, detection)
    assert body_width(seen.detection.boxes) == pytest.approx(BODY_PX, rel=0.01)
    reference = at_body_scale(*film(1.0)).pixels
    assert seen.pixels.shape == pytest.approx(reference.shape, abs=3)
    rows, columns = (min(a, b) for a, b in zip(seen.pixels.shape, reference.shape, strict=True))
    assert np.abs(seen.pixels[:rows, :columns] - reference[:rows, :columns]).mean() < 0.02
    for box, original in zip(seen.detection.boxes, detection.boxes, strict=True):
        back = seen.to_radiograph(np.array([[box.x0, box.y0], [box.x1, box.y1]]))
        assert back.ravel() == pytest.approx(original.corners, abs=1e-6)


def test_only_the_column_is_read_and_the_border_ends_it() -> None:
    pixels, detection = film(2.0)
    seen = at_body_scale(pixels, detection, around=0.5)
    assert seen.pixels.shape[1] == pytest.approx(2 * BODY_PX, abs=2)
    assert seen.detection.image_shape == seen.pixels.shape
    edge = SpineDetection(View.AP, (VertebraBox(TARGET_LEVELS[0], -5, -5, 60, 60),), pixels.shape)
    assert at_body_scale(pixels, edge).pixels.size > 0
