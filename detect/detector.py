"""The only inference of detection: an ONNX detector through onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph
from detect.config import CLASSES, DetectionConfig
from detect.labelling import label_levels
from detect.preprocess import detector_input
from osteolens.errors import WeightsError
from osteolens.inference.devices import open_network
from osteolens.inference.network import OpenNetwork

TALL = 1.7
"""Height over width from which a radiograph may be one of the whole spine, in which the bodies are small."""
SURE = 3.0
"""Summed confidence of L1-L4 below which the detector runs again on the lower parts of a tall radiograph."""
LOWER_PARTS = (0.3, 0.45)
"""Fractions of the rows of a tall radiograph that are left out at the top in these runs."""

SAME_BODY_IOU = 0.7
"""Overlap from which a suppressed box is taken for another estimate of the body."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Bodies before their levels are labelled.

    Attributes:
        boxes: float64 (n, 4), x0, y0, x1, y1 in pixels of the original image.
        scores: float64 (n, 16), one column a class of `detect.config.CLASSES`.
        image_shape: (rows, columns).
    """

    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    image_shape: tuple[int, int]


class VertebraDetector:
    """A loaded detector; one instance serves a whole folder."""

    def __init__(self, onnx: Path, config: DetectionConfig | None = None, load: OpenNetwork = open_network) -> None:
        """Load the network.

        Args:
            onnx: exported detector.
            config: thresholds.
            load: loads the network, on the CPU when left out.

        Raises:
            WeightsError: the file is no detector of this version.
        """
        self._network = load(onnx)
        (self._input, shape), *_ = self._network.inputs.items()
        channels = next(iter(self._network.outputs.values()))[1]
        if channels != 4 + len(CLASSES):
            raise WeightsError(f"{onnx.name}: {channels} output channels, expected {4 + len(CLASSES)}")
        self.side = shape[-1] or 0
        self.config = config or DetectionConfig()

    def propose(self, radiograph: Radiograph, top: int = 0) -> Candidates:
        """All candidate bodies after class-agnostic non-maximum suppression, with the scores of every class.

        Args:
            radiograph: one image.
            top: first row of the part that the detector sees.
        """
        image, matrix = detector_input(radiograph.pixels[top:], self.side)
        blob = np.repeat(image[None, None].astype(np.float32) / np.float32(255), 3, axis=1)
        raw = self._network.run({self._input: blob})[0][0].astype(np.float64).T
        scores = raw[:, 4:]
        strength = scores.sum(1)
        strong = strength >= self.config.min_score
        raw, scores, strength = raw[strong], scores[strong], strength[strong]
        corners = np.concatenate((raw[:, :2] - raw[:, 2:4] / 2, raw[:, :2] + raw[:, 2:4] / 2), 1)
        if len(corners):
            places = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1)
            chosen = cv2.dnn.NMSBoxes(places.tolist(), strength.tolist(), self.config.min_score, self.config.nms_iou)
            order = np.asarray(chosen, int).reshape(-1)[: self.config.max_candidates]
            corners, scores = fused(corners, strength, corners[order]), scores[order]
        scale, shift = np.array([matrix[0, 0], matrix[1, 1]] * 2), np.array([matrix[0, 2], matrix[1, 2]] * 2)
        rows, columns = radiograph.pixels.shape
        boxes = (corners - shift) / scale + np.array([0, top, 0, top])
        boxes = np.clip(boxes, 0, np.array([columns, rows, columns, rows]))
        solid = (boxes[:, 2] - boxes[:, 0] > 1) & (boxes[:, 3] - boxes[:, 1] > 1)
        return Candidates(boxes[solid], scores[solid], (rows, columns))

    def detect(self, radiograph: Radiograph, view: View | None = None) -> SpineDetection | None:
        """Level-labelled boxes of one image, or None where no chain of lumbar bodies is found.

        Args:
            radiograph: one image.
            view: projection of the image, if known; the one with the larger summed score when left out.
        """
        detection = self._detect_below(radiograph, 0, view)
        rows, columns = radiograph.pixels.shape
        if rows > TALL * columns and _strength(detection) < SURE:
            lower = [self._detect_below(radiograph, int(fraction * rows), view) for fraction in LOWER_PARTS]
            detection = max([detection, *lower], key=_strength)
        return detection

    def _detect_below(self, radiograph: Radiograph, top: int, view: View | None) -> SpineDetection | None:
        """Level-labelled boxes of the image from a row downwards."""
        candidates = self.propose(radiograph, top)
        return label_levels(candidates.boxes, candidates.scores, candidates.image_shape, self.config, view)


def fused(
    corners: npt.NDArray[np.float64], strength: npt.NDArray[np.float64], chosen: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Chosen boxes (k, 4), each moved to the mean of all that lie nearly as it does, so that none hangs on which of
    two equals is the stronger by a hair.

    Args:
        corners: (n, 4) x0, y0, x1, y1 of all boxes, the chosen ones among them.
        strength: (n,) of all boxes.
        chosen: (k, 4) those that non-maximum suppression left.

    Source: weighted boxes fusion, Solovyev et al. 2021 (doi:10.1016/j.imavis.2021.104117); weights are strength times
    overlap beyond SAME_BODY_IOU.
    """
    least, most = np.maximum(chosen[:, None, :2], corners[:, :2]), np.minimum(chosen[:, None, 2:], corners[:, 2:])
    shared = np.clip(most - least, 0, None).prod(2)
    area, of_chosen = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (corners, chosen))
    overlap = shared / (area + of_chosen[:, None] - shared)
    weights = np.clip(overlap - SAME_BODY_IOU, 0, None) * strength
    return np.asarray(weights @ corners / weights.sum(1, keepdims=True))


def _strength(detection: SpineDetection | None) -> float:
    """Summed confidence of L1-L4."""
    return 0.0 if detection is None else sum(b.confidence for b in detection.boxes if b.level in TARGET_LEVELS)
