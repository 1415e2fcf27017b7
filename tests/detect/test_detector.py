"""Whole-spine films: small bodies at the foot of a tall image."""

from __future__ import annotations

from dataclasses import replace

import cv2
import pytest

from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, View, iou
from detect.detector import LOWER_PARTS, VertebraDetector
from pipeline.bundle.load import load_bundle
from tests import EXAMPLES


def test_bodies_at_the_foot_of_a_tall_film_are_found_by_looking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study = index_cohort(EXAMPLES).studies[0]
    assert study.ap is not None
    radiograph = read_radiograph(study.ap)
    truth = {box.level: box for box in read_rois(EXAMPLES / "rois.csv")[study.study_uid, View.AP]}
    rows = radiograph.pixels.shape[0]
    small = cv2.resize(radiograph.pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    tall = cv2.copyMakeBorder(small, rows, 0, 0, 0, cv2.BORDER_REPLICATE)
    looks = []
    look = VertebraDetector._look
    monkeypatch.setattr(VertebraDetector, "_look", lambda self, r, top, v: looks.append(top) or look(self, r, top, v))
    detector = VertebraDetector(load_bundle().detector)
    found = detector.detect(replace(radiograph, pixels=tall))
    assert looks == [0, *(int(share * tall.shape[0]) for share in LOWER_PARTS)]
    assert found is not None and not found.missing and found.image_shape == tall.shape
    for level in TARGET_LEVELS:
        x0, y0, x1, y1 = (0.7 * v for v in truth[level].corners)
        assert iou(found.box(level).corners, (x0, y0 + rows, x1, y1 + rows)) > 0.5
    looks.clear()
    detector.detect(radiograph)
    assert looks == [0], "a lumbar film is looked at once"
