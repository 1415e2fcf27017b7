"""The paper's ROI rule: from outlines of vertebral bodies to rectangles."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from cohort.spine import LEVELS, VertebraBox, VertebralLevel

SIDE_MARGIN_MM = 1.0
"""Lateral margin beyond the body edge; the rule allows at most 2 mm."""

SIDE_MARGIN_RELATIVE = 0.022
"""The same margin as a fraction of the body's width, for images without pixel spacing (1 mm of about 46 mm)."""


def roi_boxes(
    outlines: Mapping[VertebralLevel, npt.ArrayLike],
    pixel_spacing_mm: tuple[float, float] | None,
) -> tuple[VertebraBox, ...]:
    """Rectangles by the paper's rule from the outline points of neighbouring bodies.

    Sides: the smallest upright rectangle that holds the body plus a margin within 2 mm. Top and bottom: the middle
    of the disc space, half way between the facing edges, but never inside the body. A body without a neighbour
    on one side gets half of the other disc's height there, or 8 % of its own height when it has neither.

    Args:
        outlines: for each level, points (n, 2) on its outline as (x, y) in pixels.
        pixel_spacing_mm: (row, column) spacing at the plane of the points, or None for the relative margin.

    Source: Mao et al. 2022, "Image preprocessing": lateral margin within 2 mm of the edge of the vertebral body,
    upper and lower edges in the middle of the intervertebral space.
    """
    edges = {level: _edges(np.asarray(points, float)) for level, points in outlines.items()}
    ordered = [level for level in LEVELS if level in edges]
    gaps: dict[VertebralLevel, float] = {}
    for upper, lower in pairwise(ordered):
        if LEVELS.index(lower) == LEVELS.index(upper) + 1:
            gaps[upper] = edges[lower]["facing_top"] - edges[upper]["facing_bottom"]
    boxes = []
    for level in ordered:
        edge = edges[level]
        above = gaps.get(LEVELS[LEVELS.index(level) - 1]) if level is not LEVELS[0] else None
        below = gaps.get(level)
        alone = 0.16 * (edge["bottom"] - edge["top"])
        gap_above = above if above is not None else below if below is not None else alone
        gap_below = below if below is not None else above if above is not None else alone
        width = edge["right"] - edge["left"]
        margin = SIDE_MARGIN_RELATIVE * width if pixel_spacing_mm is None else SIDE_MARGIN_MM / pixel_spacing_mm[1]
        boxes.append(
            VertebraBox(
                level,
                edge["left"] - margin,
                min(edge["top"], edge["facing_top"] - gap_above / 2),
                edge["right"] + margin,
                max(edge["bottom"], edge["facing_bottom"] + gap_below / 2),
            )
        )
    return tuple(boxes)


def _edges(points: npt.NDArray[np.float64]) -> dict[str, float]:
    """Extremes of one outline, and the mean height of its hull's upper and lower edge over the middle half."""
    hull = points[ConvexHull(points).vertices]
    left, right = float(hull[:, 0].min()), float(hull[:, 0].max())
    upper, lower = [], []
    for x in np.linspace(left + (right - left) / 4, right - (right - left) / 4, 9):
        start, end = hull, np.roll(hull, -1, axis=0)
        crosses = (start[:, 0] - x) * (end[:, 0] - x) <= 0
        run = end[crosses, 0] - start[crosses, 0]
        fraction = np.divide(x - start[crosses, 0], run, out=np.zeros_like(run), where=run != 0)
        y = start[crosses, 1] + fraction * (end[crosses, 1] - start[crosses, 1])
        upper.append(y.min())
        lower.append(y.max())
    return {
        "left": left,
        "right": right,
        "top": float(hull[:, 1].min()),
        "bottom": float(hull[:, 1].max()),
        "facing_top": float(np.mean(upper)),
        "facing_bottom": float(np.mean(lower)),
    }
