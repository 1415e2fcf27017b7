"""People of the in-silico hospital: age, sex, body size and bone status, sampled from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from cohort.covariates import Sex
from osteolens.config import StrictConfig

YOUNGEST_YEARS, OLDEST_YEARS = 50.0, 95.0

EXPECTED_VBMD: dict[Sex, tuple[tuple[float, ...], tuple[float, ...]]] = {
    Sex.FEMALE: ((20, 32, 40, 45, 50, 55, 60, 70, 80, 95), (176, 180, 172, 164, 148, 128, 112, 87, 71, 62)),
    Sex.MALE: ((20, 32, 40, 50, 60, 70, 80, 95), (162, 165, 156, 142, 126, 111, 98, 90)),
}
"""Mean trabecular vBMD of L1-L4 in mg/cm3 by age in years.

Source: old women's 62.4 and women's peak after China Biobank (Cheng 2021, PMID 33145809: 185.4 at L1-L2, a little less
over L1-L4); men's youth between its 176.6 at L1-L2 and 145-152 at L2-L4 (Zhang 2020, 21-59 y); the course is ours.
"""


class PopulationConfig(StrictConfig):
    """Who comes to the simulated hospital; the defaults follow Mao et al. 2022, Table 1."""

    age_mean_years: float = Field(65.4, ge=52, le=93, description="mean age; Table 1")
    age_sd_years: float = Field(9.3, ge=1, le=20, description="standard deviation of age; Table 1")
    male_fraction: float = Field(0.311, ge=0, le=1, description="fraction of men; Table 1: 2,149 of 6,908")
    bmi_mean: float = Field(23.97, ge=17, le=36, description="mean body mass index, kg/m2; Table 1")
    bmi_sd: float = Field(3.51, ge=0.1, le=8, description="standard deviation of body mass index; Table 1")
    implant_fraction: float = Field(
        0.03,
        ge=0,
        le=1,
        description="fraction with screws or cement at L1-L4, an exclusion of the paper; ours",
    )
    fracture_fraction: float = Field(
        0.06,
        ge=0,
        le=0.5,
        description="fraction with a compression fracture of L1-L4, more of them the weaker the bone; ours",
    )
    scoliosis_fraction: float = Field(
        0.025, ge=0, le=1, description="fraction with a serious scoliosis (Cobb angle above 20 degrees); ours"
    )
    poor_exposure_fraction: float = Field(
        0.025, ge=0, le=1, description="fraction with an under- or over-exposed image; ours"
    )
    late_dxa_fraction: float = Field(
        0.03, ge=0, le=1, description="fraction whose DXA is more than 90 days from the radiographs; ours"
    )

    @model_validator(mode="after")
    def _possible(self) -> PopulationConfig:
        mean, variance = _unit_age(self)
        if variance >= mean * (1 - mean):
            raise ValueError(
                f"no ages of {YOUNGEST_YEARS:g}-{OLDEST_YEARS:g} years have mean {self.age_mean_years:g} and "
                f"SD {self.age_sd_years:g}; expected a smaller SD"
            )
        return self


def _unit_age(config: PopulationConfig) -> tuple[float, float]:
    """Mean and variance of age on the unit interval."""
    span = OLDEST_YEARS - YOUNGEST_YEARS
    return (config.age_mean_years - YOUNGEST_YEARS) / span, (config.age_sd_years / span) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
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
        degeneration: wear of discs and joints, about 0 in youth and 1 in old age.
        menopause_age_years: age at menopause, None for men.
        dxa_interval_days: days from the radiographs to DXA.
        seed: of everything that is sampled for this person's images.
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
    degeneration: float
    menopause_age_years: float | None
    dxa_interval_days: int
    seed: int

    @property
    def bmi_kg_m2(self) -> float:
        """Body mass index."""
        return self.weight_kg / (self.height_cm / 100) ** 2


@dataclass(frozen=True, slots=True)
class YoungAdult:
    """A scanned young adult, whose areal BMD checks the simulator against the DXA reference."""

    sex: Sex
    age_years: float
    vbmd_mg_cm3: float
    bmd_g_cm2: float | None


DEFAULT_POPULATION = PopulationConfig()


def thinning(sex: Sex, age_years: float) -> float:
    """Shell thickness relative to youth; chosen so that areal BMD falls with age as published (Lynn 2005)."""
    if sex is Sex.FEMALE:
        return float(np.exp(-0.18 * np.clip((age_years - 45) / 20, 0, 1.5)))
    return float(np.exp(-0.21 * np.clip((age_years - 40) / 25, 0, 1.6)))


def patient_id(index: int, seed: int) -> str:
    """Identifier of the person with this index of the cohort with this seed."""
    return f"SIM{seed:04d}-{index:05d}"


def sample_person(
    index: int,
    seed: int,
    config: PopulationConfig = DEFAULT_POPULATION,
    age_years: float | None = None,
    sex: Sex | None = None,
) -> Person:
    """The person with this index of the cohort with this seed; the same whatever was sampled before.

    Age is beta distributed between 50 and 95 years. vBMD has the mean of its age and sex and a spread of 24 mg/cm3 at
    30 and 36 from 65 years on (Zhang 2020: 32-36); shell and posterior elements share a part of the person's deviation
    from that mean. The latter thicken with wear, one reason why areal BMD of the spine hardly falls in old age.

    Args:
        index: place in the cohort.
        seed: of the cohort.
        config: who comes.
        age_years: a given age, for reference populations outside 50-95; sampled when None.
        sex: a given sex; sampled when None.
    """
    rng = np.random.default_rng([seed, index])
    sampled_sex = Sex.MALE if rng.random() < config.male_fraction else Sex.FEMALE
    mean, variance = _unit_age(config)
    concentration = mean * (1 - mean) / variance - 1
    unit = rng.beta(mean * concentration, (1 - mean) * concentration)
    sampled_age = YOUNGEST_YEARS + (OLDEST_YEARS - YOUNGEST_YEARS) * unit
    sex = sex or sampled_sex
    age = float(sampled_age if age_years is None else age_years)
    bmi = float(np.clip(rng.normal(config.bmi_mean, config.bmi_sd), 15, 42))
    mean_height, sd_height = (157.0, 6.0) if sex is Sex.FEMALE else (167.5, 6.3)
    height = float(np.clip(rng.normal(mean_height - 0.1 * (age - 60), sd_height), 135, 195))
    expected = float(np.interp(age, *EXPECTED_VBMD[sex]))
    spread = float(np.interp(age, [30, 65], [24.0, 36.0]))
    vbmd = float(np.clip(expected + 2.3 * (bmi - 24) + spread * rng.standard_normal(), 15, 290))
    degeneration = float(np.clip((age - 40) / 45 + 0.3 * rng.standard_normal(), 0, 1.6))
    status = (vbmd - expected) / 34
    unlike = float(np.interp(age, [30, 50], [0.09, 0.155]))
    shell = 0.419 * thinning(sex, age) * np.exp(0.06 * status + unlike * rng.standard_normal())
    posterior = 1.98 * np.exp(0.06 * status + 0.12 * rng.standard_normal() + 0.09 * (degeneration - 0.3))
    size = float((0.90 if sex is Sex.FEMALE else 0.985) * (1 + 0.004 * (height - mean_height)) * rng.normal(1, 0.035))
    menopause = round(float(rng.normal(49.5, 3.0)), 1)
    interval = int(rng.integers(91, 400) if rng.random() < config.late_dxa_fraction else rng.integers(0, 91))
    return Person(
        patient_id=patient_id(index, seed),
        sex=sex,
        age_years=round(age, 1),
        height_cm=round(height, 1),
        weight_kg=round(bmi * (height / 100) ** 2, 1),
        vbmd_mg_cm3=vbmd,
        shell_mm=float(np.clip(shell, 0.18, 1.0)),
        posterior_factor=float(np.clip(posterior, 1.2, 3.8)),
        size=size,
        degeneration=degeneration,
        menopause_age_years=menopause if sex is Sex.FEMALE else None,
        dxa_interval_days=interval,
        seed=int(rng.integers(2**31)),
    )
