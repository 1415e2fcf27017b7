"""Codes and types of rejections and of levels that are left out; `detect/quality_control.py` decides them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class _Code(StrEnum):
    """A code and what it means: `NAME = "code", "meaning"`."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> _Code:
        """The text of the code, which knows its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class RejectionCode(_Code):
    """Why an image, or the study, gets no class; each member knows its `meaning`."""

    NO_SPINE = "no_spine", "no chain of vertebral bodies was found"
    NOT_LUMBAR = "not_lumbar", "the image shows no lumbar spine: too few bodies, a chest, or no vertebral bodies at all"
    INVERTED = "inverted", "bones are darker than the soft tissue beside them; rejects the study"
    TOO_FEW_LEVELS = "too_few_levels", "fewer of L1-L4 can be used than `detection.min_levels`, two by default"
    AMBIGUOUS_LEVELS = "ambiguous_levels", "the labelling margin is below `detection.min_margin`: L1 cannot be told"
    LOW_CONFIDENCE = "low_confidence", "the mean box confidence of L1-L4 is below `min_confidence`"
    EXPOSURE = "exposure", "the column of L1-L4 is mostly noise, or clipped"
    SCOLIOSIS = "scoliosis", "the Cobb angle is above `detection.max_cobb_deg`; rejects the study"
    COVARIATES = "covariates", "age or BMI is outside what an adult can have"
    NO_VIEW = "no_view", "the weights take none of the views that the study has"
    NO_ROI = "no_roi", "the table of manual ROIs lacks boxes of L1-L4 for the image"
    ANOTHER_IMAGE = "another_image", "another image of the same view is fitter and is used; rejects the image alone"


class LevelCode(_Code):
    """Why one of L1-L4 is left out; each member knows its `meaning`."""

    NOT_FOUND = "not_found", "no body was found at the level"
    CUT = "cut", "the border of the image cuts the body"
    LOW_CONFIDENCE = "low_confidence", "the box confidence is below `detection.min_level_confidence`"
    METAL = "metal", "metal or cement lies over the body; leaves the level out of both views"
    FRACTURE = "suspected_fracture", "a compression fracture is suspected; leaves the level out of both views"


WHOLE_STUDY = (RejectionCode.SCOLIOSIS, RejectionCode.INVERTED)
"""Codes found in one view that reject the study, not the view alone: what inverts one radiograph most likely inverts
the other, where it may go unseen."""

WHOLE_VERTEBRA = (LevelCode.METAL, LevelCode.FRACTURE)
"""Codes found in one view that leave a level out of the other view too: they are of the vertebra, not of the image."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an image or a study gets no class: a result with a reason, never an exception."""

    code: RejectionCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReason:
    """Why a level is left out: a code and what was measured."""

    code: LevelCode
    reason: str


SIX_LUMBAR = "six lumbar vertebrae?"
"""Words by which a warning of six lumbar vertebrae is known."""

LITTLE_MARGIN = "levels are labelled with little margin"
"""Words by which a warning of a small labelling margin is known."""

LEVEL_WARNINGS = (SIX_LUMBAR, LITTLE_MARGIN)
"""Words by which warnings of doubtful labels are known."""
