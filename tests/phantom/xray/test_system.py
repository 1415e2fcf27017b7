"""X-ray systems of the simulated hospitals."""

from __future__ import annotations

import pytest

from phantom.xray.system import SYSTEMS, SimulatedSite


@pytest.mark.parametrize(("requested_mm", "pixel_mm"), [(0.6, 0.6), (0.1, 0.2), (1.05, 1.0)])
def test_elements_are_binned_to_the_nearest_pixel(requested_mm: float, pixel_mm: float) -> None:
    assert SYSTEMS[SimulatedSite.TEST1][0].spacing_mm(requested_mm) == pytest.approx(pixel_mm)


def test_test_sites_share_no_system_with_training() -> None:
    training = {system.name for system in SYSTEMS[SimulatedSite.TRAINING]}
    assert training == {system.name for system in SYSTEMS[SimulatedSite.VALIDATION]}
    for site in (SimulatedSite.TEST1, SimulatedSite.TEST2):
        assert not training & {system.name for system in SYSTEMS[site]}
