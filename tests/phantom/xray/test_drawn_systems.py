"""X-ray systems drawn by parameters."""

from __future__ import annotations

import numpy as np
import torch

from cohort.spine import View
from phantom.xray.display import present
from phantom.xray.drawn_systems import FILM_SHARE, MOST_SYSTEMS, drawn_systems, systems_of
from phantom.xray.physics import beam_table
from phantom.xray.system import SYSTEMS, SimulatedSite


def test_the_first_of_many_are_those_of_few_and_no_two_are_alike() -> None:
    many = drawn_systems(200, seed=3)
    assert many[:5] == drawn_systems(5, seed=3)
    displays = {(s.flatten, s.bands, s.sigmoid, s.gamma, s.local_contrast) for s in many}
    assert len(displays) == len({system.name for system in many}) == 200


def test_seeds_and_sites_share_no_system() -> None:
    ours = drawn_systems(3, 1)
    for others in (drawn_systems(3, 2), drawn_systems(3, 1, SimulatedSite.VALIDATION)):
        assert not {(s.gamma, s.pitch_mm) for s in ours} & {(s.gamma, s.pitch_mm) for s in others}


def test_test_sites_keep_their_own_systems() -> None:
    for site in (SimulatedSite.TEST1, SimulatedSite.TEST2):
        assert systems_of(site, 48, 1) == SYSTEMS[site]
    assert systems_of(SimulatedSite.TRAINING, 0, 1) == SYSTEMS[SimulatedSite.TRAINING]
    assert systems_of(SimulatedSite.TRAINING, 4, 1) == drawn_systems(4, 1)
    assert systems_of(SimulatedSite.VALIDATION, 4, 1) == drawn_systems(4, 1, SimulatedSite.VALIDATION)


def test_their_parameters_span_the_shipped_systems_and_can_be_imaged_on() -> None:
    drawn = drawn_systems(MOST_SYSTEMS, seed=0)
    for shipped in (system for systems in SYSTEMS.values() for system in systems):
        for name in ("flatten", "gamma", "grid", "focal_mm", "local_contrast", "pitch_mm"):
            values = [getattr(system, name) for system in drawn]
            assert min(values) <= getattr(shipped, name) <= max(values), name
    films = [system for system in drawn if system.flatten == 1.0 and not system.bands and system.sigmoid]
    assert abs(len(films) / MOST_SYSTEMS - FILM_SHARE) < 0.04
    for system in drawn:
        assert all(beam_table(system.kvp[view]).signal.sum() > 0 for view in View)
        assert system.kvp[View.LATERAL] >= system.kvp[View.AP]


def test_every_drawn_display_keeps_dense_bright_and_uses_its_window() -> None:
    ramp = torch.exp(-torch.linspace(1.5, 6.0, 160)).repeat(200, 1)
    for number, system in enumerate(drawn_systems(40, seed=5)):
        shown = present(ramp, system, 0.6, np.random.default_rng(number))
        low, high = shown.window[0] - shown.window[1] / 2, shown.window[0] + shown.window[1] / 2
        assert 0 <= low < high <= 1.0 + 1e-6
        columns = shown.unit.mean(0)
        assert columns[120:140].mean() > columns[20:40].mean() + 0.2, system
