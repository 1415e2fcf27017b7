"""Findings of one patient's spine: fractures, scoliosis, implants, osteophytes, plaques, counts, exposure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cohort.covariates import Sex
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel
from phantom.subject.population import Person, PopulationConfig

SIX_LUMBAR_FRACTION = 0.03
"""Published 1.7 % (lumbarisation; Uçar 2013, PMC3707212) to 6.6 % (Apazidis 2011, doi 10.1016/j.spinee.2011.08.005)."""

TRANSITIONAL_FRACTION = 0.08
"""Sacralised fifth lumbar vertebra, partly or wholly; 8.1 % of outpatients (Sekharappa 2014, PMC3939369)."""

WHOLLY_SACRALISED = 1 / 3
"""Fraction of the transitional ones that leave four lumbar vertebrae. Ours."""

BODIES = tuple(LEVELS[:8])
"""T10 to L5: the places in the stack, named as in a spine with five lumbar vertebrae."""


class Implant(StrEnum):
    """Metal or cement at L1-L4."""

    NONE = "none"
    SCREWS = "screws"
    CEMENT = "cement"


class Exposure(StrEnum):
    """Whether the images can be read."""

    GOOD = "good"
    UNDER = "under"
    OVER = "over"


class DeformityKind(StrEnum):
    """Shape of a compression fracture (Genant 1993)."""

    WEDGE = "wedge"
    BICONCAVE = "biconcave"
    CRUSH = "crush"


@dataclass(frozen=True, slots=True)
class Deformity:
    """A compression fracture: the largest loss of height as a fraction of the body's height."""

    kind: DeformityKind
    loss: float

    @property
    def grade(self) -> int:
        """Genant grade: 1 from 20 %, 2 from 25 %, 3 from 40 % of height lost (Genant 1993)."""
        return 3 if self.loss >= 0.40 else 2 if self.loss >= 0.25 else 1 if self.loss >= 0.20 else 0


@dataclass(frozen=True, slots=True)
class Osteophyte:
    """A spur at a body's rim: which body, which endplate (+1 upper), direction round the rim, length."""

    body: VertebralLevel
    end: int
    angle_deg: float
    length_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plaque:
    """A calcification of the aorta's wall: height above L3's centre, direction round the wall, extent."""

    z_mm: float
    angle_deg: float
    length_mm: float
    width_mm: float
    g_cm3: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathology:
    """Everything that is not plain size and density.

    Attributes:
        lumbar_count: 4, 5 or 6 vertebrae between ribs and sacrum.
        sacralised: 0 (free) to 1 (fused) of the lowest vertebra.
        fractures: by place in the stack.
        curve_deg: amplitude of the scoliotic curve; its Cobb angle is about twice that.
        implant: at L1-L4.
        implant_bodies: places in the stack that carry it.
        osteophytes: spurs.
        plaques: aortic calcifications.
        exposure: of both images.
    """

    lumbar_count: int = 5
    sacralised: float = 0.0
    fractures: tuple[tuple[VertebralLevel, Deformity], ...] = ()
    curve_deg: float = 0.0
    implant: Implant = Implant.NONE
    implant_bodies: tuple[VertebralLevel, ...] = ()
    osteophytes: tuple[Osteophyte, ...] = ()
    plaques: tuple[Plaque, ...] = ()
    exposure: Exposure = Exposure.GOOD

    def name_of(self, body: VertebralLevel) -> VertebralLevel | None:
        """The level's name counted from the ribs: six lumbar bodies move each name one down, four leave L5 out."""
        place = BODIES.index(body)
        if self.lumbar_count == 6:
            return BODIES[place + 1] if place + 1 < len(BODIES) else None
        return None if self.lumbar_count == 4 and body is VertebralLevel.L5 else body

    @property
    def target_bodies(self) -> tuple[VertebralLevel, ...]:
        """Indices in the stack of the bodies named L1 to L4."""
        return tuple(body for body in BODIES if self.name_of(body) in TARGET_LEVELS)

    @property
    def fracture_grade(self) -> int:
        """Highest Genant grade at L1-L4."""
        return max((d.grade for body, d in self.fractures if body in self.target_bodies), default=0)


def sample_pathology(person: Person, config: PopulationConfig) -> Pathology:
    """Findings of one person, sampled from a separate random stream, so that nothing else that is sampled changes."""
    rng = np.random.default_rng([person.seed, 10])
    six, transitional, fusion = rng.random() < SIX_LUMBAR_FRACTION, rng.random() < TRANSITIONAL_FRACTION, rng.random()
    count = 6 if six else 4 if transitional and fusion < WHOLLY_SACRALISED else 5
    sacralised = 0.0 if six or not transitional else 1.0 if count == 4 else float(rng.uniform(0.4, 0.9))
    targets = Pathology(lumbar_count=count).target_bodies
    implant, carriers = _sample_implant(targets, config.implant_fraction, rng)
    return Pathology(
        lumbar_count=count,
        sacralised=sacralised,
        fractures=_sample_fractures(person, targets, implant, carriers, config.fracture_fraction, rng),
        curve_deg=_sample_curve(config.scoliosis_fraction, rng),
        implant=implant,
        implant_bodies=carriers,
        osteophytes=_sample_osteophytes(person, rng),
        plaques=_sample_plaques(person, rng),
        exposure=_sample_exposure(config.poor_exposure_fraction, rng),
    )


def _sample_exposure(poor_fraction: float, rng: np.random.Generator) -> Exposure:
    if rng.random() >= poor_fraction:
        return Exposure.GOOD
    return (Exposure.UNDER, Exposure.OVER)[int(rng.integers(2))]


def _sample_curve(serious_fraction: float, rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < serious_fraction:
        return float(rng.uniform(13, 26))
    return float(rng.uniform(5, 9)) if kind < serious_fraction + 0.10 else abs(float(rng.normal(0, 2.2)))


def _sample_implant(
    targets: tuple[VertebralLevel, ...], fraction: float, rng: np.random.Generator
) -> tuple[Implant, tuple[VertebralLevel, ...]]:
    chosen, screws = rng.random() < fraction, rng.random() < 0.6
    lowest, count = int(rng.integers(1, len(targets))), int(rng.integers(2, 5))
    if not chosen:
        return Implant.NONE, ()
    if screws:
        bodies = (*targets, VertebralLevel.L5)
        return Implant.SCREWS, bodies[max(0, lowest + 2 - count) : lowest + 2]
    picked = rng.choice(len(targets), size=int(rng.integers(1, 3)), replace=False)
    return Implant.CEMENT, tuple(targets[k] for k in sorted(picked))


def _sample_fractures(
    person: Person,
    targets: tuple[VertebralLevel, ...],
    implant: Implant,
    carriers: tuple[VertebralLevel, ...],
    fraction: float,
    rng: np.random.Generator,
) -> tuple[tuple[VertebralLevel, Deformity], ...]:
    """Fractures at L1-L4, more often the weaker the bone, and half as often at T11, T12 and L5; all cemented ones.

    The risk falls by e for each 35 mg/cm3; 1.9 is its mean over the population's spread of vBMD.
    """
    risk = min(0.7, fraction * float(np.exp((105 - person.vbmd_mg_cm3) / 35)) / 1.9)
    hurt = set(carriers) if implant is Implant.CEMENT else set()
    if rng.random() < risk:
        weights = np.array([0.45, 0.25, 0.15, 0.15])[: len(targets)]
        hurt |= {
            targets[k] for k in rng.choice(len(targets), 1 + (rng.random() < 0.25), False, weights / weights.sum())
        }
    if rng.random() < risk / 2:
        hurt.add([VertebralLevel.T11, VertebralLevel.T12, VertebralLevel.L5][rng.integers(3)])
    kinds = list(DeformityKind)
    fractures = []
    for body in sorted(hurt, key=BODIES.index):
        kind = kinds[rng.choice(3, p=[0.55, 0.30, 0.15])]
        fractures.append((body, Deformity(kind, float(np.clip(0.20 + rng.exponential(0.13), 0.20, 0.65)))))
    return tuple(fractures)


def _sample_osteophytes(person: Person, rng: np.random.Generator) -> tuple[Osteophyte, ...]:
    """Spurs in number and length by degeneration, at the front and sides of the rims. Frequencies are ours."""
    spurs = []
    for _ in range(rng.poisson(6.0 * person.degeneration**2)):
        body = BODIES[rng.choice(8, p=[0.05, 0.07, 0.08, 0.12, 0.16, 0.20, 0.20, 0.12])]
        angle = float(rng.choice([-90, 90, 0], p=[0.35, 0.35, 0.30]) + rng.normal(0, 20))
        length = float(np.clip(rng.gamma(2.5, 1.3) * (0.5 + person.degeneration), 1.5, 11))
        spurs.append(Osteophyte(body, 1 if rng.random() < 0.5 else -1, angle, length))
    return tuple(spurs)


def _sample_plaques(person: Person, rng: np.random.Generator) -> tuple[Plaque, ...]:
    """Aortic calcification visible on lateral radiographs.

    Source: 37 % of men and 27 % of women at the Framingham baseline, 86 % of both 25 years later (Kauppila 1997).
    """
    base = 0.37 if person.sex is Sex.MALE else 0.27
    chance = float(np.interp(person.age_years, [40, 60, 85], [0.05, base, 0.86]))
    if rng.random() >= chance:
        return ()
    severity = rng.gamma(1.6, 4.0) * (0.5 + (person.age_years - 50) / 30)
    return tuple(
        Plaque(
            z_mm=float(rng.triangular(-42, -25, 90)),
            angle_deg=float(rng.uniform(0, 360)),
            length_mm=float(rng.uniform(4, 22)),
            width_mm=float(rng.uniform(4, 12)),
            g_cm3=float(rng.uniform(0.3, 1.1)),
        )
        for _ in range(1 + min(14, int(severity)))
    )
