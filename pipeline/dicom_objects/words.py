"""What every object says of a result in words."""

from __future__ import annotations

from pipeline.dicom_objects.equipment import software_version
from pipeline.prediction import Prediction, Status

RESEARCH_USE = "estimated, research use"
"""What every object says of itself."""

MOST_WARNINGS = 8
"""Warnings that an object repeats; the others are counted."""


def result_lines(prediction: Prediction) -> list[str]:
    """Class, probabilities, T-score, prediction set, decision and warnings, or why there is no class, a line each."""
    if prediction.status is not Status.SCREENED:
        return [_why(prediction), *_last_lines(prediction)]
    lines = [f"class: {prediction.bmd_class}"]
    lines.append("probabilities: " + ", ".join(f"{c} {p:.2f}" for c, p in prediction.probabilities.items()))
    if prediction.t_score is not None:
        lines.append(f"T-score of L1-L4, estimated: {prediction.t_score:.1f}")
    return [*lines, *_further_lines(prediction), *_last_lines(prediction)]


def beside_overlay(prediction: Prediction) -> list[str]:
    """Prediction set and warnings; what else there is to say stands on the overlay."""
    return [*_set_line(prediction), *_warning_lines(prediction)]


def _set_line(prediction: Prediction) -> list[str]:
    return ["prediction set: " + ", ".join(prediction.prediction_set)] if prediction.prediction_set else []


def _further_lines(prediction: Prediction) -> list[str]:
    lines = _set_line(prediction)
    if prediction.decision is not None:
        lines.append(f"decision: {prediction.decision}")
    suspected = prediction.suspected_fractures
    if suspected:
        grades = ", ".join(f"{level} grade {vertebra.genant_grade}" for level, vertebra in suspected.items())
        lines.append(f"fracture suspected, to be confirmed by a reader: {grades}")
    return lines


def _warning_lines(prediction: Prediction) -> list[str]:
    lines = [f"warning: {text}" for text in prediction.warnings[:MOST_WARNINGS]]
    if len(prediction.warnings) > MOST_WARNINGS:
        lines.append(f"and {len(prediction.warnings) - MOST_WARNINGS} more warnings")
    return lines


def _last_lines(prediction: Prediction) -> list[str]:
    version = f"OsteoLens {software_version()}, weights {prediction.model.version}"
    return [*_warning_lines(prediction), f"{version}: {RESEARCH_USE}, not a medical device"]


def _why(prediction: Prediction) -> str:
    if prediction.rejection is not None:
        return f"rejected, no class ({prediction.rejection.code}): {prediction.rejection.reason}"
    return f"failed, no class: {prediction.failure}"
