"""What a detection lacks before its boxes may be classified: refusals, and warnings for the reader."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph, SpacingSource
from detect.config import DetectConfig
from detect.levels import has_sixth_lumbar

BODY_WIDTH_MM = (25.0, 85.0)
"""Plausible width of a lumbar ROI, magnified; Clouthier 2023 gives bodies of 39-59 mm."""


IMPLANT = "implant"
"""Refusal code for metal or cement at L1-L4."""

SCOLIOSIS = "scoliosis"
"""Refusal code for a serious scoliosis, likewise."""

FRACTURE = "compression_fracture"
"""Refusal code for a suspected compression fracture of L1-L4, likewise."""

WHOLE_STUDY = (IMPLANT, SCOLIOSIS, FRACTURE)
"""Codes found in one view that refuse the study, not the view alone."""

SIX_LUMBAR = "six lumbar vertebrae?"
LITTLE_MARGIN = "levels are named with little margin"
LEVEL_WARNINGS = (SIX_LUMBAR, LITTLE_MARGIN)
"""Words by which warnings of a doubtful naming are known."""

AT_BORDER = 0.06
"""Distance from the border of the image, in heights of a box, at which a box reaches it."""

METAL_RISE = 0.35
"""How much brighter than its surroundings metal is, on the image's scale of 0 to 1."""

METAL_TEXTURE = 0.04
"""Standard deviation within metal, on the same scale, at most."""


def metal_share(pixels: npt.NDArray[np.float32], detection: SpineDetection) -> float:
    """Share of the column of L1-L4 that is far brighter than its surroundings and wider than any cortex.

    An opening by 6 % of a body's width (about 3 mm) removes cortical lines; what then stands METAL_RISE above the
    median of the surrounding body's width and has no texture of its own (a standard deviation below METAL_TEXTURE) is
    metal or cement; bone that a display equalised hard is as bright but never as smooth. Screws reach behind the
    bodies, so a lateral column is widened.

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
    window = (max(5, opening),) * 2
    variance = cv2.blur(column * column, window) - cv2.blur(column, window) ** 2
    bright = thick - around.astype(np.float32) / 255 > METAL_RISE
    return float(np.mean(bright & (variance < METAL_TEXTURE**2)))


EXPOSURE_BODY_PX = 72
"""Width of a body, in pixels, at which exposure is measured, so that fine and coarse detectors compare."""


def exposure_measures(pixels: npt.NDArray[np.float32], detection: SpineDetection) -> tuple[float, float]:
    """Detail and clipping of the column of L1-L4.

    Detail is the median of the absolute Laplacian over the standard deviation: quantum noise of a starved detector
    raises it, a saturated one has none. Clipping is the share of the column that is constant over 5 x 5 pixels.

    Args:
        pixels: (rows, columns) in [0, 1].
        detection: boxes of that image, L1-L4 among them.
    """
    boxes = np.array([box.corners for box in detection.boxes if box.level in TARGET_LEVELS])
    x0, y0 = np.maximum(boxes[:, :2].min(0), 0).astype(int)
    x1, y1 = boxes[:, 2:].max(0).astype(int)
    shrink = EXPOSURE_BODY_PX / float(np.mean(boxes[:, 2] - boxes[:, 0]))
    how = cv2.INTER_AREA if shrink < 1 else cv2.INTER_LINEAR
    column = cv2.resize(pixels[y0:y1, x0:x1], None, fx=shrink, fy=shrink, interpolation=how)
    middle, beside = column[1:-1, 1:-1], (column[:-2, 1:-1], column[2:, 1:-1], column[1:-1, :-2], column[1:-1, 2:])
    detail = float(np.median(np.abs(4 * middle - sum(beside)))) / max(float(column.std()), 1e-4)
    kernel = np.ones((5, 5), np.uint8)
    flat = float(np.mean(cv2.dilate(column, kernel) - cv2.erode(column, kernel) < 1e-6))
    return detail, flat


def curve_deg(detection: SpineDetection) -> float:
    """Spread of the spine's direction from box to box in an AP view: an estimate of the Cobb angle, T11 to L5."""
    boxes = [box for box in detection.boxes if box.level is not VertebralLevel.S1]
    centres = np.array([((b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2) for b in boxes])
    if len(centres) < 3:
        return 0.0
    steps = np.diff(centres, axis=0)
    return float(np.ptp(np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))))


def refusal_of(
    detection: SpineDetection | None, radiograph: Radiograph, config: DetectConfig, min_confidence: float
) -> tuple[str, str] | None:
    """(code, reason) why a view cannot be used, or None. Codes of WHOLE_STUDY refuse the study."""
    if detection is None:
        return "no_spine", "no chain of lumbar vertebral bodies in either view; expected an AP or lateral lumbar film"
    if detection.missing:
        names = ", ".join(level.value for level in detection.missing)
        found = ", ".join(box.level.value for box in detection.boxes)
        return "missing_level", f"no body found for {names} (found {found}); expected L1 to L4 in the field"
    return (
        _cut_off(detection, config.min_cut_height)
        or _doubtful(detection, config.min_margin, min_confidence)
        or _metal(detection, radiograph, config)
        or _poor_exposure(detection, radiograph, config)
        or _scoliosis(detection, config)
        or _fracture(detection, config.max_height_loss)
    )


def _doubtful(detection: SpineDetection, least_margin: float, least_confidence: float) -> tuple[str, str] | None:
    confidence = float(np.mean([box.confidence for box in detection.boxes if box.level in TARGET_LEVELS]))
    if confidence < least_confidence:
        return "low_confidence", (
            f"mean box confidence of L1-L4 is {confidence:.2f}, expected {least_confidence:.2f} or more; "
            "is it a lumbar radiograph?"
        )
    if detection.naming_margin < least_margin:
        return "doubtful_levels", (
            f"levels are named with a margin of {detection.naming_margin:.2f}, expected {least_margin:.2f} or more; "
            "is the field too short to count? A reader can name them with --shift-levels"
        )
    return None


def _metal(detection: SpineDetection, radiograph: Radiograph, config: DetectConfig) -> tuple[str, str] | None:
    metal = metal_share(radiograph.pixels, detection)
    limit = config.max_metal_ap if detection.view is View.AP else config.max_metal_lateral
    if metal <= limit:
        return None
    return IMPLANT, (
        f"{detection.view}: {100 * metal:.1f} % of the column of L1-L4 looks like metal or cement, at most "
        f"{100 * limit:.1f} % expected; implants are excluded, since they hide bone"
    )


def _cut_off(detection: SpineDetection, least: float) -> tuple[str, str] | None:
    """A body that the border of the image cuts: its box reaches the border and is lower than the others."""
    boxes = {box.level: box for box in detection.boxes if box.level in TARGET_LEVELS}
    for level in (TARGET_LEVELS[0], TARGET_LEVELS[-1]):
        usual = float(np.median([box.y1 - box.y0 for name, box in boxes.items() if name is not level]))
        own, rows = boxes[level], detection.image_shape[0]
        at_border = min(own.y0, rows - own.y1) < AT_BORDER * usual
        share = (own.y1 - own.y0) / usual
        if at_border and share < least:
            return "missing_level", (
                f"{level} is cut off by the border of the image (it has {100 * share:.0f} % of its neighbours' height, "
                f"at least {100 * least:.0f} % expected); expected L1 to L4 in the field"
            )
    return None


def _fracture(detection: SpineDetection, limit: float) -> tuple[str, str] | None:
    losses = {b.level: b.height_loss for b in detection.boxes if b.level in TARGET_LEVELS and b.height_loss is not None}
    level = max(losses, key=lambda k: losses[k], default=None)
    if level is None or losses[level] <= limit:
        return None
    return FRACTURE, (
        f"{level} seems to have lost {100 * losses[level]:.0f} % of its height, at most {100 * limit:.0f} % expected; "
        "compression fractures are excluded, and a fragility fracture calls for assessment whatever the density"
    )


def _poor_exposure(detection: SpineDetection, radiograph: Radiograph, config: DetectConfig) -> tuple[str, str] | None:
    detail, flat = exposure_measures(radiograph.pixels, detection)
    where = f"{detection.view}: the column of L1-L4"
    if detail > config.max_detail:
        return "exposure", (
            f"{where} is mostly noise (detail {detail:.2f} of its contrast, at most {config.max_detail:.2f} expected); "
            "underexposed films are excluded"
        )
    if detail < config.min_detail or flat > config.max_flat:
        return "exposure", (
            f"{where} is clipped (detail {detail:.3f}, {config.min_detail:.3f} or more expected; {100 * flat:.1f} % "
            f"without any structure, at most {100 * config.max_flat:.1f} % expected); overexposed films are excluded"
        )
    return None


def _scoliosis(detection: SpineDetection, config: DetectConfig) -> tuple[str, str] | None:
    curve = curve_deg(detection) if detection.view is View.AP else 0.0
    if curve <= config.max_curve_deg:
        return None
    return SCOLIOSIS, (
        f"the spine turns by {curve:.0f} degrees between its bodies, at most {config.max_curve_deg:.0f} expected; "
        "serious scoliosis is excluded"
    )


def warnings_of(detection: SpineDetection, radiograph: Radiograph, config: DetectConfig) -> list[str]:
    """Things to know about a usable view."""
    found = []
    view = detection.view.value
    if radiograph.view is not None and radiograph.view is not detection.view:
        found.append(f"{view}: the file says {radiograph.view.value}, the image shows {view}; the image is believed")
    if has_sixth_lumbar(detection):
        found.append(f"{view}: a body without a name lies between L5 and S1: {SIX_LUMBAR} Check the levels")
    if detection.naming_margin < config.warn_margin:
        found.append(f"{view}: {LITTLE_MARGIN} ({detection.naming_margin:.2f}); check them")
    if radiograph.spacing_source is SpacingSource.NONE:
        found.append(f"{view}: no pixel spacing; sizes cannot be checked")
    elif radiograph.pixel_spacing_mm is not None:
        widths = [b.x1 - b.x0 for b in detection.boxes if b.level in TARGET_LEVELS]
        width = float(np.mean(widths)) * radiograph.pixel_spacing_mm[1]
        if detection.view is View.AP and not BODY_WIDTH_MM[0] <= width <= BODY_WIDTH_MM[1]:
            found.append(f"{view}: mean body width {width:.0f} mm is implausible; check the pixel spacing")
    return found
