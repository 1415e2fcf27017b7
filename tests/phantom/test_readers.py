"""The simulated readers."""

from __future__ import annotations

import numpy as np

from cohort.spine import TARGET_LEVELS, VertebraBox, VertebralLevel, View, iou
from phantom.readers import READERS, sample_reader_rois


def test_six_readers_overlap_by_a_little_more_than_ninety_percent() -> None:
    boxes = [
        VertebraBox(level, 100, 60 + 62 * k, 182, 122 + 62 * k)
        for k, level in enumerate((VertebralLevel.T12, *TARGET_LEVELS))
    ]
    overlaps = []
    for seed in range(100):
        readers = sample_reader_rois(boxes, View.AP, 0.6, seed)
        assert len(readers) == READERS
        assert all([b.level for b in rois] == list(TARGET_LEVELS) for rois in readers.values())
        sides = list(readers.values())
        overlaps += [
            iou(a.corners, b.corners)
            for k, one in enumerate(sides)
            for other in sides[:k]
            for a, b in zip(one, other, strict=True)
        ]
    assert 0.90 < np.mean(overlaps) < 0.94
    assert sample_reader_rois(boxes, View.AP, 0.6, 1) == sample_reader_rois(boxes, View.AP, 0.6, 1)
    assert sample_reader_rois(boxes, View.AP, 0.6, 1) != sample_reader_rois(boxes, View.LATERAL, 0.6, 1)
