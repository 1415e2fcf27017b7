"""Agreement of readers' boxes: overlap, intraclass correlation, and distances of edges and centres in millimetres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cohort.io.annotations import Rois
from cohort.spine import TARGET_LEVELS, VertebralLevel, View, overlaps
from pipeline.evaluation.statistics.agreement import icc
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.roi_comparison.studies import ComparedStudies, Floats

EDGES = ("left", "top", "right", "bottom")

MEASURES = (*EDGES, "centre across", "centre along", "height")
"""What is measured of a box in mm: its edges, its centre, and its height; across is to the right, along is down."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Mean overlap of two readers' boxes.

    Attributes:
        iou: intersection over union.
        dice: twice the intersection over the sum of both areas.
        boxes: pairs of boxes.
    """

    iou: float
    dice: float
    boxes: int


Overlaps = Mapping[str, Overlap]
"""Of both views ("all"), by view ("AP") and by view and level ("AP L1"); empty where there is no pair of readers."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Intraclass correlation of one measure of the boxes of one level in one view.

    Attributes:
        view: of the boxes.
        level: of the vertebra.
        measure: one of MEASURES, in mm.
        studies: whose pixel spacing is known.
        readers: ICC(2,1) of the manual readers; None with a single one.
        with_detector: of the readers and the detector together.
    """

    view: View
    level: VertebralLevel
    measure: str
    studies: int
    readers: Estimate | None
    with_detector: Estimate


def between_readers(studies: ComparedStudies) -> Overlaps:
    """Overlap of every two manual readers; empty with a single one."""
    rois = [reader.rois for reader in studies.readers.values()]
    return mean_overlaps(list(combinations(rois, 2)))


def with_detector(studies: ComparedStudies) -> Overlaps:
    """Overlap of every manual reader with the detector."""
    return mean_overlaps([(reader.rois, studies.automatic.rois) for reader in studies.readers.values()])


def by_pair(studies: ComparedStudies) -> dict[tuple[str, str], Overlap]:
    """Overlap of every two manual readers over both views."""
    return {
        pair: mean_overlaps([(studies.readers[pair[0]].rois, studies.readers[pair[1]].rois)])["all"]
        for pair in combinations(studies.names, 2)
    }


def by_reader(studies: ComparedStudies) -> dict[str, Overlap]:
    """Overlap of each manual reader with the detector over both views."""
    return {
        name: mean_overlaps([(reader.rois, studies.automatic.rois)])["all"] for name, reader in studies.readers.items()
    }


def mean_overlaps(pairs: Sequence[tuple[Rois, Rois]]) -> Overlaps:
    """Mean overlap of the boxes of some pairs of readers."""
    values: dict[str, list[float]] = {}
    for first, second in pairs:
        ious = overlaps(first, second)
        for view in View:
            for level in TARGET_LEVELS:
                for key in ("all", f"{view}", f"{view} {level}"):
                    values.setdefault(key, []).extend(ious[view, level])
    return {key: _mean(np.array(ious)) for key, ious in values.items()}


def _mean(ious: Floats) -> Overlap:
    """Source: Dice 1945, Ecology 26:297, which is 2 IoU / (1 + IoU) of each pair of boxes."""
    return Overlap(float(ious.mean()), float((2 * ious / (1 + ious)).mean()), len(ious))


def edge_differences(studies: ComparedStudies) -> tuple[EdgeDifference, ...]:
    """Bias and limits of agreement in mm by view and edge; none of a view with fewer than two boxes of known spacing.

    Source: Bland and Altman 1986.
    """
    differences = []
    for view in View:
        manual = np.mean([studies.corners(reader.rois, view) for reader in studies.readers.values()], 0)
        gaps = (studies.corners(studies.automatic.rois, view) - manual) * studies.spacing_mm[view][:, None, None]
        edges = gaps.reshape(-1, len(EDGES))
        edges = edges[np.isfinite(edges).all(1)]
        if len(edges) < 2:
            continue
        centres = (edges[:, :2] + edges[:, 2:]) / 2
        columns = np.concatenate((edges, centres), 1).T
        for edge, values in zip(MEASURES[: len(columns)], columns, strict=True):
            bias, half = float(values.mean()), 1.96 * float(values.std(ddof=1))
            differences.append(EdgeDifference(view, edge, Estimate(bias, bias - half, bias + half)))
    return tuple(differences)


def reliability(studies: ComparedStudies) -> tuple[Reliability, ...]:
    """ICC(2,1) of edges, centres and heights by view and level, of studies with a known pixel spacing; two at least.

    Source: Shrout and Fleiss 1979, Psychological Bulletin 86:420; interval of McGraw and Wong 1996.
    """
    found = []
    for view in View:
        everyone = [reader.rois for reader in studies.readers.values()] + [studies.automatic.rois]
        boxes = np.array([studies.corners(rois, view) for rois in everyone]) * studies.spacing_mm[view][:, None, None]
        boxes = boxes[:, np.isfinite(boxes).all((0, 2, 3))]
        if boxes.shape[1] < 2:
            continue
        for k, level in enumerate(TARGET_LEVELS):
            for measure, values in zip(MEASURES, _measures(boxes[:, :, k]), strict=True):
                found.append(
                    Reliability(
                        view=view,
                        level=level,
                        measure=measure,
                        studies=boxes.shape[1],
                        readers=icc(values[:, :-1]) if len(everyone) > 2 else None,
                        with_detector=icc(values),
                    )
                )
    return tuple(found)


def _measures(corners: Floats) -> tuple[Floats, ...]:
    """Each of MEASURES (studies, raters) of boxes (raters, studies, 4)."""
    left, top, right, bottom = np.moveaxis(corners, 2, 0).transpose(0, 2, 1)
    return left, top, right, bottom, (left + right) / 2, (top + bottom) / 2, bottom - top
