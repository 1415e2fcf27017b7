"""Quality control: which levels of a view are classified, and why a view is rejected.

Densitometry leaves out a vertebra with a local change or an artefact and diagnoses from the others while at least two
remain; so does this. Source: ISCD, 2019 Official Positions, Adult, "Spine region of interest".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cohort.findings import CobbAngle, VertebraFinding
from cohort.rejection_codes import LITTLE_MARGIN, SIX_LUMBAR, LevelCode, LevelReason, Rejection, RejectionCode
from cohort.spine import DETECTED_LEVELS, TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph, SpacingSource
from detect.config import DetectionConfig
from detect.fractures import vertebra_findings
from detect.labelling import has_sixth_lumbar
from detect.morphometry import cobb_angle
from detect.pixel_quality import exposure_of, metal_fractions
from detect.scale import BodyScale, at_body_scale
from detect.segmenter import SegmentedBody, looks_inverted

BODY_WIDTH_MM = (25.0, 85.0)
"""Plausible width of a lumbar ROI, magnified; Clouthier 2023 gives bodies of 39-59 mm."""


AT_BORDER = 0.06
"""Distance from the border of the image, in heights or widths of a box, at which a box reaches it."""

INVERTED_TEXT = (
    "bones are darker than the soft tissue beside them: the image is inverted (check PhotometricInterpretation and "
    "PresentationLUTShape, or save it with bright bones)"
)

MIN_CHAIN = 4
"""Fewest bodies of a lumbar radiograph, whatever their labels."""

MOST_UNSEEN = 2
"""Bodies from T11 down that may be missing above the chain although the image has room for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewQuality:
    """Result of quality control of one view.

    Attributes:
        rejection: why the whole view cannot be used, or None.
        left_out: those of L1-L4 that may not be classified on, and why.
        vertebrae: heights of L1-L4 in a lateral view.
        cobb: the largest angle between bodies of an AP view, where it could be measured.
    """

    rejection: Rejection | None = None
    left_out: dict[VertebralLevel, LevelReason] = field(default_factory=dict)
    vertebrae: dict[VertebralLevel, VertebraFinding] = field(default_factory=dict)
    cobb: CobbAngle | None = None

    @property
    def used(self) -> tuple[VertebralLevel, ...]:
        """Those of L1-L4 that may be classified on."""
        return tuple(level for level in TARGET_LEVELS if level not in self.left_out)


def check_view(
    detection: SpineDetection | None,
    radiograph: Radiograph,
    bodies: Mapping[VertebralLevel, SegmentedBody],
    anterior_left: bool,
    config: DetectionConfig,
    min_confidence: float,
) -> ViewQuality:
    """Check one image.

    Args:
        detection: level-labelled boxes, None where there is no chain.
        radiograph: the image.
        bodies: segmented bodies by level; empty without a segmenter.
        anterior_left: whether the front of a lateral view lies at the left.
        config: limits.
        min_confidence: least mean box confidence of L1-L4.
    """
    if detection is None:
        return ViewQuality(
            rejection=Rejection(
                RejectionCode.NO_SPINE, "no chain of vertebral bodies; expected an AP or lateral lumbar radiograph"
            )
        )
    unsuitable = _not_lumbar(detection, bodies, config) or _ambiguous(detection, config.min_margin, min_confidence)
    if unsuitable is not None:
        return ViewQuality(rejection=unsuitable)
    scaled = at_body_scale(radiograph.pixels, detection)
    lateral = detection.view is View.LATERAL
    unreliable = {**_low_confidence(detection, config), **cut_bodies(detection, config.min_cut_height)}
    reliable = {level: body for level, body in bodies.items() if level not in unreliable}
    vertebrae = vertebra_findings(reliable, anterior_left, config) if lateral else {}
    cobb = None if lateral else cobb_angle({level: body.outline for level, body in reliable.items()})
    return ViewQuality(
        rejection=_poor_exposure(radiograph, detection, config) or _scoliosis(cobb, config),
        left_out={**_fractured(vertebrae), **_metal(scaled, config), **unreliable, **_not_found(detection)},
        vertebrae=vertebrae,
        cobb=cobb,
    )


def too_few(view: View, left_out: Mapping[VertebralLevel, LevelReason], least: int) -> Rejection | None:
    """Why a view with these levels left out cannot be classified, or None."""
    used = [level for level in TARGET_LEVELS if level not in left_out]
    if len(used) >= least:
        return None
    reasons = "; ".join(f"{level}: {left_out[level].reason}" for level in TARGET_LEVELS if level in left_out)
    usable = ", ".join(used) or "none"
    return Rejection(
        RejectionCode.TOO_FEW_LEVELS,
        f"{view}: {usable} of L1-L4 can be used, at least {least} expected ({reasons})",
    )


def _not_lumbar(
    detection: SpineDetection, bodies: Mapping[VertebralLevel, SegmentedBody], config: DetectionConfig
) -> Rejection | None:
    """An image whose chain is too short, whose boxes hold no vertebral bodies, or whose negative does."""
    levels = ", ".join(box.level.value for box in detection.boxes)
    if len(detection.boxes) < MIN_CHAIN:
        return Rejection(
            RejectionCode.NOT_LUMBAR,
            f"a chain of {len(detection.boxes)} bodies ({levels}), {MIN_CHAIN} or more expected; is it lumbar?",
        )
    unseen = _unseen_above(detection)
    if unseen > MOST_UNSEEN:
        return Rejection(
            RejectionCode.NOT_LUMBAR,
            f"the chain begins at {detection.boxes[0].level} although the image has room for {unseen} more bodies "
            f"above, at most {MOST_UNSEEN} expected; is it a chest radiograph?",
        )
    if looks_inverted(bodies, config.min_body):
        return Rejection(RejectionCode.INVERTED, INVERTED_TEXT)
    if bodies:
        mean = float(np.mean([body.body for body in bodies.values()]))
        if mean < config.min_body:
            return Rejection(
                RejectionCode.NOT_LUMBAR,
                f"what was labelled {levels} looks like vertebral bodies with a probability of {mean:.2f}, "
                f"{config.min_body:.2f} or more expected; is it a lumbar radiograph?",
            )
    return None


def _unseen_above(detection: SpineDetection) -> int:
    """Bodies between T11 and the chain's first that the image has room for; a lumbar radiograph shows them."""
    first = detection.boxes[0]
    height = float(np.median([box.height for box in detection.boxes]))
    return min(DETECTED_LEVELS.index(first.level), int(first.y0 / height + 0.3))


def _ambiguous(detection: SpineDetection, least_margin: float, least_confidence: float) -> Rejection | None:
    """A view whose boxes have little confidence, or whose levels are ambiguous."""
    confidences = [box.confidence for box in detection.boxes if box.level in TARGET_LEVELS]
    confidence = float(np.mean(confidences)) if confidences else 0.0
    if confidence < least_confidence:
        return Rejection(
            RejectionCode.LOW_CONFIDENCE,
            f"mean box confidence of L1-L4 is {confidence:.2f}, expected {least_confidence:.2f} or more; "
            "is it a lumbar radiograph?",
        )
    if detection.labelling_margin < least_margin:
        return Rejection(
            RejectionCode.AMBIGUOUS_LEVELS,
            f"labelling margin {detection.labelling_margin:.2f}, expected {least_margin:.2f} or more; "
            "is the field too short to count? A reader can correct them with --shift-levels",
        )
    return None


def _not_found(detection: SpineDetection) -> dict[VertebralLevel, LevelReason]:
    labelled = ", ".join(box.level.value for box in detection.boxes)
    return {
        level: LevelReason(code=LevelCode.NOT_FOUND, reason=f"no body found (found {labelled})")
        for level in detection.missing
    }


def cut_bodies(detection: SpineDetection, least: float) -> dict[VertebralLevel, LevelReason]:
    """Bodies that the border of the image cuts: their box reaches it and is lower or narrower than the others."""
    boxes = {box.level: box for box in detection.boxes if box.level in TARGET_LEVELS}
    rows, columns = detection.image_shape
    cut = {}
    for level, box in boxes.items():
        others = [other for name, other in boxes.items() if name is not level] or [box]
        tall = float(np.median([other.height for other in others]))
        wide = float(np.median([other.width for other in others]))
        fractions = []
        if min(box.y0, rows - box.y1) < AT_BORDER * tall:
            fractions.append(box.height / tall)
        if min(box.x0, columns - box.x1) < AT_BORDER * wide:
            fractions.append(box.width / wide)
        if fractions and min(fractions) < least:
            cut[level] = LevelReason(
                code=LevelCode.CUT,
                reason=f"cut off by the border of the image ({100 * min(fractions):.0f} % of its neighbours' size)",
            )
    return cut


def _low_confidence(detection: SpineDetection, config: DetectionConfig) -> dict[VertebralLevel, LevelReason]:
    least = config.min_level_confidence
    return {
        box.level: LevelReason(
            code=LevelCode.LOW_CONFIDENCE, reason=f"box confidence {box.confidence:.2f}, {least:.2f} or more expected"
        )
        for box in detection.boxes
        if box.level in TARGET_LEVELS and box.confidence < least
    }


def _fractured(vertebrae: Mapping[VertebralLevel, VertebraFinding]) -> dict[VertebralLevel, LevelReason]:
    return {
        level: LevelReason(
            code=LevelCode.FRACTURE,
            reason=f"suspected fracture, {100 * f.height_loss:.0f} % of the height lost; to be confirmed by a reader",
        )
        for level, f in vertebrae.items()
        if f.suspected
    }


def _metal(scaled: BodyScale, config: DetectionConfig) -> dict[VertebralLevel, LevelReason]:
    limit = config.max_metal_ap if scaled.detection.view is View.AP else config.max_metal_lateral
    return {
        level: LevelReason(
            code=LevelCode.METAL,
            reason=f"{100 * fraction:.1f} % looks like metal or cement, at most {100 * limit:.1f} % expected",
        )
        for level, fraction in metal_fractions(scaled).items()
        if fraction > limit
    }


def _poor_exposure(radiograph: Radiograph, detection: SpineDetection, config: DetectionConfig) -> Rejection | None:
    exposure = exposure_of(radiograph, detection)
    where = f"{detection.view}: the column of L1-L4"
    least = config.min_structure_ap if detection.view is View.AP else config.min_structure_lateral
    if exposure.detail > config.max_detail and exposure.structure < least:
        return Rejection(
            RejectionCode.EXPOSURE,
            f"{where} is mostly noise (detail {exposure.detail:.2f} of its contrast, at most {config.max_detail:.2f} "
            f"expected where its structure is below {least:.2f}, here {exposure.structure:.2f}); "
            "underexposed radiographs are excluded",
        )
    if exposure.detail < config.min_detail or exposure.flat > config.max_flat:
        return Rejection(
            RejectionCode.EXPOSURE,
            f"{where} is clipped (detail {exposure.detail:.3f}, {config.min_detail:.3f} or more expected; "
            f"{100 * exposure.flat:.1f} % without any structure, at most {100 * config.max_flat:.1f} % expected); "
            "overexposed radiographs are excluded",
        )
    return None


def _scoliosis(cobb: CobbAngle | None, config: DetectionConfig) -> Rejection | None:
    """A severe curve. Source: 2016 SOSORT guidelines (Negrini 2018): severe from 41 degrees."""
    if cobb is None or cobb.degrees <= config.max_cobb_deg:
        return None
    return Rejection(
        RejectionCode.SCOLIOSIS,
        f"Cobb angle {cobb.degrees:.0f} degrees from {cobb.upper} to {cobb.lower}, at most {config.max_cobb_deg:.0f} "
        "expected; serious scoliosis is excluded",
    )


def warnings_of(
    detection: SpineDetection, radiograph: Radiograph, cobb: CobbAngle | None, config: DetectionConfig
) -> list[str]:
    """Warnings of a usable view.

    Args:
        detection: its boxes.
        radiograph: the image.
        cobb: the largest angle between bodies of an AP view, where it could be measured.
        config: limits.
    """
    warnings = []
    view = detection.view.value
    if radiograph.view is not None and radiograph.view is not detection.view:
        warnings.append(f"{view}: the file says {radiograph.view.value}, the image shows {view}; the image is believed")
    if has_sixth_lumbar(detection):
        warnings.append(f"{view}: an unlabelled body lies between L5 and S1: {SIX_LUMBAR} Check the levels")
    if cobb is not None and cobb.degrees > config.warn_cobb_deg:
        warnings.append(f"{view}: scoliosis, Cobb angle about {cobb.degrees:.0f} degrees; accuracy is unknown there")
    if detection.labelling_margin < config.warn_margin:
        warnings.append(f"{view}: {LITTLE_MARGIN} ({detection.labelling_margin:.2f}); check them")
    if radiograph.pixel_spacing_mm is not None and radiograph.spacing_source is not SpacingSource.NONE:
        widths = [b.width for b in detection.boxes if b.level in TARGET_LEVELS]
        width = float(np.mean(widths)) * radiograph.pixel_spacing_mm[1]
        if detection.view is View.AP and not BODY_WIDTH_MM[0] <= width <= BODY_WIDTH_MM[1]:
            warnings.append(f"{view}: mean body width {width:.0f} mm is implausible; check the pixel spacing")
    return warnings
