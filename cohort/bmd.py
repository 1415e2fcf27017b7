"""Bone mineral density: WHO classes of a T-score, DXA results, and young adults of named reference populations."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from cohort.covariates import Sex
from cohort.spine import VertebralLevel


class BmdClass(StrEnum):
    """WHO class of the lumbar T-score."""

    NORMAL = "normal"
    OSTEOPENIA = "osteopenia"
    OSTEOPOROSIS = "osteoporosis"


BMD_CLASSES: tuple[BmdClass, ...] = tuple(BmdClass)
"""Order of the three classes in every array of probabilities."""

OSTEOPOROSIS_INDEX = BMD_CLASSES.index(BmdClass.OSTEOPOROSIS)
"""Place of osteoporosis in every array of probabilities."""

NORMAL_FROM = -1.0
"""T-score from which bone mass is normal. Source: WHO 1994."""

OSTEOPOROSIS_TO = -2.5
"""T-score up to which bone mass is osteoporotic. Source: WHO 1994."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DxaResult:
    """Lumbar DXA of one patient.

    Attributes:
        t_score: L1-L4 T-score, None when only the class is known.
        bmd_g_cm2: areal BMD of L1-L4.
        t_score_by_level: T-score of single levels.
        scan_date: day of the scan.
        reference: name of the reference population.
    """

    t_score: float | None
    bmd_g_cm2: float | None = None
    t_score_by_level: dict[VertebralLevel, float] = field(default_factory=dict)
    scan_date: date | None = None
    reference: str | None = None

    @property
    def bmd_class(self) -> BmdClass | None:
        """WHO class of the T-score, or None."""
        return None if self.t_score is None else classify_t_score(self.t_score)


def classify_t_score(t_score: float) -> BmdClass:
    """WHO class: osteoporosis T <= -2.5, osteopenia -2.5 < T < -1.0, normal T >= -1.0.

    Source: WHO 1994, as used by Mao et al. 2022.
    """
    if t_score <= OSTEOPOROSIS_TO:
        return BmdClass.OSTEOPOROSIS
    return BmdClass.OSTEOPENIA if t_score < NORMAL_FROM else BmdClass.NORMAL


YOUNG_CHINESE = "Hologic young Chinese adults: Lynn 2005 (women), Tan 2007 (men)"

REFERENCES: dict[str, dict[Sex, tuple[float, float]]] = {
    YOUNG_CHINESE: {Sex.FEMALE: (0.990, 0.100), Sex.MALE: (0.980, 0.116)},
}
"""Mean and SD of L1-L4 areal BMD, g/cm2, by the name that stands in `dxa_reference`.

Source: women, Lynn 2005 (Hong Kong); men, Tan 2007 (Changsha). Other machines and populations differ by up to a whole
T-score, so that a table's own reference is better given as `reference_mean_g_cm2` and `reference_sd_g_cm2`.
"""


def t_score_of(bmd_g_cm2: float, mean: float, sd: float) -> float:
    """Distance of a BMD from the young adults' mean, in their SD."""
    return (bmd_g_cm2 - mean) / sd


def reference_of(name: str | None, sex: Sex | None) -> tuple[float, float] | None:
    """Mean and SD of a known reference, or None."""
    return None if name is None or sex is None else REFERENCES.get(name, {}).get(sex)
