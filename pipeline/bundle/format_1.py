"""Manifests of format 1, which told the classifier's inputs in the settings of its training alone."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULTS: Mapping[str, object] = {"views": ["AP", "LATERAL"], "covariates": True, "pooled": "all"}
"""Settings of format 1 that a manifest may leave out."""

CROPS = {"column": 1, "vertebra": 4}
"""Crops a view by the kind of ROI."""


def upgraded(document: Mapping[str, object]) -> dict[str, object]:
    """A manifest of format 1 in the fields of format 2; what is malformed stays as it is, for its type to name."""
    new: dict[str, object] = {**document, "format": 2}
    models = document.get("models")
    part = models.get("classifier") if isinstance(models, dict) else None
    if isinstance(models, dict) and isinstance(part, dict):
        new["models"] = {**models, "classifier": {**inference_of(part), **part}}
    return new


def inference_of(part: Mapping[str, object]) -> dict[str, object]:
    """What inference needs, as far as the settings of a classifier's training tell it."""
    settings, preprocess = part.get("settings"), part.get("preprocess")
    if not isinstance(settings, dict) or not isinstance(preprocess, dict):
        return {}
    crops = CROPS.get(str(preprocess.get("roi", "column")))
    network = {**DEFAULTS, **{name: settings[name] for name in DEFAULTS if name in settings}, "crops": crops}
    schedule = settings.get("resolution_schedule", settings.get("stages"))
    if isinstance(schedule, list) and schedule and isinstance(schedule[-1], list) and schedule[-1]:
        return {"network": network, "working_px": schedule[-1][0]}
    return {"network": network}
