"""Results of earlier versions: files of format 1, which hold no key `format`, in the keys and words of format 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classify.calibration import Decision
from cohort.rejection_codes import LITTLE_MARGIN, LevelCode, RejectionCode
from cohort.spine import TARGET_LEVELS

_NEW_KEYS = {"refusal": "rejection", "subsets": "input_ablation", "naming_margin": "labelling_margin"}
_NEW_WORDS = {
    "refused": "rejected",
    "usable, but the study was refused": "usable, but the study was rejected",
    "doubtful_levels": RejectionCode.AMBIGUOUS_LEVELS.value,
    "osteoporosis likely": Decision.RULED_IN.value,
    "osteoporosis unlikely": Decision.RULED_OUT.value,
    "undecided": Decision.INDETERMINATE.value,
    "doubtful": LevelCode.LOW_CONFIDENCE.value,
}
_OLD_MARGIN = "levels are named with little margin"
_ADDED: dict[str, object] = {
    "bmd_class": None,
    "t_score_estimate": None,
    "prediction_set": [],
    "decision": None,
    "findings": {},
    "images": [],
    "covariates": {},
    "warnings": [],
    "failure": None,
    "model": {},
}
_ADDED_TO_FAILED: dict[str, object] = {"patient_id": "", "probabilities": None, "views": {}, "rejection": None}
_ADDED_PARTS: dict[str, dict[str, object]] = {
    "findings": {"suspected_fractures": [], "vertebrae": [], "cobb": None, "note": ""},
    "covariates": {"age_years": None, "sex": None, "bmi_kg_m2": None},
    "model": {"version": "unknown", "settings": "unknown"},
}
_ADDED_TO_VIEWS = {
    "image": "",
    "pixel_spacing_mm": None,
    "anterior": None,
    "labelling_margin": 99.0,
    "levels": {level.value: {"used": True} for level in TARGET_LEVELS},
}


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of format 1 in the keys and words of format 2; what earlier versions did not write yet is empty."""
    renamed = _renamed(document)
    failed = renamed.get("status") == "failed"
    new = {**_ADDED, **(_ADDED_TO_FAILED if failed else {}), **renamed, "format": 2}
    if "status" not in new:
        new["status"] = "rejected" if new.get("rejection") is not None else "screened"
    for key, added in _ADDED_PARTS.items():
        new[key] = _with(new[key], added)
    if isinstance(views := new.get("views"), dict):
        new["views"] = {view: _with(part, _ADDED_TO_VIEWS) for view, part in views.items()}
    return new


def _with(part: Any, added: Mapping[str, object]) -> Any:
    return {**added, **part} if isinstance(part, dict) else part


def _renamed(value: Any, key: str = "") -> Any:
    """Keys, codes and words of format 1 as format 2 spells them, however deep they lie."""
    if isinstance(value, dict):
        return {_NEW_KEYS.get(name, name): _renamed(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, key) for part in value]
    if not isinstance(value, str):
        return value
    if key in ("status", "code", "outcome", "decision"):
        return _NEW_WORDS.get(value, value)
    if key == "reason" and ": " in value:
        code, text = value.split(": ", 1)
        return f"{_NEW_WORDS.get(code, code)}: {text}"
    return value.replace(_OLD_MARGIN, LITTLE_MARGIN) if key == "warnings" else value
