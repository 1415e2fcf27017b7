"""Why a view or a study gets no class, why a level is left out, and the words of warnings that are counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RejectionCode(StrEnum):
    """Why a view, or the study, gets no class."""

    NO_SPINE = "no_spine"
    NOT_LUMBAR = "not_lumbar"
    INVERTED = "inverted"
    TOO_FEW_LEVELS = "too_few_levels"
    AMBIGUOUS_LEVELS = "ambiguous_levels"
    LOW_CONFIDENCE = "low_confidence"
    EXPOSURE = "exposure"
    SCOLIOSIS = "scoliosis"
    COVARIATES = "covariates"
    NO_VIEW = "no_view"
    NO_ROI = "no_roi"
    ANOTHER_IMAGE = "another_image"


class LevelCode(StrEnum):
    """Why one of L1-L4 is left out."""

    NOT_FOUND = "not_found"
    CUT = "cut"
    LOW_CONFIDENCE = "low_confidence"
    METAL = "metal"
    FRACTURE = "suspected_fracture"


WHOLE_STUDY = (RejectionCode.SCOLIOSIS, RejectionCode.INVERTED)
"""Codes found in one view that refuse the study, not the view alone: what inverts one film most likely inverts the
other, where it may go unseen."""

WHOLE_VERTEBRA = (LevelCode.METAL, LevelCode.FRACTURE)
"""Codes found in one view that leave a level out of the other view too: they are of the vertebra, not of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReason:
    """Why a level is left out: a code and what was measured."""

    code: LevelCode
    reason: str


SIX_LUMBAR = "six lumbar vertebrae?"


LITTLE_MARGIN = "levels are named with little margin"


LEVEL_WARNINGS = (SIX_LUMBAR, LITTLE_MARGIN)
"""Words by which warnings of a doubtful naming are known."""
