"""Settings of a plausibility audit."""

from __future__ import annotations

from pydantic import Field

from cohort.eligibility import EligibilityCriteria
from osteolens.config import StrictConfig


class AuditConfig(StrictConfig):
    """Who is audited, and how much is measured."""

    criteria: EligibilityCriteria = Field(default_factory=EligibilityCriteria, description="criteria of eligibility")
    image_studies: int = Field(
        1000, ge=1, description="most eligible studies whose images are read for the search of shortcuts"
    )
    young_adults: int = Field(150, ge=2, description="women, and as many men, of 20 to 40 years whose DXA is simulated")


DEFAULT_AUDIT = AuditConfig()
