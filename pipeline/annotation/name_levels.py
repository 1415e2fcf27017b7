"""Levels of bodies that were drawn without one: by overlap with what the detector finds, and by their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from cohort.importers.geometry import Polygon
from cohort.importers.options import NamedBodies
from cohort.io.radiograph import read_radiograph
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View, iou
from osteolens.errors import ReadError
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener

LEAST_OVERLAP = 0.3
"""Intersection over union from which a drawn body is the detected one; a detected box reaches into the disc spaces."""

LEAST_ANCHORS = 2
"""Drawn bodies that must be detected ones, so that the order of the others counts from them."""

WIDEST_STEP = 1.6
"""Distance of two bodies' middles, of the median distance, from which one between them was not drawn."""


@dataclass(frozen=True, slots=True)
class DetectorNames:
    """Names bodies by the detector of some weights. The result is a proposal: a reader has to confirm it."""

    screener: Screener

    @classmethod
    def of(cls, weights: Path | None) -> DetectorNames:
        """The shipped weights when left out.

        Raises:
            WeightsError: weights that are missing, altered or of another version.
        """
        return cls(Screener(load_bundle(weights)))

    def __call__(self, path: Path, view: View, bodies: Sequence[Polygon]) -> NamedBodies:
        """Levels of the bodies that are drawn on one image.

        Raises:
            ReadError: the image cannot be read.
        """
        radiograph = replace(read_radiograph(path), view=view)
        (detection,) = self.screener.detect([radiograph])
        if detection is None:
            return NamedBodies([None] * len(bodies), "the detector finds no lumbar spine on the image")
        if detection.view is not view:
            raise ReadError(f"its name or labels say {view}, the detector takes it for {detection.view}")
        return levels_by_order(bodies, detection.boxes)


def levels_by_order(bodies: Sequence[Polygon], boxes: Sequence[VertebraBox]) -> NamedBodies:
    """Levels of drawn bodies, from the head downwards without a gap, so that those that are detected keep their level.

    Args:
        bodies: polygons or corners in pixels.
        boxes: detected boxes with their levels.
    """
    none: list[VertebralLevel | None] = [None] * len(bodies)
    corners = [(*body.min(0), *body.max(0)) for body in bodies]
    order = sorted(range(len(bodies)), key=lambda k: corners[k][1] + corners[k][3])
    chain = _chain_of(order, corners, boxes)
    if len(chain) < LEAST_ANCHORS:
        return NamedBodies(none, f"fewer than {LEAST_ANCHORS} drawn bodies are where the detector finds some")
    found = {k: LEVELS.index(level) for k in chain if (level := _detected(corners[k], boxes)) is not None}
    first = {index - chain.index(k) for k, index in found.items()}
    if len(first) != 1:
        return NamedBodies(none, "the order of the drawn bodies and the detector's levels contradict each other")
    start = first.pop()
    levels = list(none)
    for place, k in enumerate(chain):
        if 0 <= start + place < len(LEVELS):
            levels[k] = LEVELS[start + place]
    return NamedBodies(
        levels, f"it lies beyond {LEVELS[0]} to {LEVELS[-1]}, or apart from the bodies that are detected"
    )


def _chain_of(order: Sequence[int], corners: Sequence[tuple[float, ...]], boxes: Sequence[VertebraBox]) -> list[int]:
    """The run of neighbouring bodies with the most detected ones."""
    middles = {k: np.array([corners[k][0] + corners[k][2], corners[k][1] + corners[k][3]]) / 2 for k in order}
    near = [k for k in order if _detected(corners[k], boxes) is not None]
    steps = [float(np.linalg.norm(middles[b] - middles[a])) for a, b in pairwise(near)]
    if not steps:
        return near
    widest = WIDEST_STEP * float(np.median(steps))
    runs: list[list[int]] = [[]]
    for k in order:
        if runs[-1] and float(np.linalg.norm(middles[k] - middles[runs[-1][-1]])) > widest:
            runs.append([])
        runs[-1].append(k)
    return max(runs, key=lambda run: len(set(run) & set(near)))


def _detected(corners: tuple[float, ...], boxes: Sequence[VertebraBox]) -> VertebralLevel | None:
    """The level of the detected box that overlaps most with a drawn body, where enough does."""
    best = max(boxes, key=lambda box: iou(corners, box.corners), default=None)
    return None if best is None or iou(corners, best.corners) < LEAST_OVERLAP else best.level
