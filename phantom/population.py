"""People of the in-silico hospital: age, sex, body size and bone status, drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cohort.study import Sex

MALE_SHARE = 0.311
"""Source: Mao et al. 2022, Table 1: 2,149 of 6,908."""


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated patient before imaging.

    Attributes:
        patient_id: running identifier, without meaning.
        sex: female or male.
        age_years: 50 to 95.
        height_cm: stature.
        weight_kg: body mass.
        vbmd_mg_cm3: trabecular volumetric BMD of the lumbar bodies (hydroxyapatite).
        shell_mm: effective thickness of the body's cortical shell.
        posterior_factor: shell of the posterior elements relative to the body's.
        size: linear size of the bones relative to the source anatomy's 46 mm body width.
        seed: seed of everything that is drawn for this person's images.
    """

    patient_id: str
    sex: Sex
    age_years: float
    height_cm: float
    weight_kg: float
    vbmd_mg_cm3: float
    shell_mm: float
    posterior_factor: float
    size: float
    seed: int

    @property
    def bmi_kg_m2(self) -> float:
        """Body mass index."""
        return self.weight_kg / (self.height_cm / 100) ** 2


def draw_person(index: int, seed: int) -> Person:
    """The person with this index of the cohort with this seed; the same whatever was drawn before.

    Age: a skewed distribution of 50-95 years, mean about 67 (Mao et al. 2022, Table 1: 65.4), SD about 9. BMI: mean
    23.97, SD 3.51 (Table 1). Trabecular vBMD falls with age from the peaks of the China Biobank (Cheng 2021: women 185,
    men 177 mg/cm3 at 30-34; old women 62), with the spread of Zhang 2020; shell and posterior elements
    follow it in part.
    """
    rng = np.random.default_rng([seed, index])
    sex = Sex.MALE if rng.random() < MALE_SHARE else Sex.FEMALE
    age = float(np.clip(50 + 32 * rng.beta(1.35, 1.55) + rng.exponential(2.0), 50, 95))
    bmi = float(np.clip(rng.normal(23.97, 3.51), 16, 38))
    mean_height, sd_height = (157.0, 6.0) if sex is Sex.FEMALE else (167.5, 6.3)
    height = float(np.clip(rng.normal(mean_height - 0.1 * (age - 60), sd_height), 135, 190))
    if sex is Sex.FEMALE:
        expected = float(np.interp(age, [50, 55, 60, 70, 80, 95], [150, 128, 112, 86, 70, 60]))
    else:
        expected = float(np.interp(age, [50, 60, 70, 80, 95], [140, 124, 110, 97, 88]))
    status = rng.standard_normal()
    vbmd = float(np.clip(expected + 1.0 * (bmi - 24) + 30 * status, 20, 260))
    shared = 0.55 * (vbmd - 110) / 40
    shell = float(np.clip(0.58 * np.exp(0.11 * (shared + 0.8 * rng.standard_normal())), 0.30, 1.10))
    posterior = float(np.clip(1.98 * np.exp(0.12 * (0.6 * shared + 0.8 * rng.standard_normal())), 1.3, 3.6))
    size = float((0.90 if sex is Sex.FEMALE else 0.985) * (1 + 0.004 * (height - mean_height)) * rng.normal(1, 0.035))
    return Person(
        f"SIM{seed:04d}-{index:05d}",
        sex,
        round(age, 1),
        round(height, 1),
        round(bmi * (height / 100) ** 2, 1),
        vbmd,
        shell,
        posterior,
        size,
        int(rng.integers(2**31)),
    )
