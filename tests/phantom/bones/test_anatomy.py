"""Vertebrae and their frames found in bones."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import VertebralLevel
from osteolens.errors import AnatomyError
from phantom.bones.anatomy import Bone, vertebra_from_bone
from phantom.bones.builtin import procedural_anatomy


def test_a_tilted_vertebra_is_found_upright_in_its_own_frame() -> None:
    upright = procedural_anatomy().vertebrae[VertebralLevel.L3].bone
    plain = Bone(name="L3", sdf=upright.sdf, origin=upright.origin, step_mm=upright.step_mm)
    found = vertebra_from_bone(plain)
    assert np.allclose(found.bone.axes, np.eye(3), atol=0.08)
    assert np.abs(found.bone.centre).max() < 2.5


def test_a_block_without_a_body_is_refused() -> None:
    with pytest.raises(AnatomyError, match="encloses no volume"):
        vertebra_from_bone(Bone(name="nothing", sdf=np.ones((9, 9, 9), np.float32), origin=np.zeros(3), step_mm=1.0))
