"""Each level once: of several shapes of a level the one that is used, and the others with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.importers.drawn import Corners, LeftOut
from cohort.importers.geometry import Polygon, Shape
from cohort.spine import VertebralLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A shape in pixels of its image, and its level."""

    shape: Shape
    points: Polygon
    level: VertebralLevel


def _corners(points: Polygon) -> Corners:
    low, high = points.min(0), points.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def by_level(
    path: Path, placed: Sequence[Placed], listed: list[LeftOut]
) -> tuple[dict[VertebralLevel, Corners], dict[VertebralLevel, Polygon]]:
    """Boxes and outlines, at most one of each a level; shapes that are not used are listed."""
    boxes: dict[VertebralLevel, Corners] = {}
    outlines: dict[VertebralLevel, Polygon] = {}
    for level in sorted({item.level for item in placed}):
        candidates = [(item.shape, item.points) for item in placed if item.level is level]
        chosen, dropped = _chosen(candidates, level)
        listed += [LeftOut(path, reason, shape.label) for shape, reason in dropped]
        for shape, points in chosen:
            if shape.is_outline:
                outlines[level] = points
            else:
                boxes[level] = _corners(points)
    return boxes, outlines


def _chosen(
    candidates: Sequence[tuple[Shape, Polygon]], level: VertebralLevel
) -> tuple[Sequence[tuple[Shape, Polygon]], list[tuple[Shape, str]]]:
    """The drawing of a level to use, and the others with their reasons; a box and the outline in it go together."""
    if len(candidates) == 1:
        return candidates, []
    boxes, bodies = [p for s, p in candidates if not s.is_outline], [p for s, p in candidates if s.is_outline]
    if len(boxes) == len(bodies) == 1:
        middle = (bodies[0].min(0) + bodies[0].max(0)) / 2
        if ((boxes[0].min(0) <= middle) & (middle <= boxes[0].max(0))).all():
            return candidates, []
    first = candidates[0]
    if all(s.is_outline is first[0].is_outline and np.array_equal(p, first[1]) for s, p in candidates):
        return [first], [(shape, f"{level} is drawn again in the same place") for shape, _ in candidates[1:]]
    ranked = sorted(candidates, key=lambda item: item[0].score or 0.0, reverse=True)
    scores = [shape.score for shape, _ in ranked]
    places = "; ".join(", ".join(f"{value:.0f}" for value in _corners(points)) for _, points in candidates)
    if None not in scores and scores[0] != scores[1]:
        reason = f"{level} is drawn {len(candidates)} times ({places}); the one of score {scores[0]:g} is used"
        return ranked[:1], [(shape, reason) for shape, _ in ranked[1:]]
    reason = f"{level} is drawn {len(candidates)} times ({places}) and none is used; keep one"
    return [], [(shape, reason) for shape, _ in candidates]
