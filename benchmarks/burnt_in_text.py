"""How much text that is drawn into radiographs `osteolens deidentify` finds, by the height of its letters.

    python benchmarks/burnt_in_text.py FOLDER [--films 60]

FOLDER holds DICOM radiographs without text. Text counts as found where more than half of its ink lies in a box.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pydicom

from cohort.deidentify.burnt_in import find_text

Cells = npt.NDArray[np.integer[Any]]

HEIGHTS = (8, 12, 16, 24, 40, 64)
FONTS = (
    *(cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX),
    *(cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL),
)


def is_found(cells: Cells, height: int, words: str, rng: np.random.Generator) -> bool | None:
    """Draw text somewhere into a film and look for it; None where the film is too small for it."""
    font, thickness = int(rng.choice(FONTS)), max(1, height // 10)
    scale = cv2.getFontScaleFromHeight(font, height, thickness)
    (width, tall), _ = cv2.getTextSize(words, font, scale, thickness)
    rows, columns = cells.shape
    if width + 8 > columns or 2 * tall + 8 > rows:
        return None
    x, y = int(rng.integers(4, columns - width - 3)), int(rng.integers(tall + 4, rows - tall))
    ink = np.zeros(cells.shape, np.uint8)
    cv2.putText(ink, words, (x, y), font, scale, 1, thickness)
    drawn = np.where(ink > 0, int(rng.choice([cells.min(), cells.max()])), cells).astype(cells.dtype)
    inside = np.zeros(cells.shape, bool)
    for box in find_text(drawn):
        inside[box.y0 : box.y1, box.x0 : box.x1] = True
    return bool((inside & (ink > 0)).sum() > 0.5 * (ink > 0).sum())


def main() -> None:
    """Print how often text is found by height, and false boxes on the films as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--words", default="DOE^JANE 1950-03-01")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    films = [pydicom.dcmread(path).pixel_array for path in sorted(options.folder.rglob("*.dcm"))[: options.films]]
    found = {
        height: [hit for film in films if (hit := is_found(film, height, options.words, rng)) is not None]
        for height in HEIGHTS
    }
    document = {
        "words": options.words,
        "films": len(films),
        "films_with_a_box_before": sum(bool(find_text(film)) for film in films),
        "found_by_letter_height_px": {height: float(np.mean(hits)) for height, hits in found.items() if hits},
        "films_by_letter_height_px": {height: len(hits) for height, hits in found.items()},
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
