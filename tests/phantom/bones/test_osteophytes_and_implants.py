"""Mineral and metal beside the plain bones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cohort.spine import VertebralLevel
from phantom.bones.osteophytes_and_implants import osteophyte_bones
from phantom.subject.pathology import Implant, Osteophyte, Pathology, Plaque
from tests.phantom.builders import bones, plain_bones, stand


def test_screws_and_cement_are_metal_beside_the_bone_and_none_is_none() -> None:
    assert plain_bones().implants is None
    for kind, at_least in ((Implant.SCREWS, 8.0), (Implant.CEMENT, 2.0)):
        found = bones(Pathology(implant=kind, implant_bodies=(VertebralLevel.L3, VertebralLevel.L4))).implants
        assert found is not None and float(found.density.max()) > at_least


def test_osteophytes_add_bone_outside_the_rim() -> None:
    posture = stand(Pathology())
    spur = Osteophyte(VertebralLevel.L3, 1, 90.0, 9.0)
    plain, grown = plain_bones(), bones(Pathology(osteophytes=(spur,)), posture)
    assert float(grown.spine.density.sum()) > float(plain.spine.density.sum())
    placement = posture.vertebrae[VertebralLevel.L3]
    one = osteophyte_bones(Pathology(osteophytes=(spur,)), VertebralLevel.L3, (46, 34, 28), placement)[0]
    inside = one.origin + np.argwhere(one.sdf < 0)
    assert inside[:, 0].max() > 23 * placement.scale[0] + 2


def test_plaques_lie_before_the_spine() -> None:
    posture = stand(Pathology())
    plaque = Plaque(z_mm=0.0, angle_deg=90.0, length_mm=15.0, width_mm=8.0, g_cm3=0.8)
    plain, calcified = plain_bones().frame, bones(Pathology(plaques=(plaque,)), posture).frame
    added = (calcified.density - plain.density).nonzero().float().mean(0) * 2 + torch.tensor(plain.origin_mm)
    front = posture.vertebrae[VertebralLevel.L3].centre[1] - posture.vertebrae[VertebralLevel.L3].half_depth
    assert float(added[1]) < front and float(added[2]) == pytest.approx(0, abs=3)
