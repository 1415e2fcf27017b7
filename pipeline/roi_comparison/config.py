"""Settings of a comparison of ROIs."""

from __future__ import annotations

from pydantic import Field

from cohort.eligibility import EligibilityCriteria
from osteolens.config import StrictConfig


class ComparisonConfig(StrictConfig):
    """How manual and automatic ROIs are compared."""

    criteria: EligibilityCriteria = Field(default_factory=EligibilityCriteria, description="who is compared")
    margin: float = Field(0.02, ge=0, le=0.5, description="non-inferiority margin of the AUC")
    fewest_cases: int = Field(10, ge=2, description="cases, and others, below which nothing is said of non-inferiority")
    bootstrap_draws: int = Field(500, ge=20, le=100_000, description="resamples of the studies")
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
    manual_seconds: float | None = Field(
        None, ge=0, description="time that a reader takes for a study, to say what the detector saves"
    )


DEFAULT_COMPARISON = ComparisonConfig()
