"""Bones into density."""

from __future__ import annotations

import numpy as np
import torch

from cohort.spine import LEVELS, VertebralLevel
from phantom.bones.density import UNNAMED, _unbent
from phantom.bones.placement import Placement
from phantom.subject.pathology import BODIES, Pathology
from tests.phantom.builders import bones, plain_bones, stand


def test_a_bent_placement_is_undone_by_the_skeleton() -> None:
    rng = np.random.default_rng(0)
    placement = Placement(
        rotation=np.eye(3),
        centre=np.zeros(3),
        scale=np.array([1.1, 0.9, 1.0]),
        half_depth=17,
        half_width=23,
        half_height=14,
        wedge=0.3,
        bend=rng.normal(0, 0.6, (3, 4)),
    )
    source = rng.uniform(-12, 12, (50, 3))
    placed = placement.to_patient(source.copy())
    back = _unbent([torch.tensor(placed[:, k]) for k in range(3)], placement)
    found = np.stack([b.numpy() for b in back], 1) / placement.scale
    assert np.abs(found - source).max() < 0.25


def test_six_lumbar_bodies_move_the_names_and_four_leave_l5_out() -> None:
    six, four = Pathology(lumbar_count=6), Pathology(lumbar_count=4, sacralised=1.0)
    assert [six.name_of(b) for b in BODIES] == [*BODIES[1:], None]
    assert four.name_of(VertebralLevel.L5) is None and four.name_of(VertebralLevel.L4) is VertebralLevel.L4
    assert [str(b) for b in six.target_bodies] == ["T12", "L1", "L2", "L3"]
    skeleton = bones(six)
    assert (skeleton.owner == UNNAMED).any() and not (skeleton.owner == LEVELS.index(VertebralLevel.T10)).any()


def test_ribs_go_with_a_sixth_lumbar_vertebra() -> None:
    posture = stand(Pathology())
    five, six = plain_bones().frame.density.sum(), bones(Pathology(lumbar_count=6), posture).frame.density.sum()
    assert six < five
