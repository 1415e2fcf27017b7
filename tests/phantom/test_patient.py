"""One simulated patient: bits, truth and DXA."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel, View
from phantom.patient import SimulatedPatient
from phantom.subject.population import sample_person
from tests.phantom.builders import simulated


def test_one_seed_gives_the_same_bits(patient: SimulatedPatient) -> None:
    again = simulated(sample_person(1, 5))
    for view in View:
        np.testing.assert_array_equal(again.images[view].stored, patient.images[view].stored)
    assert again.dxa == patient.dxa


def test_truth_boxes_lie_on_bone(patient: SimulatedPatient) -> None:
    for image in patient.images.values():
        levels = [box.level for box in image.boxes]
        assert levels == sorted(levels, key=LEVELS.index)
        assert set(TARGET_LEVELS) <= set(levels)
        tops = [box.y0 for box in image.boxes]
        assert tops == sorted(tops)
    image, brighter = patient.images[View.AP], 0
    for box in (b for b in image.boxes if b.level in TARGET_LEVELS):
        wide = int(box.x1 - box.x0)
        rows = slice(int(box.y0), int(box.y1))
        inside = np.median(image.stored[rows, int(box.x0) : int(box.x1)])
        left = np.median(image.stored[rows, max(0, int(box.x0) - wide) : int(box.x0)])
        right = np.median(image.stored[rows, int(box.x1) : int(box.x1) + wide])
        brighter += bool(inside > min(left, right))
    assert brighter >= 3, "bowel gas may darken one of the four"


def test_denser_bone_has_a_higher_t_score_and_shows_brighter() -> None:
    person = sample_person(1, 5)
    low, high = (simulated(replace(person, vbmd_mg_cm3=v), 1.5) for v in (50.0, 200.0))
    assert high.dxa.result.t_score is not None and low.dxa.result.t_score is not None
    assert high.dxa.result.t_score > low.dxa.result.t_score + 2
    contrast = []
    for one in (low, high):
        box = next(b for b in one.images[View.LATERAL].boxes if b.level is VertebralLevel.L3)
        rows = slice(int(box.y0) + 6, int(box.y1) - 6)
        stored = one.images[View.LATERAL].stored.astype(float)
        body = stored[rows, int(box.x0) + 4 : int(box.x1) - 4].mean()
        front = stored[rows, int(box.x0) - 14 : int(box.x0) - 4].mean()
        contrast.append(body - front)
    assert contrast[1] > contrast[0]
