"""A screener whose faults are known, and studies made up from probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pydicom

from classify.calibration import Decision
from classify.classifier import Classified
from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Covariates
from cohort.io.annotations import read_rois
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from cohort.study import Radiograph
from pipeline.roi_comparison.studies import AUTOMATIC, ComparedStudies, Floats
from tests import EXAMPLES


class FakeScreener:
    """Finds the true boxes moved by some pixels, and tells osteoporosis from the boxes' left edge."""

    def __init__(self, dx: float = 2.0, blind_to: View | None = None) -> None:
        self.dx, self.blind_to = dx, blind_to
        self.truth = read_rois(EXAMPLES / "rois.csv")

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        return [self._find(radiograph) for radiograph in radiographs]

    def _find(self, radiograph: Radiograph) -> SpineDetection | None:
        assert radiograph.view is not None and radiograph.path is not None
        uid = str(pydicom.dcmread(radiograph.path, stop_before_pixels=True).StudyInstanceUID)
        if radiograph.view is self.blind_to:
            return None
        boxes = tuple(replace(b, x0=b.x0 + self.dx, x1=b.x1 + self.dx) for b in self.truth[uid, radiograph.view])
        return SpineDetection(radiograph.view, boxes, (1, 1))

    def classify_boxes(
        self, _: Mapping[View, Radiograph], detections: Mapping[View, SpineDetection], __: Covariates
    ) -> Classified:
        edge = detections[View.AP].boxes[0].x0 % 1.0
        probabilities = dict(zip(BMD_CLASSES, (0.4 - 0.4 * edge, 0.6 - 0.6 * edge, edge), strict=True))
        return Classified(
            probabilities=probabilities,
            t_score=-1.0,
            prediction_set=(BmdClass.NORMAL,),
            decision=Decision.INDETERMINATE,
        )


def studies_of(labels: Sequence[int], manual: Floats, automatic: Floats) -> ComparedStudies:
    """Studies of given classes and probabilities (n, 3), with one reader whose boxes are the detector's."""
    uids = tuple(f"s{k}" for k in range(len(labels)))
    boxes = tuple(VertebraBox(level, 0, 10 * k, 10, 10 * k + 10) for k, level in enumerate(TARGET_LEVELS))
    rois = {(uid, view): boxes for uid in uids for view in View}
    return ComparedStudies(
        study_uids=uids,
        labels=np.array(labels, np.int64),
        probabilities={"a": manual, AUTOMATIC: automatic},
        rois={"a": rois, AUTOMATIC: rois},
        spacing_mm={view: np.full(len(uids), 0.5) for view in View},
        detection_seconds=np.full(len(uids), 0.1),
    )


def noisy_studies(noise: float, count: int = 400) -> ComparedStudies:
    """Studies whose automatic probabilities are the manual ones with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=count)
    logits = np.eye(3)[labels] * 2 + rng.normal(0, 1, (count, 3))
    manual, automatic = (np.exp(values) for values in (logits, logits + rng.normal(0, noise, (count, 3))))
    return studies_of(
        labels.tolist(), manual / manual.sum(1, keepdims=True), automatic / automatic.sum(1, keepdims=True)
    )
