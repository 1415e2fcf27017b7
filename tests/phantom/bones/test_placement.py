"""From a bone's own frame to the patient."""

from __future__ import annotations

import numpy as np
import pytest

from phantom.bones.placement import Placement


def test_placement_forward_and_height_factor_agree() -> None:
    placement = Placement(
        rotation=np.eye(3),
        centre=np.array([1.0, 2, 3]),
        scale=np.array([1.1, 1.0, 0.9]),
        half_depth=17,
        half_width=23,
        half_height=14,
        wedge=0.3,
    )
    front, back = placement.to_patient(np.array([[0.0, -17, 10], [0.0, 17, 10]]))
    assert front[2] - 3 == pytest.approx(9 * 0.7) and back[2] - 3 == pytest.approx(9.0)
