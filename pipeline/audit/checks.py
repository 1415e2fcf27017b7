"""Bounds that a plausible simulated cohort keeps: population, bone density, shortcuts, readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path

import numpy as np

from cohort.bmd import BMD_CLASSES, REFERENCES, YOUNG_CHINESE
from cohort.covariates import Sex
from cohort.io.annotations import read_readings
from cohort.spine import overlaps
from phantom.subject.population import YoungAdult
from pipeline.audit.patients import Floats, SimulatedPatients
from pipeline.audit.populations import PUBLISHED, TOTAL
from pipeline.audit.shortcut_learning import FeatureGroup, cross_validated_auc
from pipeline.evaluation.studies.population import MeanSd, Population

WOMEN_FROM_60_BMD = (0.795, 0.140)
"""Women of 60 years and more in Hong Kong (Wang and Xiao 2022, PMC9403581, Table 1)."""

TABLE_1 = "Mao 2022, Table 1"

MOST_SHORTCUT_AUC, SHORTCUT_GAIN = 0.80, 0.05
"""Highest AUC of single image numbers, and by how much they may exceed age, sex and BMI."""

TRAITS = {"age_years": "age", "bmi_kg_m2": "BMI", "t_score": "T-score", "sex": "sex", "bmd_class": "class"}


class CheckKind(StrEnum):
    """Subject of a check."""

    POPULATION = "population"
    BONE = "bone density"
    SHORTCUT_LEARNING = "shortcut learning"
    READERS = "readers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One measured value, the bounds that it must keep and where they come from."""

    kind: CheckKind
    name: str
    value: float
    low: float
    high: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the value lies within the bounds."""
        return self.low <= self.value <= self.high


def population_checks(sites: Mapping[str, Population], tests: Mapping[str, float]) -> list[Check]:
    """Means and spreads against the paper's Table 1, and whether sites are alike.

    Args:
        sites: Table 1 by site and in total.
        tests: p between sites, by trait.
    """
    total, published = sites[TOTAL], PUBLISHED[TOTAL]
    checks = [
        *_mean_and_sd("age, years", total.age_years, published.age_years, 1.0),
        _around("men, %", 100 * total.men / total.studies, 31.0, 4.0),
        *_mean_and_sd("BMI, kg/m2", total.bmi_kg_m2, published.bmi_kg_m2, 0.4),
        *_mean_and_sd("T-score", total.t_score, published.t_score, 0.2),
    ]
    for c in BMD_CLASSES:
        percent = 100 * published.classes[c] / published.studies
        checks.append(_around(f"{c}, %", 100 * total.classes[c] / total.studies, percent, 4.5))
    for trait, word in TRAITS.items():
        if trait in tests:
            checks.append(
                Check(
                    kind=CheckKind.POPULATION,
                    name=f"sites alike in {word}, p",
                    value=tests[trait],
                    low=0.01,
                    high=1.0,
                    source="Mao 2022: no difference",
                )
            )
    return checks


def _mean_and_sd(trait: str, measured: MeanSd | None, published: MeanSd | None, half: float) -> list[Check]:
    """Both against the paper's, where it prints them; NaN where they are not known."""
    if published is None:
        return []
    pairs = {"mean": published.mean, "SD of": published.sd}
    values = {"mean": float("nan"), "SD of": float("nan")}
    if measured is not None:
        values = {"mean": measured.mean, "SD of": measured.sd}
    return [_around(f"{word} {trait}", values[word], pairs[word], half) for word in pairs if np.isfinite(pairs[word])]


def _around(
    name: str,
    value: float,
    middle: float,
    half: float,
    source: str = TABLE_1,
    kind: CheckKind = CheckKind.POPULATION,
) -> Check:
    return Check(kind=kind, name=name, value=value, low=middle - half, high=middle + half, source=source)


def bone_checks(patients: SimulatedPatients, young: Sequence[YoungAdult]) -> list[Check]:
    """Areal BMD of young adults against the DXA reference, its fall with age, and its part in posterior elements."""
    checks: list[Check] = []
    bmd_of = {sex: young_bmd(young, sex) for sex in Sex}
    for sex, word, source in ((Sex.FEMALE, "women", "Lynn 2005"), (Sex.MALE, "men", "Tan 2007")):
        mean, sd = REFERENCES[YOUNG_CHINESE][sex]
        checks += _bmd_checks(f"young {word}", bmd_of[sex], (mean, 0.04), (sd, 0.03), source)
    bmd, age = patients.bmd_g_cm2[patients.female], patients.age_years[patients.female]
    mean, sd = WOMEN_FROM_60_BMD
    checks += _bmd_checks("women from 60", bmd[age >= 60], (mean, 0.06), (sd, 0.03), "PMC9403581")
    fall = 100 * (_mean(bmd[(age >= 65) & (age <= 75)]) / _mean(bmd_of[Sex.FEMALE]) - 1)
    posterior = 100 * _mean(patients.posterior_fraction)
    r = float(np.corrcoef(patients.vbmd_mg_cm3, patients.bmd_g_cm2)[0, 1])
    return [
        *checks,
        _bone("women of 65-75 against young, %", fall, (-30, -16), "Lynn 2005: -23 at 70"),
        _bone("mineral in posterior elements, %", posterior, (46, 56), "Lee 2009: 51.4 (SD 4.2)"),
        _bone("correlation of vBMD and areal BMD", r, (0.70, 0.90), "published 0.7 to 0.9"),
    ]


def young_bmd(young: Sequence[YoungAdult], sex: Sex) -> Floats:
    """Areal BMD of the young adults of one sex in g/cm2."""
    return np.array([adult.bmd_g_cm2 for adult in young if adult.sex is sex], float)


def _bmd_checks(
    who: str, bmd: Floats, mean: tuple[float, float], sd: tuple[float, float], source: str
) -> tuple[Check, Check]:
    """Mean and SD of areal BMD, each within a published value and a distance from it."""
    return (
        _around(f"{who}: mean areal BMD, g/cm2", _mean(bmd), *mean, source, CheckKind.BONE),
        _around(f"{who}: SD of areal BMD, g/cm2", _sd(bmd), *sd, source, CheckKind.BONE),
    )


def _bone(name: str, value: float, bounds: tuple[float, float], source: str) -> Check:
    return Check(kind=CheckKind.BONE, name=name, value=value, low=bounds[0], high=bounds[1], source=source)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _sd(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def shortcut_checks(patients: SimulatedPatients, aucs: Mapping[FeatureGroup, float]) -> list[Check]:
    """AUC of osteoporosis from age, sex and BMI in a realistic range, and from each group of features below a limit."""
    by_covariates = cross_validated_auc(patients.covariates, patients.osteoporotic)
    most = min(MOST_SHORTCUT_AUC, by_covariates + SHORTCUT_GAIN)
    kind = CheckKind.SHORTCUT_LEARNING
    return [
        Check(
            kind=kind,
            name="AUC from age, sex and BMI",
            value=by_covariates,
            low=0.70,
            high=0.82,
            source="realistic range",
        ),
        *(
            Check(kind=kind, name=f"AUC from {group}", value=value, low=0.0, high=most, source="no shortcut")
            for group, value in aucs.items()
        ),
    ]


def reader_check(path: Path) -> Check:
    """Mean intersection over union of the readers against the paper's."""
    return Check(
        kind=CheckKind.READERS,
        name="mean intersection over union of two readers",
        value=reader_overlap(path),
        low=0.90,
        high=0.94,
        source="Mao 2022: above 90 %",
    )


def reader_overlap(path: Path) -> float:
    """Mean intersection over union of every two readers' boxes of the same level; NaN without readers.csv."""
    if not path.is_file():
        return float("nan")
    readers = read_readings(path).values()
    ious = [
        iou
        for first, second in combinations(readers, 2)
        for values in overlaps(first, second).values()
        for iou in values
    ]
    return float(np.mean(ious)) if ious else float("nan")
