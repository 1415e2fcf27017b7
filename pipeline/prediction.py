"""What screening says of one study, and the JSON contract of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.findings import CobbAngle, VertebraFinding
from cohort.rejection import LevelReason
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from osteolens.atomic import write_whole
from osteolens.json_document import json_ready
from osteolens.text import visible

TO_BE_CONFIRMED = "suspected, to be confirmed by a reader"
"""What every finding says of itself."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a study gets no class: a result with a reason, never an exception."""

    code: str
    reason: str


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
class ViewResult:
    """One image of a study and what was found in it.

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
    vertebrae: dict[VertebralLevel, VertebraFinding] = field(default_factory=dict)
    cobb: CobbAngle | None = None
    anterior_left: bool | None = None

    @property
    def used(self) -> tuple[VertebralLevel, ...]:
        """Those of L1-L4 that may be classified on."""
        return tuple(level for level in TARGET_LEVELS if level not in self.left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Result of one study.

    Attributes:
        study_uid: safe identifier; also the name of its files.
        patient_id: as given.
        bmd_class: most probable class, None when rejected.
        probabilities: by class, empty when rejected.
        views: what was found in each view.
        images: every image of the study and what became of it.
        warnings: things a reader should know.
        rejection: reason for no class, or None.
        failure: why the study could not be screened at all, or None.
        model: identifiers and hashes of the weights.
        covariates: values used, None where unknown.
        t_score: estimate of the L1-L4 T-score, None when rejected.
        prediction_set: classes that hold the truth with the weights' stated coverage, empty when rejected.
        decision: whether osteoporosis is likely, unlikely or undecided at the weights' predictive values, or None.
        input_ablation: probabilities by the paper's models (`SIX` of published.py) from a part of the inputs,
            if asked for.
    """

    study_uid: str
    patient_id: str
    model: dict[str, str]
    covariates: dict[str, float | str | None]
    bmd_class: BmdClass | None = None
    probabilities: dict[BmdClass, float] = field(default_factory=dict)
    views: dict[View, ViewResult] = field(default_factory=dict)
    images: tuple[ImageRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    rejection: Rejection | None = None
    failure: str | None = None
    t_score: float | None = None
    prediction_set: tuple[BmdClass, ...] = ()
    decision: str | None = None
    input_ablation: dict[str, dict[BmdClass, float]] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Screened, rejected or failed."""
        if self.failure is not None:
            return Status.FAILED
        return Status.SCREENED if self.rejection is None else Status.REJECTED

    @property
    def suspected_fractures(self) -> dict[VertebralLevel, VertebraFinding]:
        """Levels with a suspected fracture."""
        lateral = self.views.get(View.LATERAL)
        return {} if lateral is None else {level: v for level, v in lateral.vertebrae.items() if v.suspected}

    def as_json(self) -> dict[str, Any]:
        """The contract of docs/reference/data-formats.md; coordinates in pixels of the original image."""
        return {
            "study_uid": self.study_uid,
            "patient_id": visible(self.patient_id),
            "status": self.status.value,
            "bmd_class": self.bmd_class.value if self.bmd_class else None,
            "probabilities": _shares_json(self.probabilities) if self.probabilities else None,
            "t_score_estimate": None if self.t_score is None else round(self.t_score, 2),
            "prediction_set": [c.value for c in self.prediction_set],
            "decision": self.decision,
            "findings": self._findings_json(),
            "views": {view.value: _view_json(shown) for view, shown in self.views.items()},
            "images": [
                {
                    "path": visible(image.path),
                    "role": image.role.value if image.role else None,
                    "view": image.view.value if image.view else None,
                    "outcome": image.outcome.value,
                    "reason": visible(image.reason),
                    "sha256": image.sha256 or None,
                }
                for image in self.images
            ],
            "covariates": self.covariates,
            "warnings": [visible(warning) for warning in self.warnings],
            "rejection": {"code": str(self.rejection.code), "reason": visible(self.rejection.reason)}
            if self.rejection
            else None,
            "failure": None if self.failure is None else visible(self.failure),
            "model": self.model,
            **(
                {"input_ablation": {name: _shares_json(own) for name, own in self.input_ablation.items()}}
                if self.input_ablation
                else {}
            ),
        }

    def _findings_json(self) -> dict[str, Any]:
        frontal, lateral = self.views.get(View.AP), self.views.get(View.LATERAL)
        cobb = frontal.cobb if frontal is not None else None
        return {
            "suspected_fractures": [level.value for level in self.suspected_fractures],
            "vertebrae": [] if lateral is None else [_vertebra_json(v, lateral) for v in lateral.vertebrae.values()],
            "cobb": None
            if cobb is None
            else {"degrees": round(cobb.degrees, 1), "upper": cobb.upper.value, "lower": cobb.lower.value},
            "note": TO_BE_CONFIRMED,
        }


def _vertebra_json(own: VertebraFinding, view: ViewResult) -> dict[str, Any]:
    """Heights in mm where the pixel spacing is known, else in pixels; a ratio has no unit."""
    heights, scale = own.heights, view.pixel_spacing_mm[0] if view.pixel_spacing_mm else 1.0
    return {
        "level": own.level.value,
        "unit": "mm" if view.pixel_spacing_mm else "px",
        "anterior_height": round(scale * heights.anterior, 1),
        "middle_height": round(scale * heights.middle, 1),
        "posterior_height": round(scale * heights.posterior, 1),
        "anterior_to_posterior": round(heights.anterior / max(heights.posterior, 1e-6), 3),
        "middle_to_posterior": round(heights.middle / max(heights.posterior, 1e-6), 3),
        "posterior_to_neighbours": round(1 - heights.crush, 3),
        "height_loss": round(own.height_loss, 3),
        "genant_grade": own.genant_grade,
        "confidence": round(own.confidence, 3),
        "suspected": own.suspected,
    }


def _shares_json(probabilities: dict[BmdClass, float]) -> dict[str, float]:
    return {c.value: round(probabilities[c], 4) for c in BMD_CLASSES}


def _view_json(shown: ViewResult) -> dict[str, Any]:
    found = shown.detection
    return {
        "image": visible(shown.image),
        "rows": found.image_shape[0],
        "columns": found.image_shape[1],
        "pixel_spacing_mm": list(shown.pixel_spacing_mm) if shown.pixel_spacing_mm else None,
        "anterior": None if shown.anterior_left is None else "left" if shown.anterior_left else "right",
        "labelling_margin": round(min(found.labelling_margin, 99.0), 3),
        "levels": {
            level.value: {
                "used": level not in shown.left_out,
                **({"code": why.code.value, "reason": why.reason} if (why := shown.left_out.get(level)) else {}),
            }
            for level in TARGET_LEVELS
        },
        "boxes": [
            {
                "level": box.level.value,
                **{name: round(value, 1) for name, value in zip(("x0", "y0", "x1", "y1"), box.corners, strict=True)},
                "confidence": round(box.confidence, 3),
                **({} if box.height_loss is None else {"height_loss": round(box.height_loss, 3)}),
            }
            for box in found.boxes
        ],
    }


@lru_cache(maxsize=1)
def prediction_schema() -> dict[str, Any]:
    """JSON Schema of one study's file."""
    loaded: dict[str, Any] = json.loads((files("pipeline") / "prediction.schema.json").read_text("utf-8"))
    return loaded


def validate_prediction(document: dict[str, Any]) -> None:
    """Check a document against the schema.

    Raises:
        jsonschema.ValidationError: it does not fit.
    """
    jsonschema.validate(document, prediction_schema())


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write whole or not at all.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    write_whole(path, json.dumps(json_ready(document), indent=1, ensure_ascii=False, allow_nan=False))
