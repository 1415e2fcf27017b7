"""Vertebral levels, views, and the boxes drawn around vertebral bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np


class View(StrEnum):
    """Projection of a lumbar radiograph."""

    AP = "AP"
    LATERAL = "LATERAL"


class VertebralLevel(StrEnum):
    """Vertebral levels from T10 to S1, in cranio-caudal order."""

    T10 = "T10"
    T11 = "T11"
    T12 = "T12"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    S1 = "S1"


LEVELS: tuple[VertebralLevel, ...] = tuple(VertebralLevel)
"""All levels, from the head downwards."""

TARGET_LEVELS: tuple[VertebralLevel, ...] = (
    VertebralLevel.L1,
    VertebralLevel.L2,
    VertebralLevel.L3,
    VertebralLevel.L4,
)
"""The levels that the classifier sees and that DXA reports (Mao et al. 2022)."""

DETECTED_LEVELS: tuple[VertebralLevel, ...] = LEVELS[1:]
"""The levels a detector has classes for: the targets and T11, T12, L5, S1 as context to count from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraBox:
    """One level-labelled ROI in pixels of the original image; x to the right, y downwards, x1 and y1 exclusive.

    Level and corners may be given in their order, as tables hold them: `VertebraBox(level, *corners)`.

    Attributes:
        level: of the vertebra.
        x0: left edge.
        y0: upper edge.
        x1: right edge.
        y1: lower edge.
        confidence: of the detector.
        height_loss: fraction of the body's height that a compression took, where it was measured.
    """

    level: VertebralLevel = field(kw_only=False)
    x0: float = field(kw_only=False)
    y0: float = field(kw_only=False)
    x1: float = field(kw_only=False)
    y1: float = field(kw_only=False)
    confidence: float = 1.0
    height_loss: float | None = None

    def __post_init__(self) -> None:
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(
                f"box of {self.level}: expected x0 < x1 and y0 < y1, got "
                f"({self.x0:.1f}, {self.y0:.1f}, {self.x1:.1f}, {self.y1:.1f})"
            )

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) in pixels."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def width(self) -> float:
        """From the left to the right edge, in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """From the upper to the lower edge, in pixels."""
        return self.y1 - self.y0

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def clipped(self, shape: tuple[int, int]) -> VertebraBox | None:
        """The part inside an image (rows, columns); None where no part of the box is."""
        rows, columns = shape
        x0, y0 = max(self.x0, 0.0), max(self.y0, 0.0)
        x1, y1 = min(self.x1, float(columns)), min(self.y1, float(rows))
        return replace(self, x0=x0, y0=y0, x1=x1, y1=y1) if x1 > x0 and y1 > y0 else None

    def fraction_inside(self, shape: tuple[int, int]) -> float:
        """How much of the box's area lies inside an image (rows, columns), from 0 to 1."""
        inside = self.clipped(shape)
        return 0.0 if inside is None else inside.width * inside.height / (self.width * self.height)

    def moved(self, right: float, down: float) -> VertebraBox:
        """The same box elsewhere."""
        return replace(self, x0=self.x0 + right, x1=self.x1 + right, y0=self.y0 + down, y1=self.y1 + down)

    def jittered(self, rng: np.random.Generator, fraction: float) -> VertebraBox:
        """The box as another reader draws it: each side moved by a fraction (one standard deviation) of the box."""
        dx, dy = rng.normal(0, fraction, 2) * self.width, rng.normal(0, fraction, 2) * self.height
        return replace(self, x0=self.x0 + dx[0], x1=self.x1 + dx[1], y0=self.y0 + dy[0], y1=self.y1 + dy[1])


@dataclass(frozen=True, slots=True)
class SpineDetection:
    """What a detector found in one image.

    Attributes:
        view: the projection that the image itself shows.
        boxes: level-labelled boxes from the head downwards, at most one a level.
        image_shape: (rows, columns) of the original image.
        labelling_margin: mean log-score by which the labelling beats the same chain shifted by one level.
    """

    view: View
    boxes: tuple[VertebraBox, ...]
    image_shape: tuple[int, int]
    labelling_margin: float = field(default=float("inf"))

    def box(self, level: VertebralLevel) -> VertebraBox | None:
        """The box of one level, or None."""
        return next((b for b in self.boxes if b.level is level), None)

    @property
    def missing(self) -> tuple[VertebralLevel, ...]:
        """Those of L1 to L4 that have no box."""
        return tuple(level for level in TARGET_LEVELS if self.box(level) is None)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1); the paper's overlap rate of two readers' ROIs.

    Source: Mao et al. 2022, "The consistency analysis of the delineated ROIs".
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def overlaps(
    first: Mapping[tuple[str, View], Sequence[VertebraBox]], second: Mapping[tuple[str, View], Sequence[VertebraBox]]
) -> dict[tuple[View, VertebralLevel], list[float]]:
    """Intersection over union of two readers' boxes, by view and level, in every image where both have the level.

    Args:
        first: boxes of one reader by study and view.
        second: those of the other.
    """
    values: dict[tuple[View, VertebralLevel], list[float]] = {}
    for key, boxes in first.items():
        others = {box.level: box for box in second.get(key, ())}
        for box in boxes:
            if (other := others.get(box.level)) is not None:
                values.setdefault((key[1], box.level), []).append(iou(box.corners, other.corners))
    return values
