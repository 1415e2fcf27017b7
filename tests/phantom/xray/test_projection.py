"""Projection against analytic values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cohort.spine import View
from phantom.geometry import Volume
from phantom.xray.projection import project
from tests.phantom.builders import sphere, view_geometry


@pytest.mark.parametrize("view", list(View))
def test_a_sphere_projects_to_its_chord(view: View) -> None:
    shown = project(sphere(40, 1.5), view_geometry(view))
    assert float(shown[40, 40]) == pytest.approx(1.5 * 8.0, rel=0.01)
    u = 20.0
    distance_from_axis = u * 1000 / np.hypot(1150, u)
    chord = 2 * np.sqrt(40**2 - distance_from_axis**2) / 10
    assert float(shown[40, 50]) == pytest.approx(1.5 * chord, rel=0.02)
    assert float(shown[40, 70]) == 0


def test_a_slab_gives_its_thickness_along_slanted_rays() -> None:
    density = torch.ones(200, 30, 200)
    volume = Volume(density, (-199.0, -29.0, -199.0), 2.0)
    shown = project(volume, view_geometry(View.AP, 81, 2.0))
    slant = np.sqrt(1 + (80.0**2) / 1150**2)
    assert float(shown[40, 40]) == pytest.approx(6.0, rel=1e-4)
    assert float(shown[40, 80]) == pytest.approx(6.0 * slant, rel=1e-4)


@pytest.mark.parametrize("view", list(View))
def test_merged_slices_change_little(view: View) -> None:
    volume = sphere(30, 1.0, 1.0, (12, -9, 20))
    plain, merged = (project(volume, view_geometry(view, 161, 1.0), merge=k) for k in (1, 2))
    assert float((plain - merged).abs().max()) < 0.01 * float(plain.max())
    assert float(merged.sum()) == pytest.approx(float(plain.sum()), rel=1e-3)


def test_magnification_is_source_distance_over_object_distance() -> None:
    shown = project(sphere(3, 1.0, 1.0, (20, 30, -10)), view_geometry(View.AP, 161, 1.0))
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    scale = 1150 / 1030
    assert column - 80 == pytest.approx(20 * scale, abs=1)
    assert row - 80 == pytest.approx(10 * scale, abs=1)


def test_points_project_where_their_density_does() -> None:
    view = view_geometry(View.AP, 161, 1.0)
    shown = project(sphere(3, 1.0, 1.0, (20, 30, -10)), view)
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    found = view.project_points(torch.tensor([[20.0, 30.0, -10.0]]))[0]
    assert (float(found[0]), float(found[1])) == pytest.approx((column, row), abs=1)
