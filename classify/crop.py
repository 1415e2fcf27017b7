"""Where the classifier's crops lie, from level-labelled boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classify.config import PreprocessSpec
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel
from osteolens.errors import StudyError

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a crop in pixels of the radiograph, which may lie between pixels."""

FEWEST_PIXELS = 8
"""Along each side of a crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPlaces:
    """Positions of the crops of one view.

    Attributes:
        detection: boxes that the crops came from.
        levels: those that were cropped, in order.
        mirrored: whether the crops were mirrored.
        shape: (rows, columns) of the radiograph.
    """

    detection: SpineDetection
    levels: tuple[VertebralLevel, ...]
    mirrored: bool
    shape: tuple[int, int]


def roi_corners(
    shape: tuple[int, ...],
    detection: SpineDetection,
    spec: PreprocessSpec,
    levels: Sequence[VertebralLevel] = TARGET_LEVELS,
) -> list[Corners]:
    """Where the crops of one view lie that a preprocessing asks for: the column of some levels, or each body.

    Args:
        shape: (rows, columns) of the radiograph.
        detection: its boxes.
        spec: preprocessing.
        levels: those of L1-L4 that are cropped.

    Raises:
        StudyError: a level has no box, or its box lies outside the image.
    """
    crops = [tuple(levels)] if spec.roi == "column" else [(level,) for level in levels]
    return [crop_corners(shape, detection, of_crop, spec) for of_crop in crops]


def crop_corners(
    shape: tuple[int, ...],
    detection: SpineDetection,
    levels: Sequence[VertebralLevel] = TARGET_LEVELS,
    spec: PreprocessSpec | None = None,
) -> Corners:
    """The smallest upright rectangle that holds some levels of an image (rows, columns), with the margins of a
    preprocessing as far as the image goes.

    Args:
        shape: (rows, columns) of the image.
        detection: its boxes.
        levels: those that the rectangle holds.
        spec: preprocessing whose margins are added; none when left out.

    Raises:
        StudyError: one of these levels has no box, or the boxes lie outside the image.
    """
    missing = [level for level in levels if detection.box(level) is None]
    if missing or not levels:
        raise StudyError(
            f"{detection.view}: no box for {', '.join(missing)}; expected {', '.join(levels) or 'at least one level'}"
        )
    boxes = np.array([box.corners for box in detection.boxes if box.level in levels], np.float64)
    if spec is not None:
        across, along = (boxes[:, 2:] - boxes[:, :2]).T * np.array([[spec.margin_across], [spec.margin_along]])
        boxes += np.stack((-across, -along, across, along), 1)
    x0, y0 = (float(v) for v in np.clip(boxes[:, :2].min(0), 0, shape[::-1]))
    x1, y1 = (float(v) for v in np.clip(boxes[:, 2:].max(0), 0, shape[::-1]))
    if min(x1 - x0, y1 - y0) < FEWEST_PIXELS:
        names = f"{levels[0]} to {levels[-1]}" if len(levels) > 1 else levels[0]
        found = f"{y1 - y0:.0f} x {x1 - x0:.0f} pixels"
        raise StudyError(f"{detection.view}: the crop of {names} is {found}; expected {FEWEST_PIXELS} at least")
    return x0, y0, x1, y1
