"""What both trainings need first: cohorts, their ROIs and the split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from cohort.eligibility import exclusions
from cohort.io.annotations import Outlines, Rois, read_outlines, read_rois
from cohort.io.folder import index_cohort
from cohort.io.tables.notes import table_notes
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.splits import Split, is_test_site, split_by_patient, write_split
from cohort.study import Radiograph, Study
from osteolens.errors import MissingExtra, ReadError, StudyError
from pipeline.bundle.load import load_weights
from pipeline.screening.film_reader import read_study
from pipeline.screening.screener import Screener

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingCohorts:
    """Who is trained on and who is held out, with the ROIs of both, how many were left out by reason, and what is wrong
    with the tables of the cohorts."""

    training: list[Study]
    held_out: list[Study]
    rois: Rois
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()


def training_cohorts(
    cohorts: Sequence[Path], validation: Path | None, share: float, seed: int, out: Path, only_eligible: bool = False
) -> TrainingCohorts:
    """Training studies of all cohorts, held-out studies and the ROIs of both; the split goes to out/split.csv.

    Studies of test sites never enter. Without a validation cohort the studies of site `validation` are held out, and
    without those a share of the patients.

    Raises:
        ReadError: no studies are left, no rois.csv, or a patient on both sides.
    """
    studies: list[Study] = []
    rois: Rois = {}
    notes: list[str] = []
    for cohort in cohorts:
        more_studies, more_rois = _read(cohort, notes)
        studies, rois = studies + more_studies, {**rois, **more_rois}
    held_out: list[Study] = []
    if validation is not None:
        held_out, more = _read(validation, notes)
        rois = {**rois, **more}
    left_out: Counter[str] = Counter()
    studies, held_out = (_kept(side, only_eligible, left_out) for side in (studies, held_out))
    if not studies:
        found = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
        raise ReadError(f"nothing is left to train on: {found}; give a cohort with eligible studies of other sites")
    if validation is None:
        held_out = [s for s in studies if s.site == Split.VALIDATION]
        training = [s for s in studies if s.site != Split.VALIDATION]
        if not held_out or not training:
            training, held_out = split_by_patient(studies, share, seed)
    else:
        training = studies
    shared = {s.patient_id for s in training} & {s.patient_id for s in held_out}
    if shared:
        raise ReadError(f"{len(shared)} patients stand in both training and {validation}; expected none")
    out.mkdir(parents=True, exist_ok=True)
    write_split(training, held_out, out / "split.csv")
    return TrainingCohorts(training, held_out, rois, dict(left_out), tuple(notes))


def classifier_crops(
    found: TrainingCohorts,
    config: ClassifierTraining,
    out: Path,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> tuple[Any, Any, PreprocessSpec]:
    """Cached crops to train on and to judge by (`CropSet`), and the preprocessing they went through.

    Raises:
        MissingExtra: torch is not installed.
        ReadError: nothing to train on.
    """
    try:
        from classify.training.crops import JITTERED_COPIES, build_crops
    except ImportError as error:
        raise MissingExtra("train classifier", "torch") from error
    spec = config.preprocess
    copies = JITTERED_COPIES if config.boxes == "jittered" else 1
    rois = found.rois
    if config.boxes == "detector":
        rois = detected_rois([*found.training, *found.held_out], _shipped())
    crops = build_crops(found.training, rois, spec, out / "crops", copies, seed, done, front_at_left=front_at_left)
    checks = build_crops(
        found.held_out,
        rois,
        spec,
        out / "crops-validation",
        copies,
        seed,
        first_as_drawn=True,
        front_at_left=front_at_left,
    )
    return crops.of_views(config.views), checks.of_views(config.views), spec


def front_at_left(radiograph: Radiograph, boxes: Sequence[VertebraBox]) -> bool:
    """Whether the front of a lateral radiograph lies at the left: as its header says, else as the shipped segmenter
    sees it."""
    if radiograph.anterior_left is not None:
        return radiograph.anterior_left
    return _shipped().anterior_left(radiograph, SpineDetection(View.LATERAL, tuple(boxes), radiograph.pixels.shape))


@lru_cache(maxsize=1)
def _shipped() -> Screener:
    return Screener(load_weights())


def detected_rois(studies: Sequence[Study], screener: Screener) -> Rois:
    """Boxes of every study as the detector finds them; views without all of L1-L4 are left out."""
    found: Rois = {}
    for study in studies:
        try:
            radiographs = read_study(study).radiographs
        except StudyError as error:
            log.warning("a study was left out: %s", error)
            continue
        for detection in screener.detect(radiographs):
            if detection is not None and not detection.missing:
                found[study.study_uid, detection.view] = detection.boxes
    return found


def outlines_of(cohorts: Sequence[Path], studies: Sequence[Study]) -> Outlines:
    """Outlines of these studies from the cohorts' annotations.json; empty where no cohort has one.

    Raises:
        ReadError: a file is no COCO document of vertebral levels.
    """
    found: Outlines = {}
    for cohort in cohorts:
        path = (cohort if cohort.is_dir() else cohort.parent) / "annotations.json"
        if path.is_file():
            found.update(read_outlines(path, studies))
    return found


def _kept(studies: Sequence[Study], only_eligible: bool, left_out: Counter[str]) -> list[Study]:
    kept = []
    for study in studies:
        reasons = ("test site",) if is_test_site(study.site) else exclusions(study) if only_eligible else ()
        if reasons:
            left_out[reasons[0]] += 1
        else:
            kept.append(study)
    return kept


def _read(cohort: Path, notes: list[str]) -> tuple[list[Study], Rois]:
    studies = list(index_cohort(cohort).studies)
    if not studies:
        raise ReadError(f"{cohort}: no radiographs found; expected a cohort folder")
    folder = cohort if cohort.is_dir() else cohort.parent
    if not (folder / "rois.csv").is_file():
        raise ReadError(f"{folder}: rois.csv is missing; training needs manual ROIs (study_uid, view, level, x0..y1)")
    if cohort.is_dir():
        notes += [f"{cohort}: {note}" for note in table_notes(cohort, studies)]
    return studies, read_rois(folder / "rois.csv")
