"""Text that is drawn into simulated radiographs, and radiographs without."""

from __future__ import annotations

import cv2
import numpy as np
import pydicom
import pytest

from cohort.deidentify.burnt_in import TextBox, black_out, find_text
from tests import ROOT

FILMS = sorted((ROOT / "examples").glob("*/*.dcm"))


def drawn(cells: np.ndarray, height: int, white: bool, at: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A film with a line of text, and where its ink is."""
    ink = np.zeros(cells.shape, np.uint8)
    cv2.putText(ink, "SMITH JOHN 1951", at, cv2.FONT_HERSHEY_SIMPLEX, height / 21, 255, max(1, height // 12))
    text = cells.copy()
    text[ink > 128] = int(cells.max()) if white else int(cells.min())
    visible = (ink > 128) & (np.abs(text.astype(int) - cells) > 0.1 * (int(cells.max()) - int(cells.min())))
    return text, visible


def covered(boxes: list[TextBox], ink: np.ndarray) -> float:
    mask = np.zeros(ink.shape, bool)
    for box in boxes:
        mask[box.y0 : box.y1, box.x0 : box.x1] = True
    return float(mask[ink].mean())


@pytest.mark.parametrize("height", [16, 24, 40])
@pytest.mark.parametrize("white", [True, False])
def test_text_is_found(height: int, white: bool) -> None:
    found = []
    for path in FILMS[:6]:
        cells = pydicom.dcmread(path).pixel_array
        text, ink = drawn(cells, height, white, (10, height + 10))
        if ink.sum() > 20:
            found.append(covered(find_text(text), ink) > 0.5)
    assert np.mean(found) >= 0.8


def test_a_side_marker_is_text() -> None:
    """Most examples show a lead letter."""
    found = [bool(find_text(pydicom.dcmread(path).pixel_array)) for path in FILMS]
    assert sum(found) >= 5


def test_most_of_a_film_without_text_stays_unmarked() -> None:
    areas = []
    for path in FILMS:
        cells = pydicom.dcmread(path).pixel_array
        areas.append(sum((b.x1 - b.x0) * (b.y1 - b.y0) for b in find_text(cells)) / cells.size)
    assert np.median(areas) < 0.02


def test_a_flat_image_has_no_text() -> None:
    assert find_text(np.zeros((64, 64), np.uint16)) == []


def test_boxes_are_blackened_and_nothing_else() -> None:
    cells = np.full((20, 20), 7, np.uint16)
    black_out(cells, [TextBox(2, 3, 5, 6)], 0)
    assert int((cells == 0).sum()) == 9
