"""One study, classified once on each reader's boxes and once on the detector's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.io.annotations import Rois, check_inside
from cohort.rejection_codes import RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph, Study
from osteolens.errors import OsteoLensError, StudyError
from pipeline.roi_comparison.studies import ComparedStudies, DetectorFailures, Floats, Readings
from pipeline.screening.assessment import AssessedView, views_of
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener

Detections = Mapping[View, SpineDetection]
Images = Mapping[View, Radiograph]

UNREADABLE = "its images cannot be read"


class Cause(StrEnum):
    """Why a study is not compared."""

    INELIGIBLE = "not eligible"
    REFERENCE = "no class by DXA"
    READERS = "manual boxes missing or unusable"
    DETECTOR = "detector failed"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a study is not compared: a cause to count by, and the reason of this study."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStudy:
    """One study with manual ROIs of every reader.

    Attributes:
        study: the study.
        bmd_class: by DXA.
        manual: each reader's boxes.
        automatic: the detector's; None where it failed.
        probabilities: by reader; empty where the images cannot be read.
        automatic_probabilities: on the detector's ROIs; empty where it failed.
        spacing_mm: by view, width of a pixel at the detector; NaN when unknown.
        seconds: time of detection in both views.
        failure: why there are no automatic ROIs, or None.
    """

    study: Study
    bmd_class: BmdClass
    manual: Mapping[str, Detections]
    automatic: Detections | None
    probabilities: Mapping[str, Mapping[BmdClass, float]]
    automatic_probabilities: Mapping[BmdClass, float]
    spacing_mm: Mapping[View, float]
    seconds: float
    failure: str | None


def lacking(study: Study, readers: Mapping[str, Rois]) -> LeftOut | None:
    """What a study lacks to be compared, whatever the detector finds; None where it lacks nothing."""
    if study.dxa is None or study.dxa.bmd_class is None:
        return LeftOut(Cause.REFERENCE, "no class by DXA")
    incomplete = [name for name, rois in readers.items() if len(_manual(study, rois)) < len(View)]
    if incomplete:
        return LeftOut(Cause.READERS, f"no manual boxes of L1-L4 in both views by {', '.join(incomplete)}")
    return None


def read_rois_of(study: Study, readers: Mapping[str, Rois], screener: Screener) -> ReadStudy:
    """Classify one study that lacks nothing once on each reader's boxes and once on the detector's.

    Args:
        study: with a class by DXA.
        readers: manual ROIs by reader, complete for this study.
        screener: loaded models.

    Raises:
        StudyError: a view of the study is not to be told, though its images can be read and the detector fails.
        ReadError: a manual box lies outside its image.
    """
    assert study.dxa is not None and study.dxa.bmd_class is not None
    manual = {name: _manual(study, rois) for name, rois in readers.items()}
    try:
        loaded = read_study(study)
    except OsteoLensError as error:
        return _failed(study, manual, f"{UNREADABLE}: {error}")
    started = time.perf_counter()
    assessed = screener.assess(loaded.radiographs)
    seconds = time.perf_counter() - started
    automatic, failure = _automatic(assessed)
    images = _images(assessed, loaded)
    if len(images) < len(View):
        unread = "; ".join(reason for _, reason in loaded.unread)
        if unread:
            return _failed(study, manual, f"{UNREADABLE}: {unread}")
        raise StudyError("which image is the AP and which the lateral view cannot be told")
    for views in manual.values():
        for view, detection in views.items():
            rows, columns = images[view].pixels.shape
            check_inside(study.study_uid, view, detection.boxes, (rows, columns))
    return ReadStudy(
        study=study,
        bmd_class=study.dxa.bmd_class,
        manual=manual,
        automatic=automatic,
        probabilities={
            name: screener.classify_boxes(images, views, study.covariates).probabilities
            for name, views in manual.items()
        },
        automatic_probabilities=(
            {} if automatic is None else screener.classify_boxes(images, automatic, study.covariates).probabilities
        ),
        spacing_mm={view: _width_mm(image) for view, image in images.items()},
        seconds=seconds,
        failure=failure,
    )


def joined(studies: Sequence[ReadStudy]) -> ComparedStudies:
    """Studies as arrays, those on which the detector failed apart; all by the same readers, one without failure."""
    compared = [study for study in studies if study.failure is None]
    failed = [study for study in studies if study.failure is not None]
    names = tuple(compared[0].manual)
    return ComparedStudies(
        study_uids=tuple(study.study.study_uid for study in compared),
        patient_ids=tuple(study.study.patient_id for study in compared),
        labels=_labels(compared),
        readers={
            name: Readings(
                _probabilities([study.probabilities[name] for study in compared]),
                _rois({study.study.study_uid: study.manual[name] for study in compared}),
            )
            for name in names
        },
        automatic=Readings(
            _probabilities([study.automatic_probabilities for study in compared]),
            _rois({study.study.study_uid: study.automatic or {} for study in compared}),
        ),
        spacing_mm={view: np.array([study.spacing_mm[view] for study in compared], float) for view in View},
        detection_seconds=np.array([study.seconds for study in compared], float),
        failures=DetectorFailures(
            study_uids=tuple(study.study.study_uid for study in failed),
            patient_ids=tuple(study.study.patient_id for study in failed),
            reasons=tuple(study.failure or "" for study in failed),
            labels=_labels(failed),
            probabilities={
                name: _probabilities([study.probabilities.get(name, {}) for study in failed]) for name in names
            },
        ),
    )


def _failed(study: Study, manual: Mapping[str, Detections], failure: str) -> ReadStudy:
    assert study.dxa is not None and study.dxa.bmd_class is not None
    return ReadStudy(
        study=study,
        bmd_class=study.dxa.bmd_class,
        manual=manual,
        automatic=None,
        probabilities={},
        automatic_probabilities={},
        spacing_mm={},
        seconds=float("nan"),
        failure=failure,
    )


def _automatic(assessed: Sequence[AssessedView]) -> tuple[Detections | None, str | None]:
    """The detector's boxes of both views, or why there are none."""
    views = views_of(assessed)
    for view in View:
        image = views.get(view)
        if image is None:
            lost = next((other.rejection for other in assessed if other.rejection is not None), None)
            return None, f"no {view} view found" + ("" if lost is None else f" ({lost.code}: {lost.code.meaning})")
        if image.rejection is not None:
            return None, f"{view} view rejected ({image.rejection.code}: {image.rejection.code.meaning})"
        if image.detection.missing:
            return None, f"{view} view lacks {', '.join(image.detection.missing)}"
    return {view: views[view].detection for view in View}, None


def _images(assessed: Sequence[AssessedView], loaded: LoadedStudy) -> Images:
    """The image of each view: the one that the detector takes, else the first that header, name or table calls so."""
    images = {view: image.radiograph for view, image in views_of(assessed).items()}
    of_study = {path: view for view, path in loaded.study.images}
    for view in View:
        for image in assessed:
            named = image.radiograph.view or of_study.get(image.radiograph.path)
            if view not in images and named is view and _is_free(image):
                images[view] = image.radiograph
    return images


def _is_free(image: AssessedView) -> bool:
    another = image.rejection is not None and image.rejection.code is RejectionCode.ANOTHER_IMAGE
    return image.view is None and not another


def _labels(studies: Sequence[ReadStudy]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([BMD_CLASSES.index(study.bmd_class) for study in studies], np.int64)


def _probabilities(studies: Sequence[Mapping[BmdClass, float]]) -> Floats:
    """(n, 3); NaN where a study has none."""
    return np.array([[by_class.get(c, np.nan) for c in BMD_CLASSES] for by_class in studies], float).reshape(-1, 3)


def _rois(detections: Mapping[str, Detections]) -> Rois:
    return {
        (uid, view): tuple(box for box in detection.boxes if box.level in TARGET_LEVELS)
        for uid, views in detections.items()
        for view, detection in views.items()
    }


def _width_mm(image: Radiograph) -> float:
    return float("nan") if image.pixel_spacing_mm is None else image.pixel_spacing_mm[1]


def _manual(study: Study, rois: Rois) -> Detections:
    every = {view: SpineDetection(view, rois.get((study.study_uid, view), ()), (0, 0)) for view in View}
    return {view: detection for view, detection in every.items() if not detection.missing}
