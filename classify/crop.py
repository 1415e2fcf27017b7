"""Crops of the classifier from level-labelled boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel
from osteolens.errors import StudyError


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


def roi_crops(
    pixels: npt.NDArray[np.float32],
    detection: SpineDetection,
    spec: PreprocessSpec,
    levels: Sequence[VertebralLevel] = TARGET_LEVELS,
) -> list[npt.NDArray[np.float32]]:
    """The crops (rows, columns) of one view that a preprocessing asks for: the column of some levels, or each body.

    Args:
        pixels: (rows, columns) in [0, 1].
        detection: boxes of that image.
        spec: preprocessing.
        levels: those of L1-L4 that are cropped.

    Raises:
        StudyError: a level has no box, or its box lies outside the image.
    """
    if spec.roi == "column":
        return [_cut(pixels, detection, levels, spec)]
    return [_cut(pixels, detection, (level,), spec) for level in levels]


def column_crop(pixels: npt.NDArray[np.float32], detection: SpineDetection) -> npt.NDArray[np.float32]:
    """The smallest upright rectangle of the image (rows, columns) that holds the boxes of L1 to L4.

    Raises:
        StudyError: one of L1 to L4 has no box, or the boxes lie outside the image.
    """
    return _cut(pixels, detection, TARGET_LEVELS, PreprocessSpec())


def _cut(
    pixels: npt.NDArray[np.float32], detection: SpineDetection, levels: Sequence[VertebralLevel], spec: PreprocessSpec
) -> npt.NDArray[np.float32]:
    x0, y0, x1, y1 = crop_corners(pixels.shape, detection, levels, spec)
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])


def crop_corners(
    shape: tuple[int, ...],
    detection: SpineDetection,
    levels: Sequence[VertebralLevel] = TARGET_LEVELS,
    spec: PreprocessSpec | None = None,
) -> tuple[int, int, int, int]:
    """Whole pixels x0, y0, x1, y1 of the smallest rectangle that holds some levels of an image (rows, columns), with
    the margins of a preprocessing as far as the image goes.

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
    x0, y0 = (int(v) for v in np.clip(np.floor(boxes[:, :2].min(0)), 0, shape[::-1]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(boxes[:, 2:].max(0)), 0, shape[::-1]))
    if x1 - x0 < 8 or y1 - y0 < 8:
        names = f"{levels[0]} to {levels[-1]}" if len(levels) > 1 else levels[0]
        raise StudyError(f"{detection.view}: the crop of {names} is {y1 - y0} x {x1 - x0} pixels; expected more than 8")
    return x0, y0, x1, y1
