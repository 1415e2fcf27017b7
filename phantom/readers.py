"""Six simulated radiologists who draw the ROIs of L1-L4 by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cohort.spine import TARGET_LEVELS, VertebraBox, View

READERS = 6
"""As in the paper, where every two of six overlapped by more than 90 %."""

HABIT_MM = 0.45
"""Spread between readers of where each draws an edge on average."""

CARE_MM = 0.62
"""Spread of one reader's edges round that habit; with it pairs overlap by a little more than 90 % on average."""

_HABITS = np.random.default_rng(2022).normal(0, HABIT_MM, (READERS, 4))


def sample_reader_rois(
    boxes: Sequence[VertebraBox], view: View, spacing_mm: float, seed: int
) -> dict[str, tuple[VertebraBox, ...]]:
    """ROIs of L1-L4 as each reader draws them, by reader's name; errors at the four edges in mm of the detector."""
    drawn = {}
    for reader in range(READERS):
        rng = np.random.default_rng([seed, 20, reader, 0 if view is View.AP else 1])
        own = []
        for box in (b for b in boxes if b.level in TARGET_LEVELS):
            shift = (_HABITS[reader] + rng.normal(0, CARE_MM, 4)) / spacing_mm
            x0, y0, x1, y1 = (edge + float(d) for edge, d in zip(box.corners, shift, strict=True))
            own.append(VertebraBox(box.level, x0, y0, x1, y1))
        drawn[f"reader{reader + 1}"] = tuple(own)
    return drawn
