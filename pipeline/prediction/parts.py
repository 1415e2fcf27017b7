"""Parts of a study's result: rejection, images, views, and the identifiers of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cohort.covariates import Covariates
from cohort.findings import CobbAngle, VertebraFinding
from cohort.rejection_codes import LevelReason
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View


class Status(StrEnum):
    """How a study ended."""

    SCREENED = "screened"
    REJECTED = "rejected"
    FAILED = "failed"


class ImageOutcome(StrEnum):
    """What became of an image."""

    CLASSIFIED = "classified"
    NOT_CLASSIFIED = "usable, but the study was rejected"
    LEFT_OUT = "left out"
    UNREADABLE = "unreadable"
    NOT_USED = "not used"


class LengthUnit(StrEnum):
    """Of heights: at the detector plane where the pixel spacing is known, else pixels."""

    MILLIMETRE = "mm"
    PIXEL = "px"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentifiers:
    """Identifiers of the weights, settings and manual ROIs of a result.

    Attributes:
        version: of the weights.
        settings: digest of the settings.
        hashes: start of the SHA-256 of each weights file, by its name.
        rois: digest of the manual ROIs that were classified on, or None.
    """

    version: str
    settings: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    rois: str | None = None

    def as_json(self) -> dict[str, str]:
        """One flat object."""
        rois = {} if self.rois is None else {"rois": self.rois}
        return {"version": self.version, **self.hashes, "settings": self.settings, **rois}

    @classmethod
    def from_json(cls, document: Mapping[str, str]) -> ModelIdentifiers:
        """From that object."""
        named = ("version", "settings", "rois")
        return cls(
            version=document["version"],
            settings=document["settings"],
            hashes={name: value for name, value in document.items() if name not in named},
            rois=document.get("rois"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One image of a study and what became of it.

    Attributes:
        path: of the file, from the folder that was screened.
        role: the view that its header, name or table gives it, or None.
        view: the view that the image shows, None where none was found.
        outcome: what became of it.
        reason: why, where it was not classified on.
        sha256: digest of the file, empty where it cannot be read.
    """

    path: str
    role: View | None
    view: View | None
    outcome: ImageOutcome
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredVertebra:
    """Heights of one of L1-L4 in a lateral view, as a result tells them.

    Attributes:
        level: of the body.
        unit: of the heights; a ratio has none.
        anterior_height: at the front.
        middle_height: in the middle.
        posterior_height: at the back.
        anterior_to_posterior: ratio of heights.
        middle_to_posterior: ratio of heights.
        posterior_to_neighbours: ratio of its back to the neighbours' backs.
        height_loss: fraction of the height that a compression took.
        genant_grade: 1 to 3 where a fracture is suspected, else 0.
        confidence: probability that a fifth or more of the height is lost.
        suspected: whether a fracture is suspected.
    """

    level: VertebralLevel
    unit: LengthUnit
    anterior_height: float
    middle_height: float
    posterior_height: float
    anterior_to_posterior: float
    middle_to_posterior: float
    posterior_to_neighbours: float
    height_loss: float
    genant_grade: int
    confidence: float
    suspected: bool

    @classmethod
    def of(cls, finding: VertebraFinding, pixel_spacing_mm: tuple[float, float] | None) -> MeasuredVertebra:
        """Heights in mm where the pixel spacing is known, else in pixels."""
        heights, scale = finding.heights, pixel_spacing_mm[0] if pixel_spacing_mm else 1.0
        posterior = max(heights.posterior, 1e-6)
        return cls(
            level=finding.level,
            unit=LengthUnit.MILLIMETRE if pixel_spacing_mm else LengthUnit.PIXEL,
            anterior_height=scale * heights.anterior,
            middle_height=scale * heights.middle,
            posterior_height=scale * heights.posterior,
            anterior_to_posterior=heights.anterior / posterior,
            middle_to_posterior=heights.middle / posterior,
            posterior_to_neighbours=1 - heights.crush,
            height_loss=finding.height_loss,
            genant_grade=finding.genant_grade,
            confidence=finding.confidence,
            suspected=finding.suspected,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewResult:
    """One image of a study with its boxes, levels and findings.

    Attributes:
        image: name of its file.
        detection: level-labelled boxes.
        pixel_spacing_mm: (row, column) or None.
        left_out: those of L1-L4 that were not classified on, and why.
        vertebrae: heights of L1-L4 in a lateral view.
        cobb: the largest angle between bodies of an AP view.
        anterior_left: whether the front of a lateral view lies at the left; None in an AP view.
    """

    image: str
    detection: SpineDetection
    pixel_spacing_mm: tuple[float, float] | None = None
    left_out: dict[VertebralLevel, LevelReason] = field(default_factory=dict)
    vertebrae: dict[VertebralLevel, MeasuredVertebra] = field(default_factory=dict)
    cobb: CobbAngle | None = None
    anterior_left: bool | None = None

    @property
    def used(self) -> tuple[VertebralLevel, ...]:
        """Those of L1-L4 that may be classified on."""
        return tuple(level for level in TARGET_LEVELS if level not in self.left_out)

    @property
    def boxes(self) -> dict[VertebralLevel, VertebraBox]:
        """Level-labelled boxes by level, from the head downwards."""
        return {box.level: box for box in self.detection.boxes}


def stored_covariates(covariates: Covariates) -> Covariates:
    """Age, sex and BMI as a result stores them: the BMI to two decimals, what is no number as unknown."""
    bmi = _finite(covariates.bmi_kg_m2)
    return Covariates(
        age_years=_finite(covariates.age_years),
        sex=covariates.sex,
        bmi_given=None if bmi is None else round(bmi, 2),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
