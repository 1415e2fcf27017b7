"""Cohort folders of a training: studies, what their tables name beside them, and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.io.annotations import TO_CONFIRM, WAITING, Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.io.tables.join import read_cohort_tables
from cohort.io.tables.notes import table_notes
from cohort.spine import View
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import ReadError


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFolder:
    """A cohort: its studies, what its tables name beside them, and the boxes of its studies."""

    cohort: Path
    studies: Sequence[Study]
    in_tables_alone: Sequence[Study]
    rois: Rois


def joined_rois(folders: Sequence[CohortFolder]) -> Rois:
    """The boxes of all cohorts.

    Raises:
        ReadError: a study_uid whose boxes differ in two cohorts, so that one study would be trained on another's.
    """
    rois: Rois = {}
    places: dict[str, tuple[CohortFolder, str]] = {}
    for folder in folders:
        for study in folder.studies:
            first, patient = places.setdefault(study.study_uid, (folder, study.patient_id))
            ours, theirs = ({v: of.rois.get((study.study_uid, v)) for v in View} for of in (first, folder))
            both = [view for view in View if None not in (ours[view], theirs[view])]
            if any(ours[view] != theirs[view] for view in (both if patient == study.patient_id else View)):
                raise ReadError(
                    f"study_uid {visible(study.study_uid)} has different ROIs in {first.cohort} and {folder.cohort}; "
                    "expected names that tell studies apart, or the same ROIs"
                )
        rois = {**folder.rois, **rois}
    return rois


def read_folder(cohort: Path, notes: list[str]) -> CohortFolder:
    """A cohort folder or manifest; what is wrong with its tables is added to the notes.

    Raises:
        ReadError: no radiographs, or no rois.csv.
    """
    studies = index_cohort(cohort).studies
    if not studies:
        raise ReadError(f"{cohort}: no radiographs found; expected a cohort folder")
    folder = cohort if cohort.is_dir() else cohort.parent
    if not (folder / "rois.csv").is_file():
        why = f"; {TO_CONFIRM}: {WAITING}" if (folder / TO_CONFIRM).is_file() else ""
        raise ReadError(
            f"{folder}: rois.csv is missing; training needs manual ROIs (study_uid, view, level, x0..y1){why}"
        )
    if cohort.is_dir():
        notes += [f"{cohort}: {note}" for note in table_notes(cohort, studies)]
    uids = {study.study_uid for study in studies}
    return CohortFolder(
        cohort=cohort,
        studies=studies,
        in_tables_alone=read_cohort_tables(folder, []).unprocessed(studies),
        rois={(uid, view): boxes for (uid, view), boxes in read_rois(folder / "rois.csv").items() if uid in uids},
    )
