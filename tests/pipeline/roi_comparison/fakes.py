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
from cohort.rejection_codes import Rejection, RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from cohort.study import Radiograph
from detect.quality_control import ViewQuality
from pipeline.roi_comparison.studies import NO_FAILURES, ComparedStudies, Floats, Readings
from pipeline.screening.assessment import AssessedView
from pipeline.screening.spines import DetectedSpine
from tests import EXAMPLES


class FakeScreener:
    """Finds the true boxes moved by some pixels, and tells osteoporosis from the boxes' left edge."""

    def __init__(self, dx: float = 2.0, blind_to: View | None = None, rejects: str | None = None) -> None:
        """What it does wrong.

        Args:
            dx: pixels by which every box lies too far right.
            blind_to: view in which it finds nothing.
            rejects: study whose images quality control rejects.
        """
        self.dx, self.blind_to, self.rejects = dx, blind_to, rejects
        self.truth = read_rois(EXAMPLES / "rois.csv")

    def assess(self, radiographs: Sequence[Radiograph]) -> list[AssessedView]:
        return [self._find(radiograph) for radiograph in radiographs]

    def _find(self, radiograph: Radiograph) -> AssessedView:
        assert radiograph.view is not None and radiograph.path is not None
        uid = str(pydicom.dcmread(radiograph.path, stop_before_pixels=True).StudyInstanceUID)
        detection, rejection = None, None
        if radiograph.view is self.blind_to:
            rejection = Rejection(RejectionCode.NO_SPINE, "nothing found")
        else:
            boxes = tuple(replace(b, x0=b.x0 + self.dx, x1=b.x1 + self.dx) for b in self.truth[uid, radiograph.view])
            detection = SpineDetection(radiograph.view, boxes, (1, 1))
            if uid == self.rejects:
                rejection = Rejection(RejectionCode.EXPOSURE, "mostly noise")
        return AssessedView(
            radiograph=radiograph,
            spine=DetectedSpine(detection=detection),
            quality=ViewQuality(),
            left_out={},
            rejection=rejection,
        )

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


def studies_of(
    labels: Sequence[int], manual: Floats | Sequence[Floats], automatic: Floats, patients: Sequence[str] | None = None
) -> ComparedStudies:
    """Studies of given classes and probabilities (n, 3) of one or several readers, whose boxes are the detector's."""
    uids = tuple(f"s{k}" for k in range(len(labels)))
    boxes = tuple(VertebraBox(level, 0, 10 * k, 10, 10 * k + 10) for k, level in enumerate(TARGET_LEVELS))
    rois = {(uid, view): boxes for uid in uids for view in View}
    readers = [manual] if isinstance(manual, np.ndarray) else manual
    return ComparedStudies(
        study_uids=uids,
        patient_ids=uids if patients is None else tuple(patients),
        labels=np.array(labels, np.int64),
        readers={name: Readings(probabilities, rois) for name, probabilities in zip("abcdefgh", readers, strict=False)},
        automatic=Readings(automatic, rois),
        spacing_mm={view: np.full(len(uids), 0.5) for view in View},
        detection_seconds=np.full(len(uids), 0.1),
    )


def softmax(logits: Floats) -> Floats:
    """Probabilities (n, 3)."""
    values = np.exp(logits)
    return np.asarray(values / values.sum(1, keepdims=True))


def noisy_studies(noise: float, count: int = 400, readers: int = 1, reader_noise: float = 0.3) -> ComparedStudies:
    """Studies whose automatic probabilities are the first reader's with noise; so are those of other readers."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=count)
    logits = np.eye(3)[labels] * 2 + rng.normal(0, 1, (count, 3))
    automatic = softmax(logits + rng.normal(0, noise, (count, 3)))
    others = [softmax(logits + rng.normal(0, reader_noise, (count, 3))) for _ in range(readers - 1)]
    return studies_of(labels.tolist(), [softmax(logits), *others], automatic)


def failures_of(studies: ComparedStudies, places: Sequence[int], readable: bool = True) -> ComparedStudies:
    """The same studies, of which the detector failed on some."""
    keep = np.setdiff1d(np.arange(len(studies.study_uids)), places)
    lost = np.full((len(places), 3), np.nan)

    def part(reader: Readings) -> Readings:
        return Readings(reader.probabilities[keep], reader.rois)

    return replace(
        studies,
        study_uids=tuple(studies.study_uids[k] for k in keep),
        patient_ids=tuple(studies.patient_ids[k] for k in keep),
        labels=studies.labels[keep],
        readers={name: part(reader) for name, reader in studies.readers.items()},
        automatic=part(studies.automatic),
        spacing_mm={view: values[keep] for view, values in studies.spacing_mm.items()},
        detection_seconds=studies.detection_seconds[keep],
        failures=replace(
            NO_FAILURES,
            study_uids=tuple(studies.study_uids[k] for k in places),
            patient_ids=tuple(studies.patient_ids[k] for k in places),
            reasons=tuple("AP view lacks L4" for _ in places),
            labels=studies.labels[list(places)],
            probabilities={
                name: reader.probabilities[list(places)] if readable else lost
                for name, reader in studies.readers.items()
            },
        ),
    )
