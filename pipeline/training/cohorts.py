"""Studies of a training: cohorts, their ROIs and the split."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.annotations import Rois
from cohort.splits import (
    DEFAULT_SITES,
    PATIENT_OF_TEST_SITE,
    PATIENT_OF_VALIDATION,
    TEST_SITE,
    PatientSides,
    SiteSplits,
    Split,
    split_by_patient,
    split_of,
    unknown_sites,
    write_split,
)
from cohort.study import Study
from osteolens.atomic import make_folder
from osteolens.config import StrictConfig
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.training.folders import joined_rois, read_folder
from pipeline.training.run import Notify, TrainingOptions, TrainingRun, settings_text
from pipeline.training.split_note import note_split, state_of_studies

VALIDATION_COHORT = "of validation, beside another cohort for validation"
"""Why studies of validation are left out where --validation names a cohort for it."""

IN_SEVERAL = "of another cohort too, where it is taken from"
"""Why the second of two studies with one study_uid is left out."""

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
        patients: everyone in the cohorts or in their tables, on whichever side.
        notes: what is wrong with the tables of the cohorts.
    """

    training: list[Study]
    held_out: list[Study]
    rois: Rois
    left_out: Mapping[str, int]
    patients: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def describe(self, config: StrictConfig, notify: Notify) -> None:
        """Tell of the notes, of how many studies are used, and of the settings."""
        for note in self.notes:
            notify(note)
        left_out = "".join(f"; {count} left out: {reason}" for reason, count in self.left_out.items())
        counts = f"{len(self.training)} studies to train on, {len(self.held_out)} held out"
        notify(f"{counts}{left_out}; {settings_text(config)}")

    def as_run(self, out: Path, metrics: Mapping[str, float], more: int = 0) -> TrainingRun:
        """The result of a training on them, and on more studies whose features alone are kept."""
        return TrainingRun(
            out=out,
            training=len(self.training) + more,
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
    sites: SiteSplits = DEFAULT_SITES,
) -> TrainingCohorts:
    """Training studies of all cohorts, held-out studies and the ROIs of both, as `eligible_studies` finds them; where
    none is held out, a fraction of the patients is. The split goes to split.csv, and what made it to split.json.

    Args:
        cohorts: folders, or manifest CSVs beside their tables.
        out: run folder.
        fraction: of the patients to hold out.
        options: `seed`, `validation` and `resume`.
        criteria: who is eligible; all are when None.
        sites: what sites are for, where their names say something else.

    Raises:
        ReadError: as for `eligible_studies`.
        ConfigError: a run to go on with has another split.
    """
    found = eligible_studies(cohorts, options, criteria, sites)
    made_from: dict[str, object] = {"studies": state_of_studies([*found.training, *found.held_out])}
    if not found.held_out:
        training, held_out = split_by_patient(found.training, fraction, options.seed)
        found = replace(found, training=training, held_out=held_out)
        made_from |= {"seed": options.seed, "fraction": fraction}
    make_folder(out)
    note_split(out / "split.json", made_from, options.resume)
    write_split(found.training, found.held_out, out / "split.csv")
    return found


def eligible_studies(
    cohorts: Cohorts,
    options: TrainingOptions,
    criteria: EligibilityCriteria | None = None,
    sites: SiteSplits = DEFAULT_SITES,
) -> TrainingCohorts:
    """Studies of all cohorts that may be trained on, those that are held out by the cohorts themselves, and the ROIs
    of both; writes nothing.

    Test studies never enter, nor does any study of a patient who has one in any of the cohorts, or in their tables
    alone. A study that stands in several cohorts enters once. Without a validation cohort the studies of validation are
    held out, unless no others are left; a patient is on one side. Studies of which nothing says what they are for are
    trained on.

    Args:
        cohorts: folders, or manifest CSVs beside their tables.
        options: `validation`.
        criteria: who is eligible; all are when None.
        sites: what sites are for, where their names say something else.

    Raises:
        ReadError: no studies are left, no rois.csv, a patient on both sides, or a study_uid with different ROIs in two
            cohorts.
    """
    notes: list[str] = []
    folders = [read_folder(cohort, notes) for cohort in folders_of(cohorts)]
    studies = [study for folder in folders for study in folder.studies]
    others: list[Study] = []
    if options.validation is not None:
        folders.append(read_folder(options.validation, notes))
        others = list(folders[-1].studies)
    rois = joined_rois(folders)
    everyone = [study for folder in folders for study in (*folder.studies, *folder.in_tables_alone)]
    notes += unknown_sites(sites, everyone)
    tested = PatientSides.of(everyone, sites).test
    choice = _Choice(sites, criteria)
    chosen = choice.of(studies, PatientSides(tested, PatientSides.of(studies, sites).validation))
    held_out = choice.of(others, PatientSides(tested, frozenset()))
    training = [study for study in chosen if split_of(study, sites) is not Split.VALIDATION]
    for_validation = [study for study in chosen if split_of(study, sites) is Split.VALIDATION]
    if for_validation and not training and not any(study.split for study in for_validation):
        training, for_validation = for_validation, []
        notes.append("no study but those of validation is left, so these are trained on")
    if options.validation is None:
        held_out = for_validation
    elif for_validation:
        choice.left_out[VALIDATION_COHORT] = len(for_validation)
    if not training:
        raise ReadError(_nothing_left(choice, held_out))
    on_both_sides = {s.patient_id for s in training} & {s.patient_id for s in held_out}
    if on_both_sides:
        raise ReadError(f"{len(on_both_sides)} patients stand in both training and {options.validation}; expected none")
    return TrainingCohorts(
        training=training,
        held_out=held_out,
        rois=rois,
        left_out=dict(choice.left_out),
        patients=frozenset(study.patient_id for study in everyone),
        notes=(*notes, *choice.notes()),
    )


@dataclass(slots=True)
class _Choice:
    """Who is trained on and validated by; counts and names those who are not."""

    sites: SiteSplits
    criteria: EligibilityCriteria | None
    left_out: Counter[str] = field(default_factory=Counter)
    by_side: dict[str, list[Study]] = field(default_factory=dict)

    def of(self, studies: Sequence[Study], sides: PatientSides) -> list[Study]:
        """The studies that nothing leaves out."""
        chosen: dict[str, Study] = {}
        for study in studies:
            side = sides.why_left_out(study, self.sites)
            missed = () if self.criteria is None else exclusions(study, self.criteria)
            if side is not None:
                self.by_side.setdefault(side, []).append(study)
            if side is not None or missed:
                self.left_out[side or missed[0]] += 1
            elif study.study_uid in chosen:
                self.left_out[IN_SEVERAL] += 1
            else:
                chosen[study.study_uid] = study
        return list(chosen.values())

    def notes(self) -> list[str]:
        """Sites and patients that are left out for what they are for, and how to change that."""
        lines = []
        tested = self.by_side.get(TEST_SITE, [])
        of_column = sum(study.split is Split.TEST for study in tested)
        if of_column:
            lines.append(f"{of_column} studies are not trained on, since column split of cohort.csv says test")
        names = sorted({str(study.site) for study in tested if study.split is None})
        if names:
            lines.append(
                f"{len(tested) - of_column} studies of test sites are not trained on: {named(names)}; to train on them "
                f"give --set 'sites.training={yaml_list(names)}', or column split in cohort.csv"
            )
        for reason, why in _OF_PATIENTS.items():
            if of_patients := self.by_side.get(reason):
                patients = sorted({study.patient_id for study in of_patients})
                lines.append(f"{len(of_patients)} studies are not trained on, since {why}: {named(patients)}")
        return lines


_OF_PATIENTS = {
    PATIENT_OF_TEST_SITE: "their patients also have studies at a test site",
    PATIENT_OF_VALIDATION: "their patients also have studies for validation",
}


def named(names: Sequence[str], most: int = 5) -> str:
    """The first few names as a note shows them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(visible(name) for name in names[:most]) + more


def yaml_list(names: Sequence[str]) -> str:
    """Names as a list in YAML on one line."""
    plain = (visible(name) for name in names)
    return f"[{', '.join(name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in plain)}]"


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ -]*(?<! )")


def _nothing_left(choice: _Choice, held_out: Sequence[Study]) -> str:
    reasons = [f"{reason} {count}" for reason, count in choice.left_out.items()]
    if held_out:
        reasons.append(f"held out for validation {len(held_out)}")
    hints = "".join(f"; {note}" for note in choice.notes())
    return (
        f"nothing is left to train on: {', '.join(reasons)}; give a cohort with eligible studies of other sites{hints}"
    )
