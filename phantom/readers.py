"""Six simulated radiologists and their manual ROIs of L1-L4."""

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
    """Manual ROIs of L1-L4 by reader's name, with errors at the four edges.

    Args:
        boxes: true boxes in pixels; other levels than L1-L4 are left out.
        view: whose boxes they are.
        spacing_mm: pixel size at the detector, where the readers' errors are given in mm.
        seed: of the readers' errors.
    """
    readers = {}
    for reader in range(READERS):
        rng = np.random.default_rng([seed, 20, reader, 0 if view is View.AP else 1])
        rois = []
        for box in (b for b in boxes if b.level in TARGET_LEVELS):
            shift = (_HABITS[reader] + rng.normal(0, CARE_MM, 4)) / spacing_mm
            x0, y0, x1, y1 = (edge + float(d) for edge, d in zip(box.corners, shift, strict=True))
            rois.append(VertebraBox(box.level, x0, y0, x1, y1))
        readers[f"reader{reader + 1}"] = tuple(rois)
    return readers
