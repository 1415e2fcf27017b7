"""Cross-validation of the classifier by patient: a result of every study by a network that never saw its patient."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from classify.training.config import ClassifierTraining
from cohort.bmd import BmdClass
from cohort.cache_key import digest_of_parts, is_made_from, note_made_from, state_of_rois
from cohort.in_silico import notice_of
from cohort.io.folder import CohortIndex
from cohort.splits import SiteSplits, fold_patients, split_by_patient, write_split
from cohort.study import Study
from osteolens.atomic import make_folder, write_csv
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, Steps, silent
from osteolens.shipped import shipped_weights
from osteolens.training.device import check_device
from osteolens.training.start import digest_of_start
from pipeline.bundle.assemble import assemble_weights
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import Part
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.report.page import write_evaluation
from pipeline.screening.folder import ScreeningOptions, screen_folder
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.screener import Screener
from pipeline.training.classifier import (
    PACKAGES,
    ClassifierCrops,
    check_room,
    classifier_crops,
    classifier_start,
    settled,
    with_targets,
)
from pipeline.training.cohorts import TrainingCohorts, eligible_studies
from pipeline.training.joined_results import join_results
from pipeline.training.run import Notify, TrainingOptions
from pipeline.training.split_note import note_split, state_of_studies

log = logging.getLogger(__name__)

RESULTS, REPORT, SCREENED = "out-of-fold", "report", "screened"
"""Folders of the results of all folds, of their report, and of the results of one fold."""

VERSION = "cross-validation"
"""Of the weights of every fold; their hashes differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """Result of a cross-validation.

    Attributes:
        out: its folder, with folds.csv, a run folder for each fold, the results and the report.
        folds: how many.
        patients: with a result.
        studies: with a result.
        left_out: studies that were left out, by reason.
        metrics: of the results of all folds together.
    """

    out: Path
    folds: int
    patients: int
    studies: int
    left_out: Mapping[str, int]
    metrics: Mapping[str, float]

    def as_json(self) -> dict[str, object]:
        """As it is printed."""
        return {
            "out": str(self.out),
            "results": str(self.out / RESULTS),
            "report": str(self.out / REPORT / "report.html"),
            "folds": self.folds,
            "patients": self.patients,
            "studies": self.studies,
            "left_out": dict(self.left_out),
            "metrics": dict(self.metrics),
        }


def cross_validate(
    cohort: Path | str,
    out: Path | str,
    folds: int = 5,
    config: ClassifierTraining | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
) -> CrossValidation:
    """Train a classifier for each fold on the patients of the others, and screen the patients of the fold with it.

    Patients are dealt by class, sex and site. Of the patients that a fold trains on, a fraction is held out to choose
    the epoch and to calibrate by, so that the fold itself decides nothing. Studies are screened on their manual ROIs,
    or on those of the detector where `config.boxes` says so. Writes folds.csv, a run folder with its weights for each
    fold, `out-of-fold` with one result a study as `osteolens process` writes it, and their report.

    Args:
        cohort: folder with cohort.csv, rois.csv and images; its test studies stay out.
        out: folder of the cross-validation.
        folds: how many, at least 2.
        config: settings of the training.
        options: device, seed, resuming, weights that find ROIs, and what every fold starts from.
        progress: told of every cropped and screened study.
        notify: told of every step.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: too few patients, a validation cohort, or folds to go on with that were dealt otherwise.
        ReadError: nothing to train on.
        OutputError: the folder cannot be written.
        WeightsError: weights to start from that are missing or do not fit.
    """
    require("train classifier --folds", *PACKAGES)
    from classify.training.begin import check_settings

    cohort, out, config, options = Path(cohort), Path(out), config or ClassifierTraining(), options or TrainingOptions()
    if options.validation is not None:
        raise ConfigError(f"--validation {options.validation}: a cross-validation has folds of its own; leave it out")
    check_device(options.device, several=True)
    weights = load_bundle(options.weights)
    start = classifier_start(options, weights)
    config = settled(config, start)
    check_settings(config, start, options.device)
    studies = _studies(cohort, config, options)
    studies.describe(config, notify)
    dealt = fold_patients(studies.training, folds, options.seed)
    _write_folds(studies.training, dealt, out, options)
    notify(f"{folds} folds of {sum(map(len, dealt))} patients")
    count = len(studies.training)
    check_room(out, 2 * count, config, options.device)
    told = Steps(progress, 3 * count)
    crops = _crops(studies, config, out, options, Screener(weights), told.of(2 * count))
    run = _Run(
        cohort=cohort,
        out=out,
        config=config,
        options=options,
        weights=weights,
        studies=studies,
        crops=crops,
        notify=notify,
    )
    for number, patients in enumerate(dealt, start=1):
        run.train(number, patients)
        run.screen(number, patients, told.of(sum(study.patient_id in patients for study in studies.training)))
    join_results([run.folder(number) / SCREENED for number in range(1, folds + 1)], out / RESULTS)
    metrics = _report(cohort, out, studies.training, config)
    write_json(out / "metrics.json", {"out_of_fold": metrics, "folds": folds, "config": config.model_dump(mode="json")})
    return CrossValidation(
        out=out,
        folds=folds,
        patients=sum(map(len, dealt)),
        studies=count,
        left_out=studies.left_out,
        metrics=metrics,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all folds share."""

    cohort: Path
    out: Path
    config: ClassifierTraining
    options: TrainingOptions
    weights: Bundle
    studies: TrainingCohorts
    crops: ClassifierCrops
    notify: Notify

    def folder(self, number: int) -> Path:
        """Run folder of a fold."""
        return self.out / f"fold-{number}"

    def train(self, number: int, patients: frozenset[str]) -> None:
        """Train on the patients of the other folds, unless an earlier run of the same did, and assemble weights."""
        from classify.training.train import fit_classifier

        folder, config, options = self.folder(number), self.config, self.options
        others = [study for study in self.studies.training if study.patient_id not in patients]
        training, held_out = split_by_patient(others, config.validation_fraction, options.seed)
        to_train, to_validate = ({study.patient_id for study in side} for side in (training, held_out))
        crops = self.crops.training.of_patients(to_train), self.crops.validation.of_patients(to_validate)
        run_options = options.run_options(classifier_start(options, self.weights))
        start = "" if run_options.start_from is None else digest_of_start(run_options.start_from)
        settings = config.model_dump(mode="json")
        made_from = digest_of_parts(settings, options.seed, start, *(one.digest for one in crops))
        note = folder / "made-from.txt"
        if options.resume and is_made_from(note, made_from):
            self.notify(f"fold {number} is trained already")
        else:
            note.unlink(missing_ok=True)
            make_folder(folder)
            write_split(training, held_out, folder / "split.csv")
            counts = f"{len(training)} studies to train on, {len(held_out)} held out"
            self.notify(f"fold {number}: {counts}, {len(self.studies.training) - len(others)} to predict")
            fit_classifier(*crops, folder, config, run_options, options.watch(self.notify))
            note_made_from(note, made_from)
        assemble_weights(
            folder / "weights",
            VERSION,
            {Part.CLASSIFIER: folder},
            base=shipped_weights() if self.options.weights is None else self.options.weights,
        )

    def screen(self, number: int, patients: frozenset[str], progress: Progress) -> None:
        """Screen the patients of a fold with the weights that never saw them; what is screened already stays."""
        own = tuple(study for study in self.studies.training if study.patient_id in patients)
        rois = None
        if self.config.boxes != "detector":
            rois = ManualRois(self.studies.rois, digest_of_parts(state_of_rois(self.studies.rois, own))[:16])
        folder = self.folder(number)
        root = self.cohort if self.cohort.is_dir() else self.cohort.parent
        index = CohortIndex(studies=own, skipped=(), root=root)
        screen_folder(
            index, folder / SCREENED, folder / "weights", ScreeningOptions(manual_rois=rois), progress=progress
        )


def _studies(cohort: Path, config: ClassifierTraining, options: TrainingOptions) -> TrainingCohorts:
    """Every study that can be trained on, those that the cohort holds for validation among them."""
    found = eligible_studies(cohort, options, config.criteria, config.sites)
    found = replace(found, training=[*found.training, *found.held_out], held_out=[])
    return with_targets(found, config)


def _write_folds(
    studies: Sequence[Study], dealt: Sequence[frozenset[str]], out: Path, options: TrainingOptions
) -> None:
    """folds.csv, and what it was made from."""
    make_folder(out)
    made_from = {"studies": state_of_studies(studies), "folds": len(dealt), "seed": options.seed}
    note_split(out / "folds.json", made_from, options.resume)
    numbers = {patient: number for number, fold in enumerate(dealt, start=1) for patient in fold}
    rows = [(study.study_uid, study.patient_id, numbers[study.patient_id]) for study in studies]
    write_csv(out / "folds.csv", pd.DataFrame(rows, columns=["study_uid", "patient_id", "fold"]))


def _crops(
    studies: TrainingCohorts,
    config: ClassifierTraining,
    out: Path,
    options: TrainingOptions,
    screener: Screener,
    progress: Progress,
) -> ClassifierCrops:
    """Crops of all studies as they are trained on, and as they are validated by; every fold takes its own of them."""
    both = replace(studies, held_out=studies.training)
    return classifier_crops(both, config, out, options.seed, screener, progress)


def _report(cohort: Path, out: Path, studies: Sequence[Study], config: ClassifierTraining) -> dict[str, float]:
    """Write the report of all results, and return a few of its metrics."""
    folder = cohort if cohort.is_dir() else cohort.parent
    sites = SiteSplits(test=tuple(sorted({study.site for study in studies if study.site is not None})))
    settings = EvaluationConfig(criteria=config.criteria, sites=sites)
    evaluation = evaluate(out / RESULTS, folder, settings)
    write_evaluation(out / REPORT, evaluation, notice_of(folder), out / RESULTS / "overlays")
    found = list(evaluation.datasets.values())[-1].classification
    if found is None:
        return {}
    osteoporosis = found.classes[BmdClass.OSTEOPOROSIS]
    return {
        "macro_auc": found.macro_auc.value,
        "accuracy": found.accuracy.value,
        "auc_osteoporosis": osteoporosis.auc.value,
        "sensitivity_osteoporosis": osteoporosis.sensitivity.value,
        "specificity_osteoporosis": osteoporosis.specificity.value,
    }
