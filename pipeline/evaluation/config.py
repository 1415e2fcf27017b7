"""Settings of an evaluation."""

from __future__ import annotations

from pydantic import Field, field_validator

from cohort.eligibility import EligibilityCriteria
from cohort.splits import SiteSplits
from osteolens.config import StrictConfig

DECISION_THRESHOLDS = (0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50)
"""Probabilities of osteoporosis from which a patient is sent to DXA."""


class EvaluationConfig(StrictConfig):
    """Who is evaluated, and how."""

    criteria: EligibilityCriteria = Field(default_factory=EligibilityCriteria, description="who is evaluated")
    sites: SiteSplits = Field(default_factory=SiteSplits, description="what sites are for, where no column says")
    bootstrap_draws: int = Field(2000, ge=20, le=100_000, description="resamples for macro AUC and net benefit")
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
    sensitivity: float = Field(0.90, gt=0, lt=1, description="sensitivity that thresholds are to reach")
    fewest_cases: int = Field(10, ge=2, description="cases, and others, below which a subgroup has no AUC and test")
    prevalence: float | None = Field(
        None, gt=0, lt=1, description="of osteoporosis where the result is to be used, for PPV and NPV there"
    )
    predictive_value: float = Field(
        0.95, gt=0.5, lt=1, description="PPV and NPV that thresholds are to reach on other studies"
    )
    decision_thresholds: tuple[float, ...] = Field(
        DECISION_THRESHOLDS, min_length=1, description="probabilities of osteoporosis at which net benefit is given"
    )
    planned_half_width: float = Field(
        0.05, gt=0, lt=0.5, description="half-width of the intervals of a planned study's sensitivity and specificity"
    )
    planned_auc_half_width: float = Field(0.03, gt=0, lt=0.5, description="half-width of its AUC's interval")
    planned_margin: float = Field(0.05, gt=0, lt=0.5, description="AUC by which another method may be inferior there")
    planned_correlation: float = Field(0.5, ge=0, lt=1, description="of the AUCs of both methods on the same studies")

    @field_validator("decision_thresholds")
    @classmethod
    def _above_zero_and_below_one(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if outside := [threshold for threshold in thresholds if not 0 < threshold < 1]:
            raise ValueError(f"{outside[0]:g} is no threshold; expected probabilities above 0 and below 1")
        return thresholds


DEFAULT_EVALUATION = EvaluationConfig()
