"""DXA against known blocks, and where its errors come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from cohort.bmd import REFERENCES, YOUNG_CHINESE
from cohort.covariates import Sex
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel
from osteolens.errors import ConfigError
from phantom.bones.density import Skeleton
from phantom.bones.placement import Placement
from phantom.bones.posture import Posture
from phantom.dxa import BONE_EDGE_G_CM2, PRECISION, DxaMeasurement, measure_dxa
from phantom.geometry import Volume
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.pathology import BODIES, Pathology
from phantom.xray.physics import mass_attenuation

STEP_Z = 36.0
BODY_MM = (44.0, 30.0, 28.0)


def column() -> Posture:
    """Eight upright boxes of BODY_MM, 36 mm apart, L3 at the origin."""
    width, depth, height = (side / 2 for side in BODY_MM)
    third = BODIES.index(VertebralLevel.L3)
    bodies = {
        body: Placement(
            rotation=np.eye(3),
            centre=np.array([0.0, 0.0, STEP_Z * (third - k)]),
            scale=np.ones(3),
            half_depth=depth,
            half_width=width,
            half_height=height,
        )
        for k, body in enumerate(BODIES)
    }
    pelvis = Placement(rotation=np.eye(3), centre=np.array([0.0, 0, -120.0]), scale=np.ones(3))
    return Posture(vertebrae=bodies, pelvis=pelvis, hips=pelvis, rib_scale=1.0, cobb_deg=0.0)


def bones(densities: dict[VertebralLevel, float], frame: Volume | None = None) -> Skeleton:
    volume = torch.zeros(121, 61, 321)
    owner = torch.full(volume.shape, -1, dtype=torch.int8)
    third = BODIES.index(VertebralLevel.L3)
    for k, body in enumerate(BODIES):
        middle = 160 + round(STEP_Z * (third - k))
        part = (slice(38, 83), slice(15, 45), slice(max(0, middle - 14), middle + 15))
        volume[part] = densities.get(body, 0.0)
        owner[part] = LEVELS.index(body)
    spine = Volume(volume, (-60.0, -30.0, -160.0), 1.0)
    empty = frame or Volume(torch.zeros(2, 2, 2), (0.0, 0.0, 0.0), 2.0)
    return Skeleton(spine=spine, frame=empty, owner=owner, posterior=torch.zeros_like(owner, dtype=torch.bool))


def tissue(fat_beside: float = 0.3) -> SoftTissue:
    """20 cm of soft tissue, 30 % fat over the spine and a given fraction beside it."""
    x = torch.linspace(-200, 200, 101)
    fat = torch.where(x.abs() < 34, 0.3, fat_beside)[:, None, None].expand(-1, 51, 101)
    origin = (-200.0, -100.0, -200.0)
    muscle, adipose = Volume((1 - fat) * 1.05, origin, 4.0), Volume(fat * 0.95, origin, 4.0)
    return SoftTissue(muscle=muscle, adipose=adipose, back_mm=100.0, side_mm=200.0)


def measured(skeleton: Skeleton, soft: SoftTissue | None = None, seed: int = 0) -> DxaMeasurement:
    rng = np.random.default_rng(seed)
    return measure_dxa(skeleton, soft or tissue(), column(), Pathology(), Sex.FEMALE, rng)


EVEN = dict.fromkeys(BODIES, 0.3)


def test_dxa_of_a_known_block() -> None:
    found = [measured(bones(EVEN), seed=k) for k in range(60)]
    values = np.array([d.result.bmd_g_cm2 for d in found])
    block = np.zeros((57, 73))
    block[14:43, 14:59] = 0.3 * 3.0
    seen = ndimage.gaussian_filter(block, 1.0)
    inside = seen > BONE_EDGE_G_CM2
    assert values.mean() == pytest.approx(seen[inside].mean(), rel=0.01)
    assert found[0].true_bmd_g_cm2 == pytest.approx(block[inside].mean(), rel=0.01)
    assert values.std() / values.mean() == pytest.approx(PRECISION, rel=0.3)
    mean, sd = REFERENCES[YOUNG_CHINESE][Sex.FEMALE]
    assert found[0].result.t_score == pytest.approx((values[0] - mean) / sd, abs=0.011)


def test_the_measured_value_is_the_true_one_where_fat_is_even() -> None:
    # bone displaces soft tissue, which costs about one percent, as on a real scanner calibrated with bone in water
    found = [measured(bones(EVEN), seed=k) for k in range(60)]
    ratio = np.mean([d.result.bmd_g_cm2 / d.true_bmd_g_cm2 for d in found if d.result.bmd_g_cm2])
    assert ratio == pytest.approx(0.987, abs=0.01)


def test_more_fat_beside_the_spine_raises_the_result_and_less_lowers_it() -> None:
    low, even, high = (measured(bones(EVEN), tissue(f)).result.bmd_g_cm2 for f in (0.2, 0.3, 0.4))
    assert low is not None and even is not None and high is not None
    assert low < even - 0.02 and high > even + 0.02


def test_levels_are_measured_one_by_one() -> None:
    densities = {**EVEN, VertebralLevel.L2: 0.4}
    found = measured(bones(densities)).result.t_score_by_level
    assert set(found) == set(TARGET_LEVELS)
    assert found[VertebralLevel.L2] > found[VertebralLevel.L1] + 2
    assert found[VertebralLevel.L1] == pytest.approx(found[VertebralLevel.L4], abs=0.2)


def test_bone_outside_l1_to_l4_does_not_count() -> None:
    outside = {**EVEN, VertebralLevel.L5: 0.6, VertebralLevel.T12: 0.6}
    assert measured(bones(outside)).result.bmd_g_cm2 == pytest.approx(measured(bones(EVEN)).result.bmd_g_cm2, abs=0.02)


def test_a_calcified_aorta_before_the_spine_counts() -> None:
    plaque = torch.zeros(20, 10, 40)
    plaque[5:15, 3:6, 5:35] = 0.8
    frame = Volume(plaque, (-20.0, -60.0, -40.0), 2.0)
    plain, calcified = measured(bones(EVEN)).result.bmd_g_cm2, measured(bones(EVEN, frame)).result.bmd_g_cm2
    assert plain is not None and calcified is not None and calcified > plain + 0.01


def test_the_posterior_fraction_is_that_of_the_volume() -> None:
    skeleton = bones(EVEN)
    skeleton.posterior[:, 35:] = True
    assert measured(skeleton).posterior_fraction == pytest.approx(1 / 3, abs=0.01)


def test_six_lumbar_bodies_are_measured_one_place_higher() -> None:
    densities = {**EVEN, VertebralLevel.T12: 0.5, VertebralLevel.L4: 0.1}
    rng = np.random.default_rng(0)
    six = measure_dxa(bones(densities), tissue(), column(), Pathology(lumbar_count=6), Sex.FEMALE, rng).result
    assert six.t_score_by_level[VertebralLevel.L1] > six.t_score_by_level[VertebralLevel.L2] + 3


def test_attenuation_is_interpolated_and_bounded() -> None:
    muscle, adipose, mineral = mass_attenuation(50.0)
    assert muscle == pytest.approx(0.2376 / 1.05, rel=0.02)
    assert adipose == pytest.approx(0.2017 / 0.95, rel=0.02)
    assert mineral == pytest.approx(0.5866, rel=0.02)
    with pytest.raises(ConfigError, match="500 keV is outside"):
        mass_attenuation(500.0)
