"""Bones in a patient's grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from cohort.spine import VertebralLevel
from phantom.bones import canvas
from phantom.bones.anatomy import Bone
from phantom.bones.canvas import _unbent
from phantom.bones.placement import Placement
from phantom.subject.pathology import Deformity, DeformityKind, Osteophyte, Pathology
from tests.phantom.builders import ANATOMY, bones, stand

BENT = Placement(
    rotation=np.eye(3),
    centre=np.zeros(3),
    scale=np.array([1.1, 0.9, 1.0]),
    half_depth=17,
    half_width=23,
    half_height=14,
    wedge=0.3,
    bend=np.random.default_rng(0).normal(0, 0.6, (3, 4)),
)

LINE = np.arange(6, dtype=np.float32)
RAMP = Bone(
    name="ramp", sdf=np.broadcast_to(3 * LINE[:, None, None], (6, 6, 6)).copy(), origin=np.zeros(3), step_mm=2.0
)


def test_a_bent_placement_is_undone_by_the_skeleton() -> None:
    placement, rng = BENT, np.random.default_rng(1)
    source = rng.uniform(-12, 12, (50, 3))
    placed = placement.to_patient(source.copy())
    back = _unbent([torch.tensor(placed[:, k]) for k in range(3)], placement)
    found = np.stack([b.numpy() for b in back], 1) / placement.scale
    assert np.abs(found - source).max() < 0.25


@pytest.mark.parametrize("dish", [0.0, 0.2])
@pytest.mark.parametrize("crush", [0.0, 0.3])
def test_no_two_near_points_come_farther_apart_than_the_bound(dish: float, crush: float) -> None:
    placement = replace(BENT, dish=dish, crush=crush, wedge=0.1)
    rng = np.random.default_rng(0)
    points, steps = rng.uniform(-30, 30, (4000, 3)), rng.normal(0, 0.5, (4000, 3))
    here, there = (_unbent([torch.tensor(p[:, k]) for k in range(3)], placement) for p in (points, points + steps))
    apart = np.linalg.norm([(b - a).numpy() for a, b in zip(here, there, strict=True)], axis=0)
    ratio = apart / np.linalg.norm(steps, axis=1)
    assert 1.05 < ratio.max() <= placement.greatest_stretch


def test_no_distance_changes_faster_than_the_bound() -> None:
    rng = np.random.default_rng(0)
    for bone in (ANATOMY.vertebrae[VertebralLevel.L3].bone, ANATOMY.pelvis.bones[0], RAMP):
        size = np.array(bone.sdf.shape) - 1
        first = rng.uniform(0, 1, (3000, 3)) * size
        second = np.clip(first + rng.normal(0, 0.4, (3000, 3)), 0, size)
        change = ndimage.map_coordinates(bone.sdf, second.T, order=1) - ndimage.map_coordinates(
            bone.sdf, first.T, order=1
        )
        steepness = np.abs(change) / (np.linalg.norm(second - first, axis=1) * bone.step_mm)
        assert steepness.max() <= bone.steepest * (1 + 1e-4)
    assert RAMP.steepest == pytest.approx(1.5, rel=1e-5)


def test_blocks_that_no_bone_reaches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pathology = Pathology(
        fractures=((VertebralLevel.L2, Deformity(DeformityKind.CRUSH, 0.4)),),
        osteophytes=(Osteophyte(VertebralLevel.L4, 1, 90.0, 9.0),),
    )
    posture = stand(pathology)
    quick, counts = bones(pathology, posture), list[tuple[int, int]]()
    reached = canvas._reached

    def all_blocks(
        bone: Bone, placement: Placement, middles: list[torch.Tensor], *rest: float, bends: bool
    ) -> torch.Tensor:
        every = torch.nonzero(torch.ones([len(line) for line in middles]))
        counts.append((len(reached(bone, placement, middles, *rest, bends=bends)), len(every)))
        return every

    monkeypatch.setattr(canvas, "_reached", all_blocks)
    slow = bones(pathology, posture)
    assert quick.spine.density.equal(slow.spine.density) and quick.frame.density.equal(slow.frame.density)
    assert quick.owner.equal(slow.owner) and quick.posterior.equal(slow.posterior)
    few, every = np.sum(counts, 0)
    assert few < 0.8 * every
