"""Boxes, outlines and facing of training images: from the cohorts, or as a detector finds them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from classify.training.crops.cut import Facing
from cohort.io.annotations import Outlines, Rois, read_outlines
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.study import Radiograph, Study
from osteolens.documents.text import visible
from osteolens.errors import ReadError, StudyError
from osteolens.progress import Progress, silent
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener
from pipeline.training.cohorts import TrainingCohorts

log = logging.getLogger(__name__)


def detected_rois(studies: Sequence[Study], screener: Screener, progress: Progress = silent) -> Rois:
    """Boxes of every study as the detector finds them; views without all of L1-L4 are left out."""
    rois: Rois = {}
    for number, study in enumerate(studies, start=1):
        try:
            radiographs = read_study(study).radiographs
        except StudyError as error:
            log.warning("a study was left out: %s", error)
        else:
            for detection in screener.detect(radiographs):
                if detection is not None and not detection.missing:
                    rois[study.study_uid, detection.view] = detection.boxes
        progress(number, len(studies))
    return rois


def outlines_of(cohorts: Sequence[Path], studies: Sequence[Study]) -> Outlines:
    """Outlines of these studies from the cohorts' annotations.json; empty where no cohort has one.

    Raises:
        ReadError: a file is no COCO document of vertebral levels.
    """
    outlines: Outlines = {}
    for cohort in cohorts:
        path = (cohort if cohort.is_dir() else cohort.parent) / "annotations.json"
        if path.is_file():
            outlines.update(read_outlines(path, studies))
    return outlines


def with_labels(split: TrainingCohorts, study_uids: Collection[str], what: str) -> TrainingCohorts:
    """The studies of a split that can be trained on and validated by; the others are counted as left out.

    Args:
        split: both sides.
        study_uids: of studies with labels.
        what: the labels, for messages, such as "ROIs in rois.csv".

    Raises:
        ReadError: no study of a side has labels.
    """
    sides = []
    for studies, purpose in ((split.training, "to train on"), (split.held_out, "to validate by")):
        sides.append([study for study in studies if study.study_uid in study_uids])
        if studies and not sides[-1]:
            first = f"the first is {visible(studies[0].study_uid)}"
            raise ReadError(f"none of {len(studies)} studies {purpose} has {what} ({first})")
    without = len(split.training) + len(split.held_out) - sum(map(len, sides))
    left_out = {**split.left_out, **({f"without {what}": without} if without else {})}
    return replace(split, training=sides[0], held_out=sides[1], left_out=left_out)


def facing_by(screener: Screener) -> Facing:
    """Whether the front of a lateral radiograph lies at the left: as its header says, else as the segmenter sees it."""

    def front_at_left(radiograph: Radiograph, boxes: Sequence[VertebraBox]) -> bool:
        if radiograph.anterior_left is not None:
            return radiograph.anterior_left
        detection = SpineDetection(View.LATERAL, tuple(boxes), radiograph.pixels.shape)
        return screener.spine_on_boxes(radiograph, detection).anterior_left

    return front_at_left
