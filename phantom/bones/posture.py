"""Posture and shape: where each vertebra stands and how it is scaled, wedged and tilted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cohort.spine import VertebralLevel
from phantom.bones.anatomy import Anatomy, Vector, rotation_x
from phantom.bones.placement import Placement
from phantom.subject.pathology import BODIES, Deformity, DeformityKind, Pathology
from phantom.subject.population import Person
from phantom.variety import Variety

LORDOSIS = {"L5": 0.36, "L4": 0.25, "L3": 0.18, "L2": 0.13, "L1": 0.08, "T12": -0.02, "T11": -0.06, "T10": -0.07}
"""Part of the L1-S1 lordosis gained at the disc below each level; 80-90 % lies between L3 and S1 (FACTS)."""

DISC_MM = {"L5": 9.5, "L4": 11.0, "L3": 10.5, "L2": 9.5, "L1": 8.5, "T12": 7.5, "T11": 6.5, "T10": 6.0}
"""Height of the disc below each level at its centre, dished endplates included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """Placements of all bones of one patient; the origin is the centre of the third body from below.

    Attributes:
        vertebrae: by place in the stack, T10 to L5 as in a spine with five lumbar vertebrae.
        pelvis: sacrum.
        hips: both hips.
        rib_scale: size of the ribs.
        cobb_deg: largest coronal angle between two bodies.
    """

    vertebrae: dict[VertebralLevel, Placement]
    pelvis: Placement
    hips: Placement
    rib_scale: float
    cobb_deg: float


def sample_posture(
    person: Person, pathology: Pathology, anatomy: Anatomy, rng: np.random.Generator, variety: Variety
) -> Posture:
    """Stack the spine from the S1 endplate upwards with a sampled lordosis, curve and disc heights.

    Lordosis and slope: recumbent 36.8 +- 13.2 deg (PMC6680033), the slope following it. Discs narrow with degeneration.
    Bodies bend smoothly by about 0.6 mm. A variety but NONE sets the pelvis further apart than people's are: slope
    against lordosis, incidence, tilt of L5 and height of the iliac crests.

    Args:
        person: size of the bones and wear of the discs.
        pathology: fractures, scoliotic curve and sacralisation.
        anatomy: sizes of the bodies and of the pelvis.
        rng: source of everything sampled here but the variety's offsets.
        variety: how far the pelvis is set apart.
    """
    offsets = _sample_offsets(person.seed, variety)
    lordosis = float(np.clip(rng.normal(40, 13), 5, 78))
    slope = float(np.clip(12 + 0.6 * lordosis + rng.normal(0, 7) + offsets.slope_deg, 3, 62))
    phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.1)
    turn = rng.normal(0, 4.0)
    disc_scale = person.size * rng.normal(1.0, 0.13)
    narrowed = 0.05 + 0.10 * person.degeneration
    frames = np.array([rng.normal(0, 0.03), rng.normal(0, 0.03), rng.normal(0, 0.025)])
    fractures = dict(pathology.fractures)
    pelvis_rotation = _rotation(slope, rng.normal(0, 2.0), turn + rng.normal(0, 1.5))
    tilt, top, up = slope, np.zeros(3), pelvis_rotation[:, 2]
    vertebrae: dict[VertebralLevel, Placement] = {}
    coronals = []
    for k, level in enumerate(reversed(BODIES)):
        tilt -= LORDOSIS[level.value] * lordosis + rng.normal(0, 1.5)
        tilt += offsets.fifth_lumbar_deg if level is VertebralLevel.L5 else 0.0
        along = phase + waves * np.pi * k / 4
        coronals.append(pathology.curve_deg * np.sin(along) + rng.normal(0, 0.7))
        axial = turn + 0.5 * pathology.curve_deg * np.sin(along + 0.5) + rng.normal(0, 0.7)
        rotation = _rotation(tilt, coronals[-1], axial)
        shape = _shape(level, person, anatomy.vertebrae[level].size_mm, frames, fractures.get(level), rng)
        height = 2 * shape.half_height * (1 - 0.5 * shape.wedge - shape.crush)
        disc = DISC_MM[level.value] * disc_scale * rng.normal(1, 0.08)
        disc *= rng.uniform(0.40, 0.75) if rng.random() < narrowed else 1.0
        if level is VertebralLevel.L5:
            disc *= 1 - 0.7 * pathology.sacralised
        centre = top + up * disc / 2 + rotation[:, 2] * (disc / 2 + height / 2)
        vertebrae[level] = replace(shape, rotation=rotation, centre=centre)
        top, up = centre + rotation[:, 2] * height / 2, rotation[:, 2]
    origin = vertebrae[VertebralLevel.L3].centre
    moved = {level: replace(p, centre=p.centre - origin) for level, p in vertebrae.items()}
    pelvis, hips = _pelvis(person, anatomy, _PelvicPose(slope, turn, origin), offsets, rng)
    return Posture(
        vertebrae=moved,
        pelvis=pelvis,
        hips=hips,
        rib_scale=float(rng.normal(1.0, 0.06)),
        cobb_deg=float(np.ptp(coronals)),
    )


def _shape(
    level: VertebralLevel,
    person: Person,
    size_mm: tuple[float, float, float],
    frames: Vector,
    deformity: Deformity | None,
    rng: np.random.Generator,
) -> Placement:
    """Scale, deformity and bend of one vertebra; its pose is set by the caller."""
    place = BODIES.index(level)
    width_mm = 46.0 * person.size * (1 + 0.03 * (place - 5))
    size, deep = width_mm / size_mm[0], 0.745 * width_mm / size_mm[1]
    tall = 0.60 * 46.0 * person.size * (1 + 0.02 * min(0, place - 3)) / size_mm[2]
    tall *= {"T12": 0.94, "T11": 0.89, "T10": 0.85}.get(level.value, 1.0)
    scale = np.array([size, 0.6 * size + 0.4 * deep, 0.35 * size + 0.65 * tall]) * (1 + frames)
    scale = scale * (1 + rng.normal(0, 0.012, 3))
    kind, loss = (deformity.kind, deformity.loss) if deformity else (None, 0.0)
    half_width, half_depth, half_height = np.array(size_mm) * scale / 2
    return Placement(
        rotation=np.eye(3),
        centre=np.zeros(3),
        scale=scale,
        half_depth=float(half_depth),
        half_width=float(half_width),
        half_height=float(half_height),
        wedge=float(rng.normal(0.0, 0.02)) + (loss if kind is DeformityKind.WEDGE else 0.0),
        dish=abs(float(rng.normal(0, 0.03))) + (loss if kind is DeformityKind.BICONCAVE else 0.0),
        crush=loss if kind is DeformityKind.CRUSH else 0.0,
        bend=rng.normal(0, 0.6, (3, 4)),
    )


@dataclass(frozen=True, slots=True)
class _PelvicPose:
    """Slope of the S1 endplate and axial turn in degrees, and the patient's origin above the endplate in mm."""

    slope_deg: float
    turn_deg: float
    origin: Vector


def _pelvis(
    person: Person, anatomy: Anatomy, pose: _PelvicPose, offsets: _PelvicOffsets, rng: np.random.Generator
) -> tuple[Placement, Placement]:
    """Sacrum with its endplate under L5, and hips with it."""
    hip = float(np.clip(46.0 * person.size * 1.10 / anatomy.pelvis.endplate_mm[0], 0.80, 1.15))
    scale = hip * np.array([rng.normal(1.03, 0.05), rng.normal(1.0, 0.04), rng.normal(1.0, 0.07)])
    lean = rotation_x(pose.slope_deg - anatomy.pelvis.slope_deg)
    incidence = rotation_x(rng.normal(0, 5.0) + offsets.incidence_deg)
    upright = _rotation(0.0, rng.normal(0, 1.5), pose.turn_deg)
    rotation = upright @ lean @ incidence @ rotation_x(anatomy.pelvis.slope_deg)
    raised = upright @ np.array([0.0, 0.0, offsets.crest_mm])
    sacrum = Placement(rotation=rotation, centre=-pose.origin, scale=scale)
    return sacrum, replace(sacrum, centre=raised - pose.origin)


@dataclass(frozen=True, slots=True)
class _PelvicOffsets:
    """How far a widened pelvis stands from the sampled one."""

    slope_deg: float = 0.0
    incidence_deg: float = 0.0
    fifth_lumbar_deg: float = 0.0
    crest_mm: float = 0.0


def _sample_offsets(seed: int, variety: Variety) -> _PelvicOffsets:
    if variety is Variety.NONE:
        return _PelvicOffsets()
    rng = np.random.default_rng([seed, 1])
    return _PelvicOffsets(
        float(rng.uniform(-30, 8)), float(rng.normal(0, 7)), float(rng.normal(-3, 5)), float(rng.normal(0, 10))
    )


def _rotation(sagittal: float, coronal: float, axial: float) -> Vector:
    """Axial after coronal after sagittal rotation, degrees."""
    c, s = np.cos(np.radians(coronal)), np.sin(np.radians(coronal))
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(np.radians(axial)), np.sin(np.radians(axial))
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ rotation_x(sagittal))
