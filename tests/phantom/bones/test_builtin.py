"""The built-in anatomy."""

from __future__ import annotations

import pytest

from phantom.bones.builtin import BODY_MM, procedural_anatomy


def test_the_built_in_bodies_have_their_sizes() -> None:
    for level, vertebra in procedural_anatomy().vertebrae.items():
        width, depth, height = BODY_MM[level]
        assert vertebra.size_mm[0] == pytest.approx(width, rel=0.08)
        assert vertebra.size_mm[1] == pytest.approx(depth, rel=0.18)
        assert vertebra.size_mm[2] == pytest.approx(height, rel=0.18)
