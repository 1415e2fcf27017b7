"""Domain randomisation: posture, field and contrast of simulated patients beyond the range of real patients."""

from __future__ import annotations

from enum import StrEnum


class Variety(StrEnum):
    """Domain randomisation of a simulated cohort.

    NONE samples people as they are. WIDE sets pelvis and field further apart. FADED does so too, and fades sacrum,
    hips and ribs and lays bowel gas over the pelvis, as many real radiographs show them. WIDE and FADED are for the
    training of detectors.
    """

    NONE = "none"
    WIDE = "wide"
    FADED = "faded"
