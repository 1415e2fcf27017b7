"""What the stored values of a DICOM image mean."""

from __future__ import annotations

from enum import StrEnum


class Photometric(StrEnum):
    """PhotometricInterpretation. Source: DICOM PS3.3 C.7.6.3.1.2.

    The least value of MONOCHROME1 is white, of MONOCHROME2 black; the others are colours.
    """

    MONOCHROME1 = "MONOCHROME1"
    MONOCHROME2 = "MONOCHROME2"
    RGB = "RGB"
    YBR_FULL = "YBR_FULL"
    YBR_FULL_422 = "YBR_FULL_422"
    YBR_ICT = "YBR_ICT"
    YBR_RCT = "YBR_RCT"
    PALETTE_COLOR = "PALETTE COLOR"

    @property
    def is_grey(self) -> bool:
        """Whether one value a pixel is its brightness."""
        return self in (Photometric.MONOCHROME1, Photometric.MONOCHROME2)
