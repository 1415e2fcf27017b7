"""Images into squares: the longer side fills the square, the rest is border of the same width at both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image lies in a square, in whole pixels of the square."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, shape: tuple[float, ...], side: int) -> Letterbox:
        """The place of an image of a shape (rows, columns) in a square; each of its sides is one pixel at least."""
        scale = side / max(shape)
        height, width = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
        return cls((side - height) // 2, (side - width) // 2, height, width)

    def inside(self, square: npt.NDArray[Pixel]) -> npt.NDArray[Pixel]:
        """The part of a square (side, side) that holds the image: a view, which may be written to."""
        return square[self.top : self.top + self.height, self.left : self.left + self.width]

    def resized(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The image (rows, columns) as (height, width): by area where it shrinks, linear where it grows."""
        shrinks = max(self.height, self.width) < max(pixels.shape)
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (self.width, self.height), interpolation=how), np.float32)
