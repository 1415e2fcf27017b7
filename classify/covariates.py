"""Age, sex and BMI as numbers: scaled values and whether each is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cohort.covariates import Covariates, Sex

COVARIATE_NAMES = ("age_years", "sex", "bmi_kg_m2")

AGE_MEAN_SD = (65.4, 9.3)
"""Source: Mao et al. 2022, Table 1."""
BMI_MEAN_SD = (23.97, 3.51)
"""Source: Mao et al. 2022, Table 1."""

PLAUSIBLE = {"age_years": (18.0, 115.0), "bmi_kg_m2": (10.0, 80.0)}
"""Adults; outside these bounds a value is an error of entry, or a person whom no weights were made for."""


def implausible(covariates: Covariates) -> str | None:
    """A sentence on the covariate outside PLAUSIBLE, or None."""
    for name, (low, high) in PLAUSIBLE.items():
        value = getattr(covariates, name)
        if value is not None and not low <= value <= high:
            label = name.partition("_")[0]
            return f"{label} is {value:.4g}, expected {low:.0f} to {high:.0f}; correct it or leave it out"
    return None


def encode(covariates: Covariates) -> npt.NDArray[np.float32]:
    """Float32 (6,): age, sex (+1 male, -1 female) and BMI scaled, then 1 for each that is known; unknown is 0."""
    age, sex, bmi = covariates.age_years, covariates.sex, covariates.bmi_kg_m2
    values = (
        0.0 if age is None else (age - AGE_MEAN_SD[0]) / AGE_MEAN_SD[1],
        0.0 if sex is None else (1.0 if sex is Sex.MALE else -1.0),
        0.0 if bmi is None else (bmi - BMI_MEAN_SD[0]) / BMI_MEAN_SD[1],
    )
    known = (age is not None, sex is not None, bmi is not None)
    return np.array([*np.clip(values, -4, 4), *known], np.float32)
