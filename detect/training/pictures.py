"""Pictures of what is trained on and what a network makes of the validation images, written while a training goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from detect.training.body_crops import CropStore, batches
from osteolens.atomic import write_whole

TRUTH, FOUND = (80, 200, 80), (60, 60, 230)
"""Green outlines and boxes are of the cohort, red ones of the network; BGR."""

COLUMNS = 4
TILE_PX = 256

Bytes = npt.NDArray[np.uint8]


def draw_bodies(store: CropStore, found: npt.NDArray[np.float32] | None, path: Path) -> None:
    """The first crops of a store with the outlines of the cohort in green and those of the network in red.

    Args:
        store: crops.
        found: probabilities (n, side, side) of bodies by the network; none when None.
        path: of a PNG.

    Raises:
        OutputError: it cannot be written.
    """
    count = min(16, len(store.planes))
    images, masks, _ = next(iter(batches(store, np.arange(count), count, None)))
    tiles = []
    for number in range(count):
        tile = _tile(images[number, 0])
        for mask, colour in ((masks[number, 0], TRUTH), (None if found is None else found[number], FOUND)):
            if mask is not None:
                large = cv2.resize(mask, (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)
                contours, _ = cv2.findContours((large > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(tile, contours, -1, colour, 1, cv2.LINE_AA)
        tiles.append(tile)
    _write(tiles, path)


def draw_boxes(
    images: Sequence[Bytes],
    truths: Sequence[npt.NDArray[np.float64]],
    found: Sequence[npt.NDArray[np.float64]] | None,
    path: Path,
) -> None:
    """Images with the boxes of the cohort in green and those of the network in red.

    Args:
        images: (side, side), grey.
        truths: (n, 4) x0, y0, x1, y1 as fractions of the side, for each image.
        found: likewise by the network; none when None.
        path: of a PNG.

    Raises:
        OutputError: it cannot be written.
    """
    tiles = []
    for number, image in enumerate(images):
        tile = _tile(np.asarray(image, np.float32) / np.float32(255))
        boxes = [(truths[number], TRUTH)] + ([] if found is None else [(found[number], FOUND)])
        for corners, colour in boxes:
            for x0, y0, x1, y1 in np.round(corners * TILE_PX).astype(int).tolist():
                cv2.rectangle(tile, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA)
        tiles.append(tile)
    _write(tiles, path)


def _tile(image: npt.NDArray[np.float32]) -> Bytes:
    grey = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    resized = cv2.resize(grey, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_GRAY2BGR), np.uint8)


def _write(tiles: Sequence[Bytes], path: Path) -> None:
    """Tiles side by side as one picture."""
    empty = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    padded = [*tiles, *[empty] * (-len(tiles) % min(COLUMNS, max(1, len(tiles))))]
    wide = min(COLUMNS, len(tiles))
    rows = [np.concatenate(padded[start : start + wide], 1) for start in range(0, len(padded), wide)]
    write_whole(path, cv2.imencode(".png", np.concatenate(rows, 0))[1].tobytes())
