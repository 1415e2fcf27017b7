"""How a stored image is turned upright and squared, and the way back to the stored pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cohort.io.dicom.attributes import Attributes, aspect_of, brief

Floats = npt.NDArray[np.float32]

UNEVEN_PIXELS = 0.01
"""Difference of row and column spacing, of the larger, from which pixels are not square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is done to stored rows and columns: exchanged, then turned or mirrored, then resampled to square pixels.

    Attributes:
        was_transposed: whether rows and columns are exchanged.
        was_half_turned: whether the image is then turned by 180 degrees.
        was_mirrored: whether its rows are reversed instead.
        factors: by what stored (rows, columns) are multiplied.
        anterior_left: whether rows run from the front of the patient to the back; None where it is unknown.
    """

    was_transposed: bool = False
    was_half_turned: bool = False
    was_mirrored: bool = False
    factors: tuple[float, float] = (1.0, 1.0)
    anterior_left: bool | None = None

    @property
    def is_turned(self) -> bool:
        """Whether the image is turned or mirrored to stand upright."""
        return self.was_transposed or self.was_half_turned or self.was_mirrored

    def shown(self, stored: Floats) -> Floats:
        """A stored image (rows, columns) as it is shown."""
        image = stored.T if self.was_transposed else stored
        image = image[::-1, ::-1] if self.was_half_turned else image[::-1] if self.was_mirrored else image
        image = np.ascontiguousarray(image)
        if self.factors == (1.0, 1.0):
            return image
        rows, columns = self._resampled(image.shape)
        return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)

    def shown_shape(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of the shown image of a stored one of (rows, columns)."""
        return self._resampled(stored[::-1] if self.was_transposed else stored)

    def stored_corners(
        self, corners: tuple[float, float, float, float], stored: tuple[int, int]
    ) -> tuple[float, float, float, float]:
        """A box of the shown image in the stored one.

        Args:
            corners: (x0, y0, x1, y1) in pixels of the shown image, from the outer corner of its first pixel.
            stored: (rows, columns) of the stored image.

        Returns:
            (x0, y0, x1, y1) likewise in pixels of the stored image, x0 < x1 and y0 < y1.
        """
        rows, columns = stored[::-1] if self.was_transposed else stored
        shown_rows, shown_columns = self._resampled((rows, columns))
        across, down = columns / shown_columns, rows / shown_rows
        x0, y0, x1, y1 = corners[0] * across, corners[1] * down, corners[2] * across, corners[3] * down
        if self.was_half_turned:
            x0, x1 = columns - x1, columns - x0
        if self.was_half_turned or self.was_mirrored:
            y0, y1 = rows - y1, rows - y0
        return (y0, x0, y1, x1) if self.was_transposed else (x0, y0, x1, y1)

    def shown_corners(
        self, corners: tuple[float, float, float, float], stored: tuple[int, int]
    ) -> tuple[float, float, float, float]:
        """A box of the stored image in the shown one; the way back of `stored_corners`.

        Args:
            corners: (x0, y0, x1, y1) in pixels of the stored image.
            stored: (rows, columns) of the stored image.
        """
        x0, y0, x1, y1 = corners
        if self.was_transposed:
            x0, y0, x1, y1 = y0, x0, y1, x1
        rows, columns = stored[::-1] if self.was_transposed else stored
        if self.was_half_turned:
            x0, x1 = columns - x1, columns - x0
        if self.was_half_turned or self.was_mirrored:
            y0, y1 = rows - y1, rows - y0
        shown_rows, shown_columns = self._resampled((rows, columns))
        across, down = shown_columns / columns, shown_rows / rows
        return x0 * across, y0 * down, x1 * across, y1 * down

    def _resampled(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if self.factors == (1.0, 1.0):
            return shape[0], shape[1]
        factors = self.factors[::-1] if self.was_transposed else self.factors
        return max(1, round(shape[0] * factors[0])), max(1, round(shape[1] * factors[1]))


def placement_of(header: Attributes) -> Placement:
    """Until columns run from head to feet, by PatientOrientation, and pixels are square; the header gets notes.

    Source: DICOM PS3.3 C.7.6.1.1.1 (patient orientation).
    """
    orientation = header.texts("PatientOrientation")
    along, down = (part[:1] for part in (*orientation, "", "")[:2])
    if along and down and (along in "HF") == (down in "HF"):
        header.unknown(
            "PatientOrientation", "/".join(orientation), "expected one direction along the body and one across"
        )
        along, down = "", ""
    transposed = bool(along) and along in "HF"
    if transposed:
        along, down = down, along
    half = down == "H" and along in ("R", "A")
    mirrored = down == "H" and not half
    if transposed or half or mirrored:
        header.notes.append(f"PatientOrientation says {brief('/'.join(orientation), 40)}; turned upright")
    if half:
        along = {"R": "L", "A": "P"}[along]
    return Placement(
        was_transposed=transposed,
        was_half_turned=half,
        was_mirrored=mirrored,
        factors=_square(header),
        anterior_left={"P": True, "A": False}.get(along),
    )


def _square(header: Attributes) -> tuple[float, float]:
    """By what stored (rows, columns) are multiplied so that a pixel is as tall as wide; the finer of both stays."""
    aspect, keyword = aspect_of(header)
    if abs(aspect - 1) <= UNEVEN_PIXELS:
        return 1.0, 1.0
    header.notes.append(f"pixels are not square ({keyword}); boxes are in pixels of the squared image")
    return (aspect, 1.0) if aspect > 1 else (1.0, 1 / aspect)
