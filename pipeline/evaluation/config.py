"""Settings of an evaluation."""

from __future__ import annotations

from pydantic import Field

from cohort.eligibility import EligibilityCriteria
from osteolens.config import StrictConfig


class EvaluationConfig(StrictConfig):
    """Who is evaluated, and how."""

    criteria: EligibilityCriteria = Field(default_factory=EligibilityCriteria, description="who is evaluated")
    bootstrap_draws: int = Field(2000, ge=1, le=100_000, description="resamples of the studies for the macro AUC")
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
    sensitivity: float = Field(0.90, gt=0, lt=1, description="sensitivity of the second operating point")
    fewest_cases: int = Field(10, ge=2, description="cases, and others, below which a subgroup has no AUC")


DEFAULT_EVALUATION = EvaluationConfig()
