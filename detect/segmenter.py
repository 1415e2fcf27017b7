"""Segmentation of bodies inside the boxes, and boxes by the ROI rule from the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.roi_rule import roi_boxes
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View, iou
from detect.pixel_quality import brighter_than_beside
from detect.scale import BodyScale
from osteolens.errors import WeightsError
from osteolens.inference.devices import open_network
from osteolens.inference.network import OpenNetwork

CROP_PX = 128
"""Side of the square crop that the network sees."""

FINER = 4
"""By how much the mask is enlarged before its outline is taken, which would else run half a pixel inside; the outline
has one point a pixel of the mask."""

CONTEXT = 1.45
"""Side of the crop over the longer side of the box."""

OUTLINED_LEVELS: Mapping[View, tuple[VertebralLevel, ...]] = {
    View.AP: (VertebralLevel.T11, VertebralLevel.T12, *TARGET_LEVELS, VertebralLevel.L5),
    View.LATERAL: (VertebralLevel.T12, *TARGET_LEVELS, VertebralLevel.L5),
}
"""Bodies that are outlined: the boxes of L1-L4 follow from them and their neighbours, and the curve of an AP view."""

MIRRORED_TOO: Mapping[View, tuple[VertebralLevel, ...]] = {View.AP: (), View.LATERAL: TARGET_LEVELS}
"""Bodies of which the mirrored crop is segmented too and the mean of both is given, which has the smaller error: those
whose heights are measured."""

TARGETS = ("height_loss", "body", "lateral", "anterior_left")
"""Outputs of the network for a crop beside its mask: loss of height, and the probabilities that it shows a vertebral
body, from the side, with its front at the left."""

CLEARLY_BRIGHTER = 0.1
"""By how much, on the image's scale of 0 to 1, the bodies of an AP view are brighter than what lies beside them where
its negative need not be checked. Inverted simulated and real radiographs stayed below -0.04."""

AGREED_IOU = 0.6
"""Overlap of the detector's and the masks' box below which the mask is not used."""

Points = npt.NDArray[np.float64]


def crop_matrix(box: VertebraBox, side: int = CROP_PX, context: float = CONTEXT) -> Points:
    """Affine (2, 3) from image pixels to a square crop round a box."""
    scale = side / (context * max(box.width, box.height))
    x, y = box.centre
    return np.array([[scale, 0.0, side / 2 - scale * x], [0.0, scale, side / 2 - scale * y]])


def crop_image(pixels: npt.NDArray[np.float32], matrix: Points, side: int = CROP_PX) -> npt.NDArray[np.float32]:
    """A square crop (side, side), its 1st and 99th percentile stretched to 0 and 1."""
    crop = cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    low, high = np.percentile(crop[::2, ::2], (1, 99))
    return np.asarray(np.clip((crop - low) / max(float(high - low), 1e-3), 0, 1), np.float32)


def mask_outline(mask: npt.NDArray[np.float32], matrix: Points) -> Points | None:
    """Outline (n, 2) in image pixels of the largest part of a mask (rows, columns) above one half, or None."""
    fine = cv2.resize(mask, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
    solid = (fine > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    if cv2.contourArea(largest) < 0.04 * fine.size:
        return None
    points = (largest[::FINER, 0] + 0.5) / FINER - 0.5
    return np.asarray((points - matrix[:, 2]) / matrix[0, 0])


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentedBody:
    """Output of the segmenter for one body.

    Attributes:
        outline: (n, 2) in pixels of the radiograph, None without a clear mask.
        height_loss: fraction of the body's height that a compression took; learned on lateral views.
        body: probability that this is a vertebral body at all.
        lateral: probability that it is seen from the side.
        anterior_left: probability that its front lies at the left, for one seen from the side.
        negative: probability that the negative of the image shows a vertebral body here; None where it was not checked.
    """

    outline: Points | None
    height_loss: float
    body: float
    lateral: float
    anterior_left: float
    negative: float | None = None


class BodySegmenter:
    """A loaded segmentation network; one instance serves a whole folder."""

    def __init__(self, onnx: Path, load: OpenNetwork = open_network) -> None:
        """Load the network.

        Args:
            onnx: exported segmenter.
            load: loads the network, on the CPU when left out.

        Raises:
            WeightsError: the file is no segmenter of this version.
        """
        self._network = load(onnx)
        shape = next(iter(self._network.inputs.values()))
        if shape[1:] != (1, CROP_PX, CROP_PX):
            raise WeightsError(f"{onnx.name}: input {shape}, expected n x 1 x {CROP_PX} x {CROP_PX}")
        outputs = list(self._network.outputs)
        if outputs != ["masks", *TARGETS]:
            raise WeightsError(
                f"{onnx.name}: outputs {', '.join(outputs)}, expected masks, {', '.join(TARGETS)}; "
                "train it anew with this version (osteolens train segmenter)"
            )

    def segment(self, scaled: BodyScale) -> dict[VertebralLevel, SegmentedBody]:
        """Outline, loss of height and kind of the bodies of OUTLINED_LEVELS that have a box; outlines in pixels of the
        radiograph.

        Args:
            scaled: a column at the scale of its bodies.
        """
        view = scaled.detection.view
        boxes = [box for box in scaled.detection.boxes if box.level in OUTLINED_LEVELS[view]]
        if not boxes:
            return {}
        matrices = [crop_matrix(box) for box in boxes]
        crops = np.stack([crop_image(scaled.pixels, matrix) for matrix in matrices])[:, None]
        twice = [row for row, box in enumerate(boxes) if box.level in MIRRORED_TOO[view]]
        clearly_positive = view is View.AP and brighter_than_beside(scaled) > CLEARLY_BRIGHTER
        inverted = [] if clearly_positive else [row for row, box in enumerate(boxes) if box.level in TARGET_LEVELS]
        mirrored = np.ascontiguousarray(crops[twice, ..., ::-1])
        all_masks, *outputs = self._network.run({"crops": np.concatenate((crops, mirrored, 1 - crops[inverted]))})
        end = len(boxes) + len(twice)
        masks, values_of = all_masks[: len(boxes)], [values[: len(boxes)] for values in outputs]
        outputs[TARGETS.index("anterior_left")][len(boxes) : end] *= -1
        outputs[TARGETS.index("anterior_left")][len(boxes) : end] += 1
        masks[twice] = (masks[twice] + all_masks[len(boxes) : end, ..., ::-1]) / 2
        for values, again in zip(values_of, outputs, strict=True):
            values[twice] = (values[twice] + again[len(boxes) : end]) / 2
        negative = {row: float(p) for row, p in zip(inverted, outputs[TARGETS.index("body")][end:], strict=True)}
        bodies = {}
        for row, (box, matrix) in enumerate(zip(boxes, matrices, strict=True)):
            outline = mask_outline(masks[row, 0], matrix)
            of_body = {name: float(values[row]) for name, values in zip(TARGETS, values_of, strict=True)}
            bodies[box.level] = SegmentedBody(
                outline=None if outline is None else scaled.to_radiograph(outline),
                negative=negative.get(row),
                **of_body,
            )
        return bodies


def looks_inverted(bodies: Mapping[VertebralLevel, SegmentedBody], least: float) -> bool:
    """Whether the negative of an image shows vertebral bodies, and more clearly than the image itself, on average and
    for most bodies (gas may lie over some): bones are darker than the soft tissue beside them.

    Args:
        bodies: of the image.
        least: mean probability from which something is a body.
    """
    pairs = np.array([(body.body, body.negative) for body in bodies.values() if body.negative is not None])
    if not len(pairs) or float(pairs[:, 1].mean()) < least:
        return False
    probabilities = np.clip(pairs, 1e-3, 1 - 1e-3)
    log_odds = np.log(probabilities / (1 - probabilities))
    excess = log_odds[:, 0] - log_odds[:, 1]
    return float(excess.mean()) < 0 and float((excess < 0).mean()) > 0.5


def refine_boxes(
    detection: SpineDetection, bodies: Mapping[VertebralLevel, SegmentedBody], spacing_mm: tuple[float, float] | None
) -> SpineDetection:
    """The detection with each box of L1-L4 half way between the detector's box and that of the ROI rule on the masks.

    The mean of two estimates with independent errors has a smaller error than either. A body without a mask, or whose
    mask gives a box that overlaps the detector's by less than AGREED_IOU, keeps the detector's. Boxes of a lateral view
    also get their loss of height.
    """
    outlines = {level: body.outline for level, body in bodies.items() if body.outline is not None}
    by_rule = {box.level: box for box in roi_boxes(outlines, spacing_mm)} if len(outlines) > 1 else {}
    boxes = []
    for box in detection.boxes:
        if box.level not in TARGET_LEVELS:
            boxes.append(box)
            continue
        moved = _moved(box, by_rule.get(box.level), detection.image_shape)
        if detection.view is View.LATERAL and box.level in bodies:
            moved = replace(moved, height_loss=bodies[box.level].height_loss)
        boxes.append(moved)
    return replace(detection, boxes=tuple(boxes))


def _moved(box: VertebraBox, to: VertebraBox | None, image_shape: tuple[int, int]) -> VertebraBox:
    """The box half way to another, cut at the image's border; as it was where the two disagree."""
    if to is None or iou(box.corners, to.corners) < AGREED_IOU:
        return box
    rows, columns = image_shape
    x0, y0, x1, y1 = ((a + b) / 2 for a, b in zip(box.corners, to.corners, strict=True))
    return replace(box, x0=max(x0, 0.0), y0=max(y0, 0.0), x1=min(x1, float(columns)), y1=min(y1, float(rows)))
