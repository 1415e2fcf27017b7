"""Studies of a training: cohorts, their ROIs and the split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.io.tables.notes import table_notes
from cohort.splits import Split, is_test_site, split_by_patient, write_split
from cohort.study import Study
from osteolens.atomic import make_folder
from osteolens.config import StrictConfig
from osteolens.errors import ReadError
from pipeline.training.run import Notify, TrainingOptions, TrainingRun

TEST_SITE = "test site"
"""Why studies of test sites are left out."""

Cohorts = str | Path | Sequence[str | Path]
"""One cohort folder, or several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCohorts:
    """Training studies and held-out studies.

    Attributes:
        training: studies to train on.
        held_out: studies to validate by.
        rois: boxes of both.
        left_out: how many were left out, by reason.
        notes: what is wrong with the tables of the cohorts.
    """

    training: list[Study]
    held_out: list[Study]
    rois: Rois
    left_out: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def describe(self, config: StrictConfig, notify: Notify) -> None:
        """Tell of the notes, of how many studies are used, and of the settings."""
        for note in self.notes:
            notify(note)
        left_out = "".join(f"; {count} left out: {reason}" for reason, count in self.left_out.items())
        counts = f"{len(self.training)} studies to train on, {len(self.held_out)} held out"
        notify(f"{counts}{left_out}; settings: {config.model_dump_json()}")

    def as_run(self, out: Path, metrics: Mapping[str, float]) -> TrainingRun:
        """The result of a training on them."""
        return TrainingRun(
            out=out,
            training=len(self.training),
            validation=len(self.held_out),
            left_out=self.left_out,
            metrics=metrics,
        )


def folders_of(cohorts: Cohorts) -> tuple[Path, ...]:
    """Cohort folders as paths."""
    return (Path(cohorts),) if isinstance(cohorts, (str, Path)) else tuple(Path(cohort) for cohort in cohorts)


def training_cohorts(
    cohorts: Cohorts,
    out: Path,
    fraction: float,
    options: TrainingOptions,
    criteria: EligibilityCriteria | None = None,
) -> TrainingCohorts:
    """Training studies of all cohorts, held-out studies and the ROIs of both; the split goes to out/split.csv.

    Studies of test sites never enter. Without a validation cohort the studies of site `validation` are held out, and
    without those a fraction of the patients.

    Args:
        cohorts: folders, or manifest CSVs beside their tables.
        out: run folder.
        fraction: of the patients to hold out.
        options: `seed` and `validation`.
        criteria: who is eligible; all are when None.

    Raises:
        ReadError: no studies are left, no rois.csv, or a patient on both sides.
    """
    studies: list[Study] = []
    rois: Rois = {}
    notes: list[str] = []
    for cohort in folders_of(cohorts):
        more_studies, more_rois = _read(cohort, notes)
        studies, rois = studies + more_studies, {**rois, **more_rois}
    left_out: Counter[str] = Counter()
    studies = _eligible(studies, criteria, left_out)
    held_out: list[Study] = []
    if options.validation is not None:
        held_out, more_rois = _read(options.validation, notes)
        held_out, rois = _eligible(held_out, criteria, left_out), {**rois, **more_rois}
    if not studies:
        reasons = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
        raise ReadError(f"nothing is left to train on: {reasons}; give a cohort with eligible studies of other sites")
    if options.validation is None:
        training, held_out = _split(studies, fraction, options.seed)
    else:
        training = studies
    on_both_sides = {s.patient_id for s in training} & {s.patient_id for s in held_out}
    if on_both_sides:
        raise ReadError(f"{len(on_both_sides)} patients stand in both training and {options.validation}; expected none")
    make_folder(out)
    write_split(training, held_out, out / "split.csv")
    return TrainingCohorts(training=training, held_out=held_out, rois=rois, left_out=dict(left_out), notes=tuple(notes))


def _split(studies: Sequence[Study], fraction: float, seed: int) -> tuple[list[Study], list[Study]]:
    """By the site `validation` where it leaves studies on both sides, else by patient."""
    held_out = [study for study in studies if study.site == Split.VALIDATION]
    training = [study for study in studies if study.site != Split.VALIDATION]
    return (training, held_out) if training and held_out else split_by_patient(studies, fraction, seed)


def _eligible(studies: Sequence[Study], criteria: EligibilityCriteria | None, left_out: Counter[str]) -> list[Study]:
    eligible = []
    for study in studies:
        reasons: tuple[str, ...] = () if criteria is None else exclusions(study, criteria)
        if is_test_site(study.site):
            reasons = (TEST_SITE,)
        if reasons:
            left_out[reasons[0]] += 1
        else:
            eligible.append(study)
    return eligible


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
