"""What screening says of one study, and the JSON contract of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from cohort.spine import SpineDetection, View
from cohort.study import BMD_CLASSES, BmdClass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a study gets no class: a result with a reason, never an exception."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScreenedView:
    """One image of a study and what was found in it."""

    image: str
    detection: SpineDetection
    pixel_spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Result of one study.

    Attributes:
        study_uid: safe identifier; also the name of its files.
        patient_id: as given.
        bmd_class: most probable class, None when refused.
        probabilities: by class, empty when refused.
        views: what was found in each view.
        warnings: things a reader should know.
        refusal: reason for no class, or None.
        model: identifiers and hashes of the weights.
        covariates: values used, None where unknown.
        t_score: estimate of the L1-L4 T-score, None when refused.
        prediction_set: classes that hold the truth with the weights' stated coverage, empty when refused.
        decision: whether osteoporosis is likely, unlikely or undecided at the weights' predictive values, or None.
        subsets: probabilities by the paper's models (`pipeline.paper.SIX`) from a part of the inputs, if asked for.
    """

    study_uid: str
    patient_id: str
    bmd_class: BmdClass | None
    probabilities: dict[BmdClass, float]
    views: dict[View, ScreenedView]
    warnings: tuple[str, ...]
    refusal: Refusal | None
    model: dict[str, str]
    covariates: dict[str, float | str | None]
    t_score: float | None = None
    prediction_set: tuple[BmdClass, ...] = ()
    decision: str | None = None
    subsets: dict[str, dict[BmdClass, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The contract of docs/data-format.md; coordinates in pixels of the original image."""
        return {
            "study_uid": self.study_uid,
            "patient_id": self.patient_id,
            "bmd_class": self.bmd_class.value if self.bmd_class else None,
            "probabilities": _shares_json(self.probabilities) if self.probabilities else None,
            "t_score_estimate": None if self.t_score is None else round(self.t_score, 2),
            "prediction_set": [c.value for c in self.prediction_set],
            "decision": self.decision,
            "views": {view.value: _view_json(shown) for view, shown in self.views.items()},
            "covariates": self.covariates,
            "warnings": list(self.warnings),
            "refusal": {"code": self.refusal.code, "reason": self.refusal.reason} if self.refusal else None,
            "model": self.model,
            **({"subsets": {name: _shares_json(own) for name, own in self.subsets.items()}} if self.subsets else {}),
        }


def _shares_json(probabilities: dict[BmdClass, float]) -> dict[str, float]:
    return {c.value: round(probabilities[c], 4) for c in BMD_CLASSES}


def _view_json(shown: ScreenedView) -> dict[str, Any]:
    found = shown.detection
    return {
        "image": shown.image,
        "rows": found.image_shape[0],
        "columns": found.image_shape[1],
        "pixel_spacing_mm": list(shown.pixel_spacing_mm) if shown.pixel_spacing_mm else None,
        "naming_margin": round(min(found.naming_margin, 99.0), 3),
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
    """Write whole or not at all: a temporary file, then a rename."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
