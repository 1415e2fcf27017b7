"""Where the vertebrae stand, and what fractures and curves do to them."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.spine import LEVELS, VertebralLevel
from phantom.bones.posture import sample_posture
from phantom.subject.pathology import Deformity, DeformityKind, Pathology
from phantom.subject.population import sample_person
from phantom.variety import Variety
from tests.phantom.builders import ANATOMY, stand


def test_vertebrae_stack_without_touching_and_upwards() -> None:
    for seed in range(6):
        person = sample_person(seed, 1)
        posture = sample_posture(person, Pathology(), ANATOMY, np.random.default_rng(seed), Variety.WIDE)
        centres = np.array([posture.vertebrae[level].centre for level in LEVELS[:8]])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert (np.diff(centres[:, 2]) < 0).all()
        assert ((steps > 18) & (steps < 52)).all()


@pytest.mark.parametrize("kind", list(DeformityKind))
def test_a_fracture_lowers_its_body(kind: DeformityKind) -> None:
    body = VertebralLevel.L2
    whole = stand(Pathology()).vertebrae[body]
    hurt = stand(Pathology(fractures=((body, Deformity(kind, 0.4)),))).vertebrae[body]
    spots = {DeformityKind.WEDGE: (0, -0.95), DeformityKind.BICONCAVE: (0, 0), DeformityKind.CRUSH: (0, 0.5)}
    x, y = spots[kind][0] * whole.half_width, spots[kind][1] * whole.half_depth
    heights = [float(p.height_factor(np.array([x]), np.array([y]))[0]) for p in (whole, hurt)]
    assert heights[1] == pytest.approx(heights[0] - 0.4, abs=0.02)


def test_a_strong_curve_gives_a_large_cobb_angle() -> None:
    straight = [stand(Pathology(), k).cobb_deg for k in range(5)]
    bent = [stand(Pathology(curve_deg=20), k).cobb_deg for k in range(5)]
    assert max(straight) < 6 and min(bent) > 15
