"""Outlines, heights and suspected fractures of the bodies in a reader's boxes, measured as a screening does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cohort.findings import CobbAngle
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph
from detect.fractures import vertebra_findings
from detect.morphometry import cobb_angle
from detect.quality_control import cut_bodies
from detect.segmenter import Points, SegmentedBody
from osteolens.errors import StudyError
from pipeline.prediction import MeasuredVertebra
from pipeline.prediction.view_documents import vertebra_document
from pipeline.screening.screener import Screener


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredView:
    """Bodies of one view.

    Attributes:
        outlines: (n, 2) in pixels of the radiograph.
        vertebrae: heights of L1-L4 in a lateral view, and whether a fracture is suspected.
        cobb: the largest angle between bodies of an AP view, where it could be measured.
    """

    outlines: Mapping[VertebralLevel, Points]
    vertebrae: Mapping[VertebralLevel, MeasuredVertebra]
    cobb: CobbAngle | None

    def as_json(self) -> dict[str, object]:
        """As the page takes it; numbers as a prediction holds them."""
        cobb = self.cobb
        return {
            "outlines": {level: np.round(points, 1).tolist() for level, points in self.outlines.items()},
            "vertebrae": [vertebra_document(vertebra).model_dump(mode="json") for vertebra in self.vertebrae.values()],
            "cobb": cobb and {"degrees": round(cobb.degrees, 1), "upper": cobb.upper, "lower": cobb.lower},
        }


Corners = tuple[float, float, float, float]


def screened_bodies(screener: Screener, radiographs: Sequence[Radiograph]) -> dict[View, dict[Corners, SegmentedBody]]:
    """Bodies of a study as a screening finds and outlines them, by the corners of the boxes that it gives.

    A screening outlines bodies in the boxes of the detector, which are not stored, and then moves boxes to the
    outlines. Outlined in the moved boxes, heights differ by a median of 0.1 mm, one of a hundred by more than 3 mm.
    """
    return {
        spine.detection.view: {
            _corners(box): spine.bodies[box.level] for box in spine.detection.boxes if box.level in spine.bodies
        }
        for spine in screener.find(radiographs)
        if spine.detection is not None
    }


def _corners(box: VertebraBox) -> Corners:
    """As a result holds them."""
    x0, y0, x1, y1 = (round(value, 1) for value in box.corners)
    return x0, y0, x1, y1


def measured_view(
    screener: Screener,
    radiograph: Radiograph,
    detection: SpineDetection,
    spacing_mm: tuple[float, float] | None,
    screened: Mapping[Corners, SegmentedBody],
) -> MeasuredView:
    """Bodies of one view. One that the border of the image cuts is outlined, but its heights are not measured.

    Args:
        screener: models.
        radiograph: the image.
        detection: boxes of it.
        spacing_mm: (row, column) of a pixel, None where it is unknown.
        screened: bodies that stay as they were screened where their box has not moved.

    Raises:
        StudyError: the weights have no segmenter.
    """
    if screener.bundle.segmenter is None:
        raise StudyError("these weights have no segmenter, so bodies have no outlines")
    config = screener.config.detection
    spine = screener.spine_on_boxes(radiograph, detection)
    corners = {box.level: _corners(box) for box in detection.boxes}
    bodies = {level: screened.get(corners[level], body) for level, body in spine.bodies.items()}
    cut = cut_bodies(detection, config.min_cut_height)
    whole = {level: body for level, body in bodies.items() if level not in cut}
    lateral = detection.view is View.LATERAL
    findings = vertebra_findings(whole, spine.anterior_left, config) if lateral else {}
    return MeasuredView(
        outlines={level: body.outline for level, body in bodies.items() if body.outline is not None},
        vertebrae={level: MeasuredVertebra.of(finding, spacing_mm) for level, finding in findings.items()},
        cobb=None if lateral else cobb_angle({level: body.outline for level, body in whole.items()}),
    )
