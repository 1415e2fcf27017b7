"""Agreement of readers' boxes: intersection over union, and distances of edges and centres in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cohort.spine import TARGET_LEVELS, View, overlaps
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.roi_comparison.studies import AUTOMATIC, ComparedStudies

EDGES = ("left", "top", "right", "bottom")

MeanIou = dict[str, float]
"""Mean intersection over union of both views ("all"), by view ("AP") and by view and level ("AP L1")."""


@dataclass(frozen=True, slots=True)
class EdgeDifference:
    """Detector minus the mean of the manual readers at one edge, or at the centre, of L1-L4 in one view.

    Attributes:
        view: of the boxes.
        edge: left, top, right, bottom, or centre across or along the spine.
        mm: bias with 95 % limits of agreement; right and down are positive.
    """

    view: View
    edge: str
    mm: Estimate

    @property
    def name(self) -> str:
        """View and edge."""
        return f"{self.view} {self.edge}"


def between_readers(studies: ComparedStudies) -> MeanIou:
    """Overlap of every two manual readers; empty with a single one."""
    return mean_iou(studies, list(combinations(studies.readers, 2)))


def with_detector(studies: ComparedStudies) -> MeanIou:
    """Overlap of every manual reader with the detector."""
    return mean_iou(studies, [(name, AUTOMATIC) for name in studies.readers])


def by_pair(studies: ComparedStudies) -> dict[tuple[str, str], float]:
    """Overlap of every two readers, the detector among them, over both views."""
    pairs = combinations([*studies.readers, AUTOMATIC], 2)
    return {pair: mean_iou(studies, [pair])["all"] for pair in pairs}


def mean_iou(studies: ComparedStudies, pairs: Sequence[tuple[str, str]]) -> MeanIou:
    """Mean intersection over union of the boxes of some pairs of readers."""
    values: dict[str, list[float]] = {}
    for first, second in pairs:
        ious = overlaps(studies.rois[first], studies.rois[second])
        for view in View:
            for level in TARGET_LEVELS:
                for key in ("all", f"{view}", f"{view} {level}"):
                    values.setdefault(key, []).extend(ious[view, level])
    return {key: float(np.mean(ious)) for key, ious in values.items()}


def edge_differences(studies: ComparedStudies) -> tuple[EdgeDifference, ...]:
    """Bias and limits of agreement in mm by view and edge; none of a view with fewer than two boxes of known spacing.

    Source: Bland and Altman 1986.
    """
    differences = []
    for view in View:
        manual = np.mean([studies.corners(name, view) for name in studies.readers], 0)
        gaps = (studies.corners(AUTOMATIC, view) - manual) * studies.spacing_mm[view][:, None, None]
        edges = gaps.reshape(-1, len(EDGES))
        edges = edges[np.isfinite(edges).all(1)]
        if len(edges) < 2:
            continue
        centres = (edges[:, :2] + edges[:, 2:]) / 2
        columns = np.concatenate((edges, centres), 1).T
        for edge, values in zip((*EDGES, "centre across", "centre along"), columns, strict=True):
            bias, half = float(values.mean()), 1.96 * float(values.std(ddof=1))
            differences.append(EdgeDifference(view, edge, Estimate(bias, bias - half, bias + half)))
    return tuple(differences)
