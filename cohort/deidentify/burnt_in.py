"""Text in the pixels: strokes that are flat, sharp and of one height, alone or in lines.

L and R markers and other lead letters are text as well and are found like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]

LONGEST_PX = 4096
"""Images are searched at this longest side; smaller ones as they are."""

STROKES_PX = (5, 11, 21, 41)
"""Widths of the elements that separate strokes from what is wider, at that size."""

LEAST_CONTRAST = 40
"""Of 255 grey levels, between a stroke and what lies around it."""

LONG_LINE = 5
"""Letters of one height in a line that count as text though none of them is flat."""

SHORTEST_PX, TALLEST = 6, 0.12
"""Height of a letter: at least so many pixels, at most this fraction of the longer side."""

FLAT_LEVELS, LEAST_FLAT, FLAT_ALONE = 1.5, 0.4, 0.6
"""Strokes that are drawn have one grey level: at least this fraction of a letter, more of one that stands alone, within
so many of 255 levels of it. Bone and noise have not."""

STEEP = 0.55
"""Least fraction of a letter's outline at which the image changes by half of its contrast within two pixels."""


@dataclass(frozen=True, slots=True)
class TextBox:
    """Text in stored pixels: x0, y0 inside, x1, y1 beyond."""

    x0: int
    y0: int
    x1: int
    y1: int

    def as_json(self) -> list[int]:
        """x0, y0, x1, y1."""
        return [self.x0, self.y0, self.x1, self.y1]


def find_text(cells: npt.NDArray[np.generic]) -> list[TextBox]:
    """Boxes around suspected text, from the top downwards.

    Args:
        cells: stored values (rows, columns).
    """
    levels, scale = _levels(cells)
    letters: list[TextBox] = []
    for signed in (levels, 255 - levels):
        found = [box for width in STROKES_PX for box in _letters(signed, width)]
        letters += _lines(_without_doubles(found))
    merged = _merged(letters)
    rows, columns = cells.shape[:2]
    return sorted((_stored(box, scale, rows, columns) for box in merged), key=lambda box: (box.y0, box.x0))


def black_out(cells: npt.NDArray[np.generic], boxes: Sequence[TextBox], value: int) -> None:
    """Set the boxes to one value, in place."""
    for box in boxes:
        cells[box.y0 : box.y1, box.x0 : box.x1] = value


def _levels(cells: npt.NDArray[np.generic]) -> tuple[Levels, float]:
    """Grey levels of which 0 to 255 are black to white, with what lies beyond, and the scale of the image."""
    values = np.asarray(cells, np.float32)
    if values.ndim == 3:
        values = values.mean(axis=2)
    low, high = np.percentile(values[:: max(1, values.shape[0] // 512), :: max(1, values.shape[1] // 512)], (0.5, 99.5))
    levels = (values - low) * (255 / max(float(high - low), 1e-6))
    scale = min(1.0, LONGEST_PX / max(values.shape))
    if scale < 1:
        size = round(values.shape[1] * scale), round(values.shape[0] * scale)
        levels = cv2.resize(levels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(levels, np.float32), scale


def _letters(levels: Levels, width: int) -> list[tuple[TextBox, float]]:
    """Bright components that look like drawn letters whose strokes are narrower than `width`."""
    element = cv2.getStructuringElement(cv2.MORPH_RECT, (width, width))
    hat = cv2.morphologyEx(levels, cv2.MORPH_TOPHAT, element)
    mask = np.asarray(hat > LEAST_CONTRAST, np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    tallest = TALLEST * max(levels.shape)
    boxes = []
    for k in range(1, count):
        x, y, wide, tall, area = (int(v) for v in stats[k])
        if not SHORTEST_PX <= tall <= tallest or not 0.05 * tall <= wide <= 2.2 * tall:
            continue
        fill = area / (wide * tall)
        if not 0.12 <= fill <= 0.98 or (fill > 0.8 and wide > 0.5 * tall) or area < 6:
            continue
        drawn = _is_drawn(levels, labels, k, (x, y, wide, tall))
        if drawn is not None:
            boxes.append((TextBox(x, y, x + wide, y + tall), drawn))
    return boxes


def _is_drawn(levels: Levels, labels: npt.NDArray[np.int32], k: int, box: tuple[int, int, int, int]) -> float | None:
    """Fraction of a component that has one grey level; None where its outline is not sharp."""
    x, y, wide, tall = box
    y0, x0 = max(0, y - 3), max(0, x - 3)
    window = levels[y0 : y + tall + 3, x0 : x + wide + 3]
    inside = labels[y0 : y + tall + 3, x0 : x + wide + 3] == k
    peak = float(np.percentile(window[inside], 80))
    near = np.asarray(inside, np.uint8)
    ring = (cv2.dilate(near, np.ones((7, 7), np.uint8)) > 0) & ~(cv2.dilate(near, np.ones((3, 3), np.uint8)) > 0)
    if not ring.any():
        return None
    around = float(np.median(window[ring]))
    contrast = peak - around
    if contrast < LEAST_CONTRAST:
        return None
    strokes = window[inside]
    level = _commonest(strokes[strokes > peak - 0.25 * contrast])
    flat = float(np.mean(np.abs(strokes - level) <= FLAT_LEVELS))
    outline = inside & ~(cv2.erode(near, np.ones((3, 3), np.uint8)) > 0)
    lowest = cv2.erode(window, np.ones((5, 5), np.uint8))
    steep = (window - lowest)[outline] > 0.5 * contrast
    return flat if float(steep.mean()) >= STEEP else None


def _commonest(levels: npt.NDArray[np.float32]) -> float:
    """The level about which most lie."""
    ordered = np.sort(levels)
    upto = np.searchsorted(ordered, ordered + 2 * FLAT_LEVELS, side="right") - np.arange(len(ordered))
    first = int(np.argmax(upto))
    return float(np.median(ordered[first : first + upto[first]]))


def _without_doubles(letters: Sequence[tuple[TextBox, float]]) -> list[tuple[TextBox, float]]:
    """The flattest, then largest, of boxes that lie over each other."""
    kept: list[tuple[TextBox, float]] = []
    for box, flat in sorted(letters, key=lambda item: (item[1] < LEAST_FLAT, -_area(item[0]))):
        if not any(_inside(box, other) > 0.6 for other, _ in kept):
            kept.append((box, flat))
    return kept


def _area(box: TextBox) -> int:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _inside(box: TextBox, other: TextBox) -> float:
    """Fraction of a box that lies in another."""
    wide = min(box.x1, other.x1) - max(box.x0, other.x0)
    tall = min(box.y1, other.y1) - max(box.y0, other.y0)
    return max(0, wide) * max(0, tall) / max(1, (box.x1 - box.x0) * (box.y1 - box.y0))


def _lines(letters: Sequence[tuple[TextBox, float]]) -> list[TextBox]:
    """Letters joined to those beside them of like height.

    A letter alone counts if it is tall and very flat, as a side marker is; several count if two of them are flat, or
    one of four. Where thin strokes are smoothed or the image was compressed, LONG_LINE letters of one height count.
    """
    groups: list[list[tuple[TextBox, float]]] = []
    for letter in sorted(letters, key=lambda item: item[0].x0):
        near = [group for group in groups if any(_beside(letter[0], other) for other, _ in group)]
        groups = [group for group in groups if group not in near] + [[*(o for g in near for o in g), letter]]
    lines = []
    for group in groups:
        boxes = [box for box, _ in group]
        flat = sum(fraction >= LEAST_FLAT for _, fraction in group)
        tall = [box.y1 - box.y0 for box in boxes]
        even = [height for height in tall if abs(height - np.median(tall)) <= max(2.0, 0.25 * float(np.median(tall)))]
        marker = len(boxes) == 1 and group[0][1] >= FLAT_ALONE and tall[0] >= 2 * SHORTEST_PX
        if marker or flat >= 2 or (flat and len(boxes) >= 4) or len(even) >= LONG_LINE:
            lines.append(_hull(boxes))
    return lines


def _beside(one: TextBox, other: TextBox) -> bool:
    tall, others = one.y1 - one.y0, other.y1 - other.y0
    low, high = min(tall, others), max(tall, others)
    shared = min(one.y1, other.y1) - max(one.y0, other.y0)
    gap = max(one.x0, other.x0) - min(one.x1, other.x1)
    return shared > 0.6 * low and high < 1.8 * low and gap < 1.5 * high


def _hull(boxes: Sequence[TextBox]) -> TextBox:
    return TextBox(
        min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes)
    )


def _merged(boxes: Sequence[TextBox]) -> list[TextBox]:
    """Boxes of which none overlap."""
    merged = list(boxes)
    again = True
    while again:
        again = False
        for k, box in enumerate(merged):
            other = next((o for o in merged[k + 1 :] if _inside(box, o) > 0 or _inside(o, box) > 0), None)
            if other is not None:
                merged = [b for b in merged if b not in (box, other)] + [_hull((box, other))]
                again = True
                break
    return merged


def _stored(box: TextBox, scale: float, rows: int, columns: int) -> TextBox:
    """A box in stored pixels with a margin of a quarter of its height, for parts of letters that were not found."""
    margin = 2 + (box.y1 - box.y0) // 4
    return TextBox(
        max(0, int((box.x0 - margin) / scale)),
        max(0, int((box.y0 - margin) / scale)),
        min(columns, int(np.ceil((box.x1 + margin) / scale))),
        min(rows, int(np.ceil((box.y1 + margin) / scale))),
    )
