"""The same studies on manual and on automatic ROIs, through the same classifier."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.io.annotations import Rois
from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph, Study
from osteolens.errors import StudyError
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener

AUTOMATIC = "detector"
"""Name of the automatic reader among the others."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Detections = Mapping[View, SpineDetection]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedStudies:
    """Every reader's ROIs and the probabilities predicted on them; readers are the manual ones and AUTOMATIC.

    Attributes:
        study_uids: of n studies.
        labels: (n,) class by DXA, index into BMD_CLASSES.
        probabilities: by reader, (n, 3) predicted.
        rois: by reader, boxes of L1-L4 in both views of each study.
        spacing_mm: by view, (n,) width of a pixel at the detector; NaN when unknown.
        detection_seconds: (n,) time of detection in both views.
    """

    study_uids: tuple[str, ...]
    labels: Labels
    probabilities: Mapping[str, Floats]
    rois: Mapping[str, Rois]
    spacing_mm: Mapping[View, Floats]
    detection_seconds: Floats

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the manual readers."""
        return tuple(name for name in self.probabilities if name != AUTOMATIC)

    @property
    def manual(self) -> Floats:
        """(n, 3) mean of the manual readers' probabilities."""
        return np.asarray(np.mean([self.probabilities[name] for name in self.readers], 0))

    @property
    def automatic(self) -> Floats:
        """(n, 3) probabilities on the detector's ROIs."""
        return self.probabilities[AUTOMATIC]

    def corners(self, reader: str, view: View) -> Floats:
        """One reader's boxes (n, 4 levels, 4 corners) in pixels."""
        return np.array([[box.corners for box in self.rois[reader][uid, view]] for uid in self.study_uids], float)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedStudy:
    """One study of `ComparedStudies`."""

    study_uid: str
    bmd_class: BmdClass
    probabilities: Mapping[str, Mapping[BmdClass, float]]
    detections: Mapping[str, Detections]
    spacing_mm: Mapping[View, float]
    detection_seconds: float


def compare_study(study: Study, readers: Mapping[str, Rois], screener: Screener) -> ComparedStudy:
    """Classify one study with DXA once on each reader's boxes and once on the detector's.

    Args:
        study: that is eligible.
        readers: manual ROIs by reader.
        screener: loaded models.

    Raises:
        StudyError: a reader or the detector lacks one of L1-L4 in a view, or there is no class by DXA.
        ReadError: an image cannot be read.
    """
    if study.dxa is None or study.dxa.bmd_class is None:
        raise StudyError("no class by DXA")
    detections: dict[str, Detections] = {name: _manual_detections(study, rois) for name, rois in readers.items()}
    lacking = [name for name, views in detections.items() if len(views) < len(View)]
    if lacking:
        raise StudyError(f"no manual boxes of L1-L4 in both views by {', '.join(lacking)}")
    radiographs = read_study(study).radiographs
    started = time.perf_counter()
    pairs = zip(radiographs, screener.detect(radiographs), strict=True)
    automatic = {d.view: (radiograph, d) for radiograph, d in pairs if d is not None and not d.missing}
    seconds = time.perf_counter() - started
    if len(automatic) < len(View):
        raise StudyError("the detector did not find L1-L4 in both views")
    detections[AUTOMATIC] = {view: detection for view, (_, detection) in automatic.items()}
    images = {view: automatic[view][0] for view in View}
    return ComparedStudy(
        study_uid=study.study_uid,
        bmd_class=study.dxa.bmd_class,
        probabilities={
            name: screener.classify_boxes(images, views, study.covariates).probabilities
            for name, views in detections.items()
        },
        detections=detections,
        spacing_mm={view: _width_mm(image) for view, image in images.items()},
        detection_seconds=seconds,
    )


def joined(studies: Sequence[ComparedStudy]) -> ComparedStudies:
    """At least one study, all by the same readers, as arrays."""
    readers = tuple(studies[0].probabilities)
    return ComparedStudies(
        study_uids=tuple(study.study_uid for study in studies),
        labels=np.array([BMD_CLASSES.index(study.bmd_class) for study in studies], np.int64),
        probabilities={
            name: np.array([[study.probabilities[name][c] for c in BMD_CLASSES] for study in studies], float)
            for name in readers
        },
        rois={
            name: {
                (study.study_uid, view): tuple(box for box in detection.boxes if box.level in TARGET_LEVELS)
                for study in studies
                for view, detection in study.detections[name].items()
            }
            for name in readers
        },
        spacing_mm={view: np.array([study.spacing_mm[view] for study in studies], float) for view in View},
        detection_seconds=np.array([study.detection_seconds for study in studies], float),
    )


def _width_mm(image: Radiograph) -> float:
    return float("nan") if image.pixel_spacing_mm is None else image.pixel_spacing_mm[1]


def _manual_detections(study: Study, rois: Rois) -> Detections:
    every = {view: SpineDetection(view, rois.get((study.study_uid, view), ()), (0, 0)) for view in View}
    return {view: detection for view, detection in every.items() if not detection.missing}
