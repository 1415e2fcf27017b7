"""From areal BMD to a T-score: young adults of named reference populations."""

from __future__ import annotations

from cohort.study import Sex

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
