"""Settings of a recalibration."""

from __future__ import annotations

from pydantic import Field

from cohort.eligibility import EligibilityCriteria
from cohort.splits import SiteSplits
from osteolens.config import StrictConfig


class RecalibrationConfig(StrictConfig):
    """Whom a calibration is fitted anew on, and how it is judged."""

    criteria: EligibilityCriteria = Field(default_factory=EligibilityCriteria, description="who is fitted on")
    sites: SiteSplits = Field(default_factory=SiteSplits, description="what sites are for, where no column says")
    fewest_patients: int = Field(60, ge=40, description="patients below which nothing is fitted")
    fewest_of_a_class: int = Field(10, ge=5, description="patients of each class below which nothing is fitted")
    folds: int = Field(
        10,
        ge=2,
        le=50,
        description="parts of the patients that are left out of a fit in turn, at most as many as the rarest class has",
    )
    seed: int = Field(0, ge=0, description="seed of the folds and of the bootstrap")
    bootstrap_draws: int = Field(1000, ge=20, le=100_000, description="resamples of patients for intervals")


DEFAULT_RECALIBRATION = RecalibrationConfig()
