"""Whole-spine radiographs: small bodies at the foot of a tall image."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, SpineDetection, View, iou
from cohort.study import Radiograph
from detect.detector import LOWER_PARTS, VertebraDetector, fused
from pipeline.bundle.load import Bundle
from tests import EXAMPLES


def test_bodies_at_the_foot_of_a_tall_radiograph_are_found_in_its_lower_parts(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = index_cohort(EXAMPLES).studies[0]
    assert study.ap is not None
    radiograph = read_radiograph(study.ap)
    truth = {box.level: box for box in read_rois(EXAMPLES / "rois.csv")[study.study_uid, View.AP]}
    rows = radiograph.pixels.shape[0]
    small = cv2.resize(radiograph.pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    tall = cv2.copyMakeBorder(small, rows, 0, 0, 0, cv2.BORDER_REPLICATE)
    looks: list[int] = []
    detect_below = VertebraDetector._detect_below

    def counted(self: VertebraDetector, shown: Radiograph, top: int, view: View | None) -> SpineDetection | None:
        looks.append(top)
        return detect_below(self, shown, top, view)

    monkeypatch.setattr(VertebraDetector, "_detect_below", counted)
    detector = VertebraDetector(bundle.detector)
    found = detector.detect(replace(radiograph, pixels=tall))
    assert looks == [0, *(int(share * tall.shape[0]) for share in LOWER_PARTS)]
    assert found is not None and not found.missing and found.image_shape == tall.shape
    for level in TARGET_LEVELS:
        x0, y0, x1, y1 = (0.7 * v for v in truth[level].corners)
        box = found.box(level)
        assert box is not None and iou(box.corners, (x0, y0 + rows, x1, y1 + rows)) > 0.5
    looks.clear()
    detector.detect(radiograph)
    assert looks == [0], "the detector sees a lumbar radiograph once"


def test_of_two_boxes_of_a_body_neither_is_taken_alone() -> None:
    """Which of two nearly equal candidates is the stronger by a hair does not move the box."""
    corners = np.array([[10, 10, 50, 40], [12, 10, 52, 40], [10, 60, 50, 90], [20, 60, 70, 90]], float)
    first, second = (fused(corners, np.array([a, b, 0.9, 0.5]), corners[[k, 2]]) for a, b, k in _near_ties())
    assert np.abs(first - second).max() < 0.5, "of two pixels between them"
    np.testing.assert_allclose(first[0], (11, 10, 51, 40), atol=0.3)
    np.testing.assert_allclose(first[1], corners[2], err_msg="another box overlaps it by less than SAME_BODY_IOU")


def _near_ties() -> list[tuple[float, float, int]]:
    """Strengths of the first two boxes, and which of them non-maximum suppression leaves."""
    return [(0.801, 0.8, 0), (0.8, 0.801, 1)]
