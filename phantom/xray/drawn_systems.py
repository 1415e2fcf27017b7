"""X-ray systems drawn by parameters, so that training sees many displays instead of three."""

from __future__ import annotations

import numpy as np

from cohort.io.dicom.photometric import Photometric
from cohort.spine import View
from cohort.splits import is_test_site
from cohort.study import SpacingSource
from phantom.xray.system import SYSTEMS, Border, SimulatedSite, XraySystem

MOST_SYSTEMS = 1000
"""That can be drawn for one cohort."""

FILM_SHARE = 0.15
"""Of the systems: a digitised film, whose grey is an S of the whole signal, without processing."""

AP_KVP, LATERAL_KVP = (70, 75, 77, 80), (75, 77, 80, 90)
"""Tube voltages that have a spectrum."""

Bands = tuple[tuple[float, float], ...]


def drawn_systems(count: int, seed: int, site: SimulatedSite = SimulatedSite.TRAINING) -> tuple[XraySystem, ...]:
    """Systems with tube, detector and display of their own; the first of more systems are those of fewer.

    Every parameter spans the shipped systems and goes beyond them; how far is our choice, no survey. The less an
    image is flattened the darker is its curve, or the spine of a lateral image would be white.

    Args:
        count: of systems, at most `MOST_SYSTEMS`.
        seed: another one draws other systems.
        site: likewise; no two sites share one.
    """
    place = list(SimulatedSite).index(site)
    return tuple(
        _drawn(f"SIM-{site[0].upper()}{number:03}", np.random.default_rng([seed, 8, place, number]))
        for number in range(count)
    )


def systems_of(site: SimulatedSite, drawn: int, seed: int) -> tuple[XraySystem, ...]:
    """Systems that a site's patients are imaged on: its own, or drawn ones; a test site always keeps its own.

    Args:
        site: of the simulated hospital.
        drawn: number of systems to draw for training and validation each; 0 for none.
        seed: of the cohort.
    """
    if not drawn or is_test_site(site):
        return SYSTEMS[site]
    return drawn_systems(drawn, seed, site)


def _drawn(name: str, rng: np.random.Generator) -> XraySystem:
    film = rng.random() < FILM_SHARE
    curved = film or rng.random() < 0.5
    ap_kvp = int(rng.choice(AP_KVP))
    flatten = 1.0 if film else round(float(rng.uniform(0.35, 1.0)), 3)
    darker = max(0.0, flatten - 0.7) + 0.25 * film
    return XraySystem(
        name=name,
        kvp={View.AP: ap_kvp, View.LATERAL: int(rng.choice([kvp for kvp in LATERAL_KVP if kvp >= ap_kvp]))},
        pitch_mm=round(float(rng.uniform(0.1, 0.2)), 3),
        field_mm=float(rng.choice((410, 425, 430))),
        focal_mm=round(float(rng.uniform(0.6, 1.3)), 2),
        grid=round(float(rng.uniform(0.8, 1.3)), 3),
        flatten=flatten,
        bands=() if film else _bands(rng),
        sigmoid=round(float(rng.uniform(2.5, 7.0)), 2) if curved else 0.0,
        gamma=round(float(np.exp(rng.uniform(-0.35, 0.35) + darker)), 3),
        local_contrast=0.0 if film or rng.random() < 0.5 else round(float(rng.uniform(0.05, 0.4)), 3),
        border=Border(rng.choice([border.value for border in Border])),
        photometric=Photometric(rng.choice([Photometric.MONOCHROME1.value, Photometric.MONOCHROME2.value])),
        spacing_attribute=SpacingSource(
            rng.choice([SpacingSource.IMAGER_PIXEL_SPACING.value, SpacingSource.PIXEL_SPACING.value])
        ),
    )


def _bands(rng: np.random.Generator) -> Bands:
    """Up to three detail bands, from bone edges to organs; the finer one is raised more."""
    radii = np.sort(np.exp(rng.uniform(np.log(1.2), np.log(16.0), int(rng.integers(0, 4)))))
    return tuple(
        (round(float(radius), 2), round(float(rng.uniform(0.1, 1.0) / (1 + radius / 12)), 3)) for radius in radii
    )
