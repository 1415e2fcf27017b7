"""Posture and shape: where each vertebra stands and how it is scaled, wedged and tilted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cohort.spine import LEVELS, VertebralLevel
from phantom.anatomy import Anatomy, Vector, rotation_x
from phantom.population import Person


class Variety(StrEnum):
    """How widely posture, field and contrast are drawn.

    WIDE sets pelvis and field further apart than people's are; FAINT does so too, fades the sacrum, hips and ribs and
    lays bowel gas over the pelvis, as many real films show them. Both are for training detectors.
    """

    USUAL = "usual"
    WIDE = "wide"
    FAINT = "faint"


LORDOSIS_SHARE = {"L5": 0.36, "L4": 0.25, "L3": 0.18, "L2": 0.13, "L1": 0.08, "T12": -0.02, "T11": -0.06, "T10": -0.07}
"""Share of the L1-S1 lordosis gained at the disc below each level; 80-90 % lies between L3 and S1 (FACTS)."""

DISC_MM = {"L5": 9.5, "L4": 11.0, "L3": 10.5, "L2": 9.5, "L1": 8.5, "T12": 7.5, "T11": 6.5, "T10": 6.0}
"""Height of the disc below each level at its centre, dished endplates included."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A rigid pose and a shape: body frame of the source to the patient.

    A source point q goes to `centre + rotation @ shaped(q)`, where shaping scales the axes, wedges the front against
    the back and dishes the endplates; both directions are in closed form.
    """

    rotation: Vector
    centre: Vector
    scale: Vector
    half_depth: float = 17.0
    half_width: float = 23.0
    wedge: float = 0.0
    dish: float = 0.0

    def height_factor(self, x: Vector, y: Vector) -> Vector:
        """Local factor on height at scaled x, y (mm): below 1 in front for a wedge, in the middle for a dish."""
        forward = np.clip(-y / self.half_depth, -1.0, 1.0)
        radius = np.clip((x / self.half_width) ** 2 + (y / self.half_depth) ** 2, 0.0, 1.0)
        return np.asarray(1 - self.wedge * (0.5 + 0.5 * forward) - self.dish * (1 - radius))

    def to_patient(self, points: Vector) -> Vector:
        """Body-frame points (n, 3) to patient mm."""
        shaped = points * self.scale
        shaped[:, 2] *= self.height_factor(shaped[:, 0], shaped[:, 1])
        return np.asarray(self.centre + shaped @ self.rotation.T)


@dataclass(frozen=True, slots=True)
class Posture:
    """Placements of all bones of one patient; the origin is the centre of L3."""

    vertebrae: dict[VertebralLevel, Placement]
    pelvis: Placement
    hips: Placement
    rib_scale: float
    coronal_deg: float


def draw_posture(person: Person, anatomy: Anatomy, rng: np.random.Generator, variety: Variety) -> Posture:
    """Stack the spine from the S1 endplate upwards with a drawn lordosis, curve and disc heights.

    Lordosis and slope: recumbent 36.8 +- 13.2 deg (PMC6680033), the slope following it. A tenth of patients have a
    visible scoliosis, a tenth a wedged or dished body, a third a narrowed disc. WIDE draws the pelvis further apart
    than people's are: slope against lordosis, incidence, tilt of L5 and height of the iliac crests.
    """
    apart = _draw_apart(person.seed, variety)
    lordosis = float(np.clip(rng.normal(40, 12), 8, 75))
    slope = float(np.clip(12 + 0.6 * lordosis + rng.normal(0, 7) + apart.slope_deg, 3, 62))
    curve = abs(rng.normal(0, 3.0)) + (rng.uniform(6, 16) if rng.random() < 0.10 else 0.0)
    phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.1)
    turn = rng.normal(0, 4.0)
    broken = rng.choice(LEVELS[1:8]) if rng.random() < 0.10 else None
    disc_scale = person.size * rng.normal(1.0, 0.13)
    tilt = slope
    frames = np.array([rng.normal(0, 0.03), rng.normal(0, 0.03), rng.normal(0, 0.025)])
    pelvis_rotation = _rotation(slope, rng.normal(0, 2.0), turn + rng.normal(0, 1.5))
    top, up = np.zeros(3), pelvis_rotation[:, 2]
    vertebrae: dict[VertebralLevel, Placement] = {}
    width_wanted = {level: 46.0 * person.size * (1 + 0.03 * (k - 5)) for k, level in enumerate(LEVELS)}
    for k, level in enumerate(reversed(LEVELS[:8])):
        tilt -= LORDOSIS_SHARE[level.value] * lordosis + rng.normal(0, 1.5)
        tilt += apart.fifth_lumbar_deg if level is VertebralLevel.L5 else 0.0
        coronal = curve * np.sin(phase + waves * np.pi * k / 4) + rng.normal(0, 0.7)
        axial = turn + 0.5 * curve * np.sin(phase + waves * np.pi * k / 4 + 0.5) + rng.normal(0, 0.7)
        rotation = _rotation(tilt, coronal, axial)
        vertebra = anatomy.vertebrae[level]
        size = width_wanted[level] / vertebra.size_mm[0]
        deep = 0.745 * width_wanted[level] / vertebra.size_mm[1]
        tall = 0.60 * width_wanted[VertebralLevel.L3] * (1 + 0.02 * (4 - k if k > 4 else 0)) / vertebra.size_mm[2]
        if level.value.startswith("T"):
            tall *= {"T12": 0.94, "T11": 0.89, "T10": 0.85}[level.value]
        scale = np.array([size, 0.6 * size + 0.4 * deep, 0.35 * size + 0.65 * tall]) * (1 + frames)
        scale = scale * (1 + rng.normal(0, 0.012, 3))
        hurt = level is broken
        placement_wedge = rng.uniform(0.15, 0.40) if hurt and rng.random() < 0.6 else rng.normal(0.0, 0.02)
        dish = rng.uniform(0.10, 0.35) if hurt else abs(rng.normal(0, 0.03))
        height = vertebra.size_mm[2] * scale[2] * (1 - 0.5 * placement_wedge)
        disc = (
            DISC_MM[level.value]
            * disc_scale
            * rng.normal(1, 0.08)
            * (rng.uniform(0.45, 0.75) if rng.random() < 0.06 else 1)
        )
        centre = top + up * disc / 2 + rotation[:, 2] * (disc / 2 + height / 2)
        vertebrae[level] = Placement(
            rotation,
            centre,
            scale,
            vertebra.size_mm[1] * scale[1] / 2,
            vertebra.size_mm[0] * scale[0] / 2,
            float(placement_wedge),
            float(dish),
        )
        top, up = centre + rotation[:, 2] * height / 2, rotation[:, 2]
    hip = 46.0 * person.size * 1.10 / anatomy.pelvis.endplate_mm[0]
    hip = float(np.clip(hip, 0.80, 1.15))
    pelvis_scale = hip * np.array([rng.normal(1.03, 0.05), rng.normal(1.0, 0.04), rng.normal(1.0, 0.07)])
    lean = rotation_x(slope - anatomy.pelvis.slope_deg)
    incidence = rotation_x(rng.normal(0, 5.0) + apart.incidence_deg)
    origin = vertebrae[VertebralLevel.L3].centre
    moved = {
        level: Placement(p.rotation, p.centre - origin, p.scale, p.half_depth, p.half_width, p.wedge, p.dish)
        for level, p in vertebrae.items()
    }
    upright = _rotation(0.0, rng.normal(0, 1.5), turn)
    pelvis = Placement(
        upright @ lean @ incidence @ rotation_x(anatomy.pelvis.slope_deg), -origin, pelvis_scale, 1e6, 1e6
    )
    raised = upright @ np.array([0.0, 0.0, apart.crest_mm])
    hips = Placement(pelvis.rotation, pelvis.centre + raised, pelvis_scale, 1e6, 1e6)
    return Posture(moved, pelvis, hips, float(rng.normal(1.0, 0.06)), float(curve))


@dataclass(frozen=True, slots=True)
class _Apart:
    """How far a widened pelvis stands from the drawn one."""

    slope_deg: float = 0.0
    incidence_deg: float = 0.0
    fifth_lumbar_deg: float = 0.0
    crest_mm: float = 0.0


def _draw_apart(seed: int, variety: Variety) -> _Apart:
    if variety is Variety.USUAL:
        return _Apart()
    rng = np.random.default_rng([seed, 1])
    return _Apart(
        float(rng.uniform(-30, 8)), float(rng.normal(0, 7)), float(rng.normal(-3, 5)), float(rng.normal(0, 10))
    )


def _rotation(sagittal: float, coronal: float, axial: float) -> Vector:
    """Axial after coronal after sagittal rotation, degrees."""
    c, s = np.cos(np.radians(coronal)), np.sin(np.radians(coronal))
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(np.radians(axial)), np.sin(np.radians(axial))
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ rotation_x(sagittal))
