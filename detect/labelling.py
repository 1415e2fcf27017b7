"""Naming: a chain through all candidate bodies that fits their scores, order and spacing best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cohort.spine import DETECTED_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from detect.config import CLASSES, DetectionConfig

Floats = npt.NDArray[np.float64]

_FLOOR = 0.02
"""Share of a candidate's strength that every level keeps, so that one odd score cannot forbid a chain."""
_WORTH = 0.06
"""Score from which a candidate is better in the chain than out of it."""
_MISSED_COST = 2.5
"""Cost of a level without a candidate inside the chain."""
_SIXTH_COST = 1.0
"""Cost of a body without a name between L5 and S1: a sixth lumbar one (about 3 % of people)."""
SIXTH_GAP = 0.3
"""Gap between the boxes of L5 and S1, in heights of a box, from which a sixth lumbar body lies there."""
_SPACING_SD = 0.22
"""Spread of the distance between neighbouring centres, relative to their mean height."""


def label_levels(
    boxes: Floats,
    scores: Floats,
    image_shape: tuple[int, int],
    config: DetectionConfig,
    view: View | None = None,
) -> SpineDetection | None:
    """Choose the view, then the best chain of levels by dynamic programming.

    Args:
        boxes: (n, 4) in pixels.
        scores: (n, 16) by class.
        image_shape: (rows, columns).
        config: thresholds.
        view: the projection, where it is known; else the one that holds most score.

    Returns:
        None when fewer than three bodies form a chain.
    """
    if len(boxes) < 3:
        return None
    by_view = {view: scores[:, [k for k, (v, _) in enumerate(CLASSES) if v is view]] for view in View}
    if view is None:
        strength = {v: float(np.sort(s.sum(1))[-8:].sum()) for v, s in by_view.items()}
        view = max(strength, key=lambda v: strength[v])
    order = np.argsort(boxes[:, 1] + boxes[:, 3])
    boxes, level_scores = boxes[order], by_view[view][order]
    chain = _best_chain(boxes, level_scores)
    if len(chain) < 3:
        return None
    named = []
    for i, level in chain:
        x0, y0, x1, y1 = map(float, boxes[i])
        confidence = min(1.0, float(level_scores[i].sum()))
        named.append(VertebraBox(DETECTED_LEVELS[level], x0, y0, x1, y1, confidence=confidence))
    return SpineDetection(view, tuple(named), image_shape, labelling_margin(level_scores, chain))


def _gain(level_scores: Floats) -> Floats:
    strength = level_scores.sum(1, keepdims=True)
    return np.asarray(np.log((level_scores + _FLOOR * strength) / _WORTH))


def _best_chain(boxes: Floats, level_scores: Floats) -> list[tuple[int, int]]:
    """(candidate, level index) from the head downwards; candidates are sorted by height in the image."""
    count, levels = level_scores.shape
    gain = _gain(level_scores)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    heights = boxes[:, 3] - boxes[:, 1]
    total = gain.copy()
    previous = np.full((count, levels), -1, int)
    for i in range(count):
        for j in range(i):
            distance = float(np.hypot(*(centres[i] - centres[j])))
            unit = 0.92 * (heights[i] + heights[j]) / 2
            if centres[i, 1] - centres[j, 1] < 0.35 * unit:
                continue
            size_cost = 1.5 * np.log(heights[i] / heights[j]) ** 2
            for step in (1, 2, 3):
                cost = np.full(levels - step, _spacing_cost(distance, step * unit) + (step - 1) * _MISSED_COST)
                if step == 1:
                    cost[-1] = min(cost[-1], _spacing_cost(distance, 2 * unit) + _SIXTH_COST)
                joined = total[j, : levels - step] - cost - size_cost + gain[i, step:]
                better = joined > total[i, step:]
                total[i, step:] = np.where(better, joined, total[i, step:])
                previous[i, step:] = np.where(better, j * levels + np.arange(levels - step), previous[i, step:])
    at = int(np.argmax(total))
    if total.flat[at] <= 0:
        return []
    chain = []
    while at >= 0:
        i, level = divmod(at, levels)
        chain.append((i, level))
        at = int(previous[i, level])
    return chain[::-1]


def _spacing_cost(distance: float, expected: float) -> float:
    return float(min(0.5 * ((distance / expected - 1) / _SPACING_SD) ** 2, 12.0))


def labelling_margin(level_scores: Floats, chain: list[tuple[int, int]]) -> float:
    """Mean log-score by which a chain beats itself shifted one level up or down; small means a doubtful naming."""
    gain = _gain(level_scores)
    strength = level_scores.sum(1)
    own = np.mean([gain[i, level] for i, level in chain])
    shifted = []
    for shift in (-1, 1):
        moved = [
            gain[i, level + shift]
            if 0 <= level + shift < level_scores.shape[1]
            else float(np.log(_FLOOR * strength[i] / _WORTH))
            for i, level in chain
        ]
        shifted.append(np.mean(moved))
    return float(own - max(shifted))


def has_sixth_lumbar(detection: SpineDetection) -> bool:
    """Whether the boxes of L5 and S1 leave room for another body between them."""
    fifth, sacrum = detection.box(VertebralLevel.L5), detection.box(VertebralLevel.S1)
    if fifth is None or sacrum is None:
        return False
    height = float(np.median([box.height for box in detection.boxes]))
    return sacrum.y0 - fifth.y1 > SIXTH_GAP * height


def relabel_with_sixth_lumbar(detection: SpineDetection) -> SpineDetection:
    """The same bodies named as in a spine of six: each name moves one body up, and the lowest lumbar one has none."""
    if has_sixth_lumbar(detection) or detection.box(VertebralLevel.S1) is None:
        return detection
    named = []
    for box in detection.boxes:
        if box.level is VertebralLevel.S1:
            named.append(box)
        elif box.level is not VertebralLevel.L5:
            named.append(replace(box, level=DETECTED_LEVELS[DETECTED_LEVELS.index(box.level) + 1]))
    return replace(detection, boxes=tuple(named))


def reconcile_views(detections: Sequence[SpineDetection | None]) -> list[SpineDetection | None]:
    """Names that hold for a whole study: a lateral view shows no ribs, so it takes a sixth lumbar body from the AP."""
    six = any(d is not None and d.view is View.AP and has_sixth_lumbar(d) for d in detections)
    return [relabel_with_sixth_lumbar(d) if six and d is not None and d.view is View.LATERAL else d for d in detections]


def shift_levels(detection: SpineDetection, by: int) -> SpineDetection:
    """The same boxes under other names, as a reader corrects a naming: +1 makes L2 of L1; what falls outside goes.

    The margin becomes infinite, since a person decided.
    """
    named = []
    for box in detection.boxes:
        place = DETECTED_LEVELS.index(box.level) + by
        if 0 <= place < len(DETECTED_LEVELS):
            named.append(replace(box, level=DETECTED_LEVELS[place]))
    return replace(detection, boxes=tuple(named), labelling_margin=float("inf"))
