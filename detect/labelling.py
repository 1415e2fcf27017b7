"""Vertebral level labelling: the chain through the candidate bodies that best fits their scores, order and spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cohort.spine import DETECTED_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from detect.config import CLASSES, DetectionConfig

Floats = npt.NDArray[np.float64]

_FLOOR = 0.02
"""Fraction of a candidate's summed score that every level gets at least, so that one wrong score rules no chain out."""
_WORTH = 0.06
"""Score from which a candidate adds to the value of a chain."""
_MISSED_COST = 2.5
"""Cost of a level without a candidate inside the chain."""
_SIXTH_COST = 1.0
"""Cost of an unlabelled body between L5 and S1: a sixth lumbar vertebra (about 3 % of people)."""
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
        view: the projection, where it is known; else the one with the larger summed score.

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
    labelled = []
    for i, level in chain:
        x0, y0, x1, y1 = map(float, boxes[i])
        confidence = min(1.0, float(level_scores[i].sum()))
        labelled.append(VertebraBox(DETECTED_LEVELS[level], x0, y0, x1, y1, confidence=confidence))
    return SpineDetection(view, tuple(labelled), image_shape, labelling_margin(level_scores, chain))


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
    """Mean log-score of a chain minus that of the same chain shifted one level up or down, whichever is closer; small
    where the levels are ambiguous.

    Args:
        level_scores: (n, levels) of the chosen view.
        chain: candidate and level of each of its bodies.
    """
    gain = _gain(level_scores)
    strength = level_scores.sum(1)
    as_labelled = np.mean([gain[i, level] for i, level in chain])
    shifted = []
    for shift in (-1, 1):
        moved = [
            gain[i, level + shift]
            if 0 <= level + shift < level_scores.shape[1]
            else float(np.log(_FLOOR * strength[i] / _WORTH))
            for i, level in chain
        ]
        shifted.append(np.mean(moved))
    return float(as_labelled - max(shifted))


def has_sixth_lumbar(detection: SpineDetection) -> bool:
    """Whether the boxes of L5 and S1 leave room for another body between them."""
    fifth, sacrum = detection.box(VertebralLevel.L5), detection.box(VertebralLevel.S1)
    if fifth is None or sacrum is None:
        return False
    height = float(np.median([box.height for box in detection.boxes]))
    return sacrum.y0 - fifth.y1 > SIXTH_GAP * height


def relabel_with_sixth_lumbar(detection: SpineDetection) -> SpineDetection:
    """The same bodies labelled as in a spine with six lumbar vertebrae: each label moves one body up, and the lowest
    lumbar body has none."""
    if has_sixth_lumbar(detection) or detection.box(VertebralLevel.S1) is None:
        return detection
    labelled = []
    for box in detection.boxes:
        if box.level is VertebralLevel.S1:
            labelled.append(box)
        elif box.level is not VertebralLevel.L5:
            labelled.append(replace(box, level=DETECTED_LEVELS[DETECTED_LEVELS.index(box.level) + 1]))
    return replace(detection, boxes=tuple(labelled))


def reconcile_views(detections: Sequence[SpineDetection | None]) -> list[SpineDetection | None]:
    """Labels that agree between the views of a study: a sixth lumbar vertebra in the AP view is one in the lateral view
    too, which shows no ribs."""
    six = any(d is not None and d.view is View.AP and has_sixth_lumbar(d) for d in detections)
    return [relabel_with_sixth_lumbar(d) if six and d is not None and d.view is View.LATERAL else d for d in detections]


def shift_levels(detection: SpineDetection, by: int) -> SpineDetection:
    """The same boxes with labels that a reader has corrected: +1 makes L2 of L1; boxes outside T11 to S1 are dropped.

    The labelling margin becomes infinite, since a person decided.
    """
    labelled = []
    for box in detection.boxes:
        place = DETECTED_LEVELS.index(box.level) + by
        if 0 <= place < len(DETECTED_LEVELS):
            labelled.append(replace(box, level=DETECTED_LEVELS[place]))
    return replace(detection, boxes=tuple(labelled), labelling_margin=float("inf"))
