"""What both trainings need first: cohorts, their ROIs and the split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cohort.annotations import Rois, read_rois
from cohort.errors import ReadError
from cohort.index import index_cohort
from cohort.splits import split_by_patient, write_split
from cohort.study import Study


def training_cohorts(
    cohorts: Sequence[Path], validation: Path | None, share: float, seed: int, out: Path
) -> tuple[list[Study], list[Study], Rois]:
    """Training studies of all cohorts, held-out studies and the ROIs of both; the split goes to out/split.csv.

    Raises:
        ReadError: no studies, no rois.csv, or a patient on both sides.
    """
    studies: list[Study] = []
    rois: Rois = {}
    for cohort in cohorts:
        more_studies, more_rois = _read(cohort)
        studies, rois = studies + more_studies, {**rois, **more_rois}
    if validation is None:
        training, held_out = split_by_patient(studies, share, seed)
    else:
        held_out, more = _read(validation)
        training, rois = studies, {**rois, **more}
        shared = {s.patient_id for s in training} & {s.patient_id for s in held_out}
        if shared:
            raise ReadError(f"{len(shared)} patients stand in both training and {validation}; expected none")
    out.mkdir(parents=True, exist_ok=True)
    write_split(training, held_out, out / "split.csv")
    return training, held_out, rois


def _read(cohort: Path) -> tuple[list[Study], Rois]:
    studies = list(index_cohort(cohort).studies)
    if not studies:
        raise ReadError(f"{cohort}: no radiographs found; expected a cohort folder")
    folder = cohort if cohort.is_dir() else cohort.parent
    if not (folder / "rois.csv").is_file():
        raise ReadError(f"{folder}: rois.csv is missing; training needs manual ROIs (study_uid, view, level, x0..y1)")
    return studies, read_rois(folder / "rois.csv")
