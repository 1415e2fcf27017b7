"""Boxes go from the shown image to the stored one and back, however it was turned and squared."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset

from cohort.io.dicom.attributes import Attributes
from cohort.io.dicom.placement import placement_of

ROWS, COLUMNS = 60, 44
STORED_BOX = (8.0, 12.0, 20.0, 40.0)
ORIENTATIONS = [("L", "F"), ("R", "H"), ("L", "H"), ("F", "L"), ("H", "R"), ("P", "F"), ("F", "P")]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("spacing", [(0.2, 0.2), (0.4, 0.2), (0.2, 0.4)])
def test_a_box_lies_where_its_pixels_do(orientation: tuple[str, str], spacing: tuple[float, float]) -> None:
    header = Dataset()
    header.PatientOrientation, header.PixelSpacing = list(orientation), list(spacing)
    placement = placement_of(Attributes(header))
    stored = np.zeros((ROWS, COLUMNS), np.float32)
    x0, y0, x1, y1 = (int(value) for value in STORED_BOX)
    stored[y0:y1, x0:x1] = 1
    shown = placement.shown(stored)
    assert shown.shape == placement.shown_shape((ROWS, COLUMNS))
    rows, columns = np.nonzero(shown > 0.5)
    found = (columns.min(), rows.min(), columns.max() + 1.0, rows.max() + 1.0)
    there = placement.shown_corners(STORED_BOX, (ROWS, COLUMNS))
    assert there == pytest.approx(found, abs=0.51)
    assert placement.stored_corners(there, (ROWS, COLUMNS)) == pytest.approx(STORED_BOX)
