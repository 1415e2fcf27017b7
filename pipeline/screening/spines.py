"""Spines of a study's images: level-labelled boxes, bodies and facing, detected together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cohort.io.grey import brighter_at_left
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from detect.detector import VertebraDetector
from detect.labelling import reconcile_views, shift_levels
from detect.scale import at_body_scale, body_width
from detect.segmenter import BodySegmenter, Points, SegmentedBody, refine_boxes

SURE_MARGIN = 2.5
"""Labelling margin below which the mirror image is labelled too; the larger margin counts."""

LORDOSIS_WEIGHT = 8.0
"""Log-odds that a bend of the chain by one width of a body adds to the bodies' own."""

SURE_OF_VIEW = 0.7
"""Mean probability of a projection, over the bodies, from which it is believed against the detector's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedSpine:
    """Boxes, bodies and facing detected in one image.

    Attributes:
        detection: level-labelled boxes, None where there is no chain of bodies.
        bodies: what the segmenter gives for them; empty without one.
        anterior_left: whether the front of a lateral view lies at the left.
        mirrored: whether the classifier sees it mirrored: a lateral view whose front lies at the right, an AP view
            whose brighter side does not lie at the left (where both sides are not shown anyway). So a radiograph
            and its mirror image give the same.
    """

    detection: SpineDetection | None
    bodies: Mapping[VertebralLevel, SegmentedBody] = field(default_factory=dict)
    anterior_left: bool = True
    mirrored: bool = False

    @property
    def outlines(self) -> dict[VertebralLevel, Points]:
        """Outlines (n, 2) of the bodies in pixels of the image."""
        return {level: body.outline for level, body in self.bodies.items() if body.outline is not None}


def find_spines(
    radiographs: Sequence[Radiograph],
    detector: VertebraDetector,
    segmenter: BodySegmenter | None,
    shift: int = 0,
    refine: bool = True,
) -> list[DetectedSpine]:
    """Level-labelled boxes of a study's images, labelled together, then moved to the edges of the bodies' masks.

    The bodies decide the projection where they are sure of it: on single radiographs a detector takes a long AP view
    for a lateral one.

    Args:
        radiographs: of one study.
        detector: gives level-labelled boxes.
        segmenter: outlines bodies; None leaves the detector's word alone.
        shift: levels by which a reader moved all labels.
        refine: whether boxes move to the masks.
    """
    spines = [_detected(radiograph, detector, segmenter) for radiograph in radiographs]
    alone = [spine.detection for spine in spines]
    together = [None if d is None else shift_levels(d, shift) for d in alone] if shift else reconcile_views(alone)
    return [
        _relabelled(radiograph, spine, detection, segmenter, refine)
        for radiograph, spine, detection in zip(radiographs, spines, together, strict=True)
    ]


def _relabelled(
    radiograph: Radiograph,
    spine: DetectedSpine,
    detection: SpineDetection | None,
    segmenter: BodySegmenter | None,
    refine: bool,
) -> DetectedSpine:
    """The same spine under its final labels, its boxes moved to the masks."""
    if detection is None:
        return spine
    bodies = spine.bodies if detection is spine.detection else segment_bodies(radiograph, detection, segmenter)
    if refine and bodies:
        detection = refine_boxes(detection, bodies, radiograph.pixel_spacing_mm)
    return replace(spine, detection=detection, bodies=bodies)


def segment_bodies(
    radiograph: Radiograph, detection: SpineDetection, segmenter: BodySegmenter | None
) -> Mapping[VertebralLevel, SegmentedBody]:
    """Segmented bodies of the boxes of one image."""
    if segmenter is None or not detection.boxes:
        return {}
    return segmenter.segment(at_body_scale(radiograph.pixels, detection))


def front_at_left(
    radiograph: Radiograph, detection: SpineDetection, bodies: Mapping[VertebralLevel, SegmentedBody]
) -> bool:
    """Whether the front of a lateral view lies at the left: what the bodies and the lordosis show, else what the
    header says.

    A lumbar spine is convex to the front, so the curve of the centres votes beside the bodies.
    """
    if not bodies:
        return radiograph.anterior_left is not False
    probabilities = np.clip([body.anterior_left for body in bodies.values()], 0.02, 0.98)
    votes = float(np.mean(np.log(probabilities / (1 - probabilities))))
    return votes + LORDOSIS_WEIGHT * _bend_to_left(detection) >= 0


def _bend_to_left(detection: SpineDetection) -> float:
    """How far the middle of the chain of centres lies left of the line between its ends, in widths of a body."""
    centres = np.array([box.centre for box in detection.boxes])
    if len(centres) < 3:
        return 0.0
    x, y = centres.T
    half = np.ptp(y) / 2
    return float(np.polyfit((y - y.mean()) / max(half, 1e-6), x, 2)[0]) / body_width(detection.boxes)


def _detected(radiograph: Radiograph, detector: VertebraDetector, segmenter: BodySegmenter | None) -> DetectedSpine:
    """The spine of one image, detected with the brighter side always at the left, so that mirroring changes nothing."""
    if brighter_at_left(radiograph.pixels):
        return _detected_as_shown(radiograph, detector, segmenter)
    pixels = np.ascontiguousarray(radiograph.pixels[:, ::-1])
    facing = None if radiograph.anterior_left is None else not radiograph.anterior_left
    return _mirrored(_detected_as_shown(replace(radiograph, pixels=pixels, anterior_left=facing), detector, segmenter))


def is_mirrored(radiograph: Radiograph, view: View, anterior_left: bool) -> bool:
    """Whether the classifier sees a view mirrored (`DetectedSpine.mirrored`)."""
    return not (anterior_left if view is View.LATERAL else brighter_at_left(radiograph.pixels))


def _mirrored(spine: DetectedSpine) -> DetectedSpine:
    """A spine that was detected in a mirrored image, in the image itself."""
    if spine.detection is None:
        return spine
    wide = float(spine.detection.image_shape[1])
    bodies = {
        level: replace(
            body,
            outline=None if body.outline is None else np.column_stack((wide - body.outline[:, 0], body.outline[:, 1])),
            anterior_left=1 - body.anterior_left,
        )
        for level, body in spine.bodies.items()
    }
    return DetectedSpine(
        detection=_mirrored_boxes(spine.detection),
        bodies=bodies,
        anterior_left=not spine.anterior_left,
        mirrored=not spine.mirrored,
    )


def _mirrored_boxes(detection: SpineDetection) -> SpineDetection:
    wide = float(detection.image_shape[1])
    return replace(detection, boxes=tuple(replace(b, x0=wide - b.x1, x1=wide - b.x0) for b in detection.boxes))


def _detect(radiograph: Radiograph, detector: VertebraDetector, view: View | None = None) -> SpineDetection | None:
    """Boxes of one image; where their labelling margin is small, those of its mirror image if theirs is larger."""
    detection = detector.detect(radiograph, view)
    if detection is not None and detection.labelling_margin >= SURE_MARGIN:
        return detection
    other = detector.detect(replace(radiograph, pixels=np.ascontiguousarray(radiograph.pixels[:, ::-1])), view)
    if other is None or (detection is not None and detection.labelling_margin >= other.labelling_margin):
        return detection
    return _mirrored_boxes(other)


def _detected_as_shown(
    radiograph: Radiograph, detector: VertebraDetector, segmenter: BodySegmenter | None
) -> DetectedSpine:
    detection = _detect(radiograph, detector)
    if detection is None:
        return DetectedSpine(detection=None)
    bodies = segment_bodies(radiograph, detection, segmenter)
    if bodies:
        lateral = float(np.mean([body.lateral for body in bodies.values()]))
        shown = View.LATERAL if lateral > 0.5 else View.AP
        if shown is not detection.view and max(lateral, 1 - lateral) > SURE_OF_VIEW:
            of_that_view = _detect(radiograph, detector, shown)
            if of_that_view is not None:
                detection, bodies = of_that_view, segment_bodies(radiograph, of_that_view, segmenter)
    facing = front_at_left(radiograph, detection, bodies)
    mirrored = is_mirrored(radiograph, detection.view, facing)
    return DetectedSpine(detection=detection, bodies=bodies, anterior_left=facing, mirrored=mirrored)
