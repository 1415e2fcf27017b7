"""Augmentation, labels and the letterbox."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import VertebraBox, VertebralLevel, View
from detect.augment import augment, move_boxes
from detect.config import CLASSES
from detect.dataset import label_lines
from detect.letterbox import detector_input


def test_the_letterbox_and_its_matrix_agree() -> None:
    image = np.zeros((300, 120), np.float32)
    image[100:160, 30:70] = 1
    small, matrix = detector_input(image, 150)
    (box,) = move_boxes(np.array([[30.0, 100, 70, 160]]), matrix)
    bright = np.argwhere(small > 127)
    assert bright.min(0) == pytest.approx([box[1], box[0]], abs=1)
    assert bright.max(0) + 1 == pytest.approx([box[3], box[2]], abs=1)


def test_a_flat_image_does_not_divide_by_zero() -> None:
    assert detector_input(np.full((50, 50), 0.5, np.float32), 64)[0].max() == 0


def test_boxes_follow_their_bodies_through_augmentation() -> None:
    image = np.full((400, 240), 0.1, np.float32)
    image[150:200, 100:150] = 0.95
    boxes = np.array([[100.0, 150, 150, 200]])
    hits = 0
    for seed in range(40):
        out, moved = augment(image, boxes, 256, np.random.default_rng(seed))
        x0, y0, x1, y1 = np.clip(moved[0], 0, 256).astype(int)
        if x1 - x0 < 8 or y1 - y0 < 8:
            continue
        inside = out[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].astype(float)
        ring = out[max(y0 - 8, 0) : y1 + 8, max(x0 - 8, 0) : x1 + 8].astype(float)
        hits += abs(inside.mean() - ring.mean()) > 5
    assert hits >= 30


def test_augmentation_repeats_with_its_seed() -> None:
    image = np.random.default_rng(0).random((100, 80)).astype(np.float32)
    boxes = np.array([[20.0, 30, 50, 60]])
    first, second = (augment(image, boxes, 64, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], augment(image, boxes, 64, np.random.default_rng(6))[0])


def test_labels_carry_view_and_level_and_drop_what_is_cut_off() -> None:
    boxes = [VertebraBox(VertebralLevel.L1, 0, 0, 1, 1), VertebraBox(VertebralLevel.L2, 0, 0, 1, 1)]
    corners = np.array([[10.0, 10, 30, 30], [90, 90, 130, 130]])
    (line,) = label_lines(boxes, corners, View.LATERAL, 100)
    cells = line.split()
    assert CLASSES[int(cells[0])] == (View.LATERAL, VertebralLevel.L1)
    assert [float(c) for c in cells[1:]] == pytest.approx([0.2, 0.2, 0.2, 0.2])
