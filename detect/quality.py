"""What a detection lacks before its boxes may be classified: refusals, and warnings for the reader."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph, SpacingSource
from detect.config import DetectConfig

BODY_WIDTH_MM = (25.0, 85.0)
"""Plausible width of a lumbar ROI, magnified; Clouthier 2023 gives bodies of 39-59 mm."""


IMPLANT = "implant"
"""Refusal code for metal or cement at L1-L4."""

METAL_RISE = 0.35
"""How much brighter than its surroundings metal is, on the image's scale of 0 to 1."""


def metal_share(pixels: npt.NDArray[np.float32], detection: SpineDetection) -> float:
    """Share of the column of L1-L4 that is far brighter than its surroundings and wider than any cortex.

    An opening by 6 % of a body's width (about 3 mm) removes cortical lines; what then stands METAL_RISE above the
    median of the surrounding body's width is metal or cement. Screws reach behind the bodies, so a lateral column is
    widened.

    Args:
        pixels: (rows, columns) in [0, 1].
        detection: boxes of that image.
    """
    boxes = np.array([box.corners for box in detection.boxes if box.level in TARGET_LEVELS])
    if not len(boxes):
        return 0.0
    width = float(np.mean(boxes[:, 2] - boxes[:, 0]))
    margin = 0.15 * width
    wide = 0.8 * width if detection.view is View.LATERAL else margin
    x0, y0 = np.maximum(boxes[:, :2].min(0) - (wide, margin), 0).astype(int)
    x1, y1 = (boxes[:, 2:].max(0) + np.array((wide, margin))).astype(int)
    column = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    opening = max(3, round(0.06 * width) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (opening, opening))
    thick = cv2.morphologyEx(column, cv2.MORPH_OPEN, kernel)
    around = cv2.medianBlur(np.round(column * 255).astype(np.uint8), max(3, int(1.1 * width) | 1))
    return float(np.mean(thick - around.astype(np.float32) / 255 > METAL_RISE))


def refusal_of(
    detection: SpineDetection | None, radiograph: Radiograph, config: DetectConfig, min_confidence: float
) -> tuple[str, str] | None:
    """(code, reason) why a view cannot be used, or None. The code IMPLANT holds for the whole study."""
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
    metal = metal_share(radiograph.pixels, detection)
    limit = config.max_metal_ap if detection.view is View.AP else config.max_metal_lateral
    if metal > limit:
        return IMPLANT, (
            f"{detection.view}: {100 * metal:.1f} % of the column of L1-L4 looks like metal or cement, at most "
            f"{100 * limit:.1f} % expected; implants are excluded, since they hide bone"
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
