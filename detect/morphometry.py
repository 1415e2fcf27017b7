"""Heights of vertebral bodies and the curve of a spine, measured on outlines as a reader measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohort.findings import BodyHeights, CobbAngle
from cohort.spine import LEVELS, VertebralLevel

Points = npt.NDArray[np.float64]

EDGES = ((0.10, 0.26), (0.42, 0.58), (0.70, 0.86))
"""Parts of a body's depth, from the front wall to the back, over which its three heights are read."""

SLICES = 50
"""Places along a body's depth at which its endplates are read."""

OUTLINE_POINTS = 120
"""Points of an outline from which its endplates are read; more tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endplates:
    """The upper and the lower edge of one body along its own depth.

    Attributes:
        upper: (SLICES,) distance of the upper edge from the body's centre along its axis, in the outline's unit.
        lower: (SLICES,) of the lower edge.
        upper_deg: tilt of the upper endplate against the rows of the image, positive when it falls to the right.
        lower_deg: of the lower endplate.
    """

    upper: Points
    lower: Points
    upper_deg: float
    lower_deg: float

    def heights(self, anterior_left: bool) -> tuple[float, float, float]:
        """Median height near the front wall, in the middle and near the back wall.

        The back is read further inside: a pedicle widens the very edge.
        """
        tall = self.lower - self.upper if anterior_left else (self.lower - self.upper)[::-1]
        front, middle, back = (float(np.median(tall[round(a * SLICES) : round(b * SLICES)])) for a, b in EDGES)
        return front, middle, back


def endplates(outline: Points) -> Endplates | None:
    """Both endplates of an outline (n, 2) of x and y, y downwards; None where they cannot be told from walls.

    The body's axis starts upright and is turned twice to the mean direction of the two endplates.
    """
    outline = outline[:: max(1, len(outline) // OUTLINE_POINTS)]
    centre, turn = outline.mean(0), 0.0
    for _ in range(3):
        cos, sin = np.cos(turn), np.sin(turn)
        turned = (outline - centre) @ np.array([[cos, -sin], [sin, cos]])
        profiles = _profiles(turned)
        if profiles is None:
            return None
        at, upper, lower = profiles
        inner = slice(round(0.15 * SLICES), round(0.85 * SLICES))
        along = at[inner] - at[inner].mean()
        slopes = [float(np.arctan(edge[inner] @ along / (along @ along))) for edge in (upper, lower)]
        plates = Endplates(
            upper=upper,
            lower=lower,
            upper_deg=float(np.degrees(turn + slopes[0])),
            lower_deg=float(np.degrees(turn + slopes[1])),
        )
        turn += float(np.mean(slopes))
        if abs(turn) > np.radians(60):
            return None
    return plates


def _profiles(points: Points) -> tuple[Points, Points, Points] | None:
    """Places along x and the outline's least and greatest y there."""
    start, run = points, np.roll(points, -1, axis=0) - points
    left, right = float(points[:, 0].min()), float(points[:, 0].max())
    at = left + (right - left) * (np.arange(SLICES) + 0.5) / SLICES
    fraction = (at[:, None] - start[None, :, 0]) / np.where(run[:, 0] == 0, np.inf, run[:, 0])[None]
    crosses = (fraction >= 0) & (fraction <= 1) & (run[None, :, 0] != 0)
    if (crosses.sum(1) < 2).any():
        return None
    y = start[None, :, 1] + fraction * run[None, :, 1]
    return at, np.where(crosses, y, np.inf).min(1), np.where(crosses, y, -np.inf).max(1)


def body_heights(
    outlines: Mapping[VertebralLevel, Points | None], anterior_left: bool
) -> dict[VertebralLevel, BodyHeights]:
    """Heights of every outlined body of a lateral view.

    Sources: Genant 1993 (doi 10.1002/jbmr.5650080915), the three heights and their comparison within the body and with
    its neighbours.
    """
    by_level: dict[VertebralLevel, tuple[float, float, float]] = {}
    for level, outline in outlines.items():
        plates = None if outline is None else endplates(outline)
        if plates is not None:
            by_level[level] = plates.heights(anterior_left)
    heights = {}
    for level, (front, middle, back) in by_level.items():
        place = LEVELS.index(level)
        neighbours = [LEVELS[k] for k in (place - 1, place + 1) if 0 <= k < len(LEVELS)]
        beside = [by_level[level][2] for level in neighbours if level in by_level]
        heights[level] = BodyHeights(
            anterior=front,
            middle=middle,
            posterior=back,
            wedge=1 - front / max(back, 1e-6),
            biconcave=1 - middle / max((front + back) / 2, 1e-6),
            crush=1 - max(back, front) / max(float(np.mean(beside)), 1e-6) if beside else 0.0,
        )
    return heights


def cobb_angle(outlines: Mapping[VertebralLevel, Points | None]) -> CobbAngle | None:
    """Estimate of the Cobb angle among the outlined bodies of an AP view; None with fewer than three.

    A body's tilt is the mean of three directions: of its two endplates, and twice across the line of centres through
    its neighbours. Single endplates, which Cobb used, are measured with an error of some degrees where discs are
    narrow, and the largest of many differences is then too large; centres are more exact.

    Source: Cobb 1948, "Outline for the study of scoliosis".
    """
    known = {level: outline for level in LEVELS if (outline := outlines.get(level)) is not None}
    plates = {level: endplates(outline) for level, outline in known.items()}
    levels = [level for level in known if plates[level] is not None]
    if len(levels) < 3:
        return None
    centres = [(known[level].min(0) + known[level].max(0)) / 2 for level in levels]
    tilts = {}
    for k, level in enumerate(levels):
        across, down = centres[min(k + 1, len(levels) - 1)] - centres[max(k - 1, 0)]
        of_chain = -float(np.degrees(np.arctan2(across, down)))
        ends_of_body = plates[level]
        assert ends_of_body is not None
        tilts[level] = ((ends_of_body.upper_deg + ends_of_body.lower_deg) / 2 + 2 * of_chain) / 3
    ends = max(tilts, key=lambda k: tilts[k]), min(tilts, key=lambda k: tilts[k])
    upper, lower = sorted(ends, key=LEVELS.index)
    return CobbAngle(degrees=abs(tilts[upper] - tilts[lower]), upper=upper, lower=lower)
