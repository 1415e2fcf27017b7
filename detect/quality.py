"""What a detection lacks before its boxes may be classified: refusals, and warnings for the reader."""

from __future__ import annotations

import numpy as np

from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph, SpacingSource
from detect.config import DetectConfig

BODY_WIDTH_MM = (25.0, 85.0)
"""Plausible width of a lumbar ROI, magnified; Clouthier 2023 gives bodies of 39-59 mm."""


def refusal_of(detection: SpineDetection | None, min_confidence: float) -> tuple[str, str] | None:
    """(code, reason) why a view cannot be used, or None."""
    if detection is None:
        return "no_spine", "no chain of lumbar vertebral bodies in either view; expected an AP or lateral lumbar film"
    if detection.missing:
        names = ", ".join(level.value for level in detection.missing)
        found = ", ".join(box.level.value for box in detection.boxes)
        return "missing_level", f"no body found for {names} (found {found}); expected L1 to L4 in the field"
    boxes = [box for box in detection.boxes if box.level in TARGET_LEVELS]
    confidence = float(np.mean([box.confidence for box in boxes]))
    if confidence < min_confidence:
        return "low_confidence", (
            f"mean box confidence of L1-L4 is {confidence:.2f}, expected {min_confidence:.2f} or more; "
            "is it a lumbar radiograph?"
        )
    return None


def warnings_of(detection: SpineDetection, radiograph: Radiograph, config: DetectConfig) -> list[str]:
    """Things to know about a usable view."""
    found = []
    view = detection.view.value
    if radiograph.view is not None and radiograph.view is not detection.view:
        found.append(f"{view}: the file says {radiograph.view.value}, the image shows {view}; the image is believed")
    if detection.naming_margin < config.warn_margin:
        found.append(f"{view}: levels are named with little margin ({detection.naming_margin:.2f}); check them")
    if radiograph.spacing_source is SpacingSource.NONE:
        found.append(f"{view}: no pixel spacing; sizes cannot be checked")
    elif radiograph.pixel_spacing_mm is not None:
        widths = [b.x1 - b.x0 for b in detection.boxes if b.level in TARGET_LEVELS]
        width = float(np.mean(widths)) * radiograph.pixel_spacing_mm[1]
        if detection.view is View.AP and not BODY_WIDTH_MM[0] <= width <= BODY_WIDTH_MM[1]:
            found.append(f"{view}: mean body width {width:.0f} mm is implausible; check the pixel spacing")
    return found
