"""Patients of a hospital: those who test, and drawn ones to train on and to validate by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.few_films.figures import Truth
from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from classify.training.crops.crop_set import CropSet, StudyArrays
from classify.training.crops.cut import CropPlan
from cohort.splits import split_by_patient
from cohort.study import Study
from osteolens.errors import ConfigError
from osteolens.progress import Progress, silent
from pipeline.bundle.load import Bundle
from pipeline.screening.screener import Screener
from pipeline.training.classifier import classifier_crops, with_targets
from pipeline.training.cohorts import eligible_studies
from pipeline.training.rois import detected_rois, facing_by
from pipeline.training.run import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """Cropped studies of one hospital.

    Attributes:
        others: studies of the patients who do not test, in the order in which these are drawn.
        training: crops of these, as they are trained on.
        validation: crops of these, as they are validated by; the first variant as it is.
        test: crops of the test patients, as they are.
    """

    others: Sequence[Study]
    training: CropSet
    validation: CropSet
    test: CropSet

    def drawn(self, patients: int, seed: int) -> list[Study]:
        """Studies of so many patients, drawn by a seed; fewer patients are some of those of a larger number.

        Raises:
            ConfigError: there are not so many.
        """
        known = sorted({study.patient_id for study in self.others})
        if patients > len(known):
            raise ConfigError(f"{patients} patients: {len(known)} are left beside those who test")
        order = np.random.default_rng(seed).permutation(len(known))
        chosen = {known[k] for k in order[:patients]}
        return [study for study in self.others if study.patient_id in chosen]

    def sides(self, studies: Sequence[Study], fraction: float, seed: int) -> tuple[CropSet, CropSet, CropSet]:
        """Crops of drawn studies to train on and to validate by, and those of the test patients.

        Args:
            studies: drawn.
            fraction: of their patients that validate.
            seed: of the split.
        """
        training, held_out = split_by_patient(studies, fraction, seed)
        names = [{study.patient_id for study in side} for side in (training, held_out)]
        tested = set(self.test.patient_ids)
        if names[0] & names[1] or tested & (names[0] | names[1]):
            raise AssertionError("a patient stands on two sides")
        return self.training.of_patients(names[0]), self.validation.of_patients(names[1]), self.test


def read_hospital(
    cohort: Path,
    out: Path,
    config: ClassifierTraining,
    weights: Bundle,
    test: int,
    seed: int,
    progress: Progress = silent,
) -> Hospital:
    """Crop the eligible studies of a cohort, and set the test patients aside.

    Args:
        cohort: folder.
        out: for the crops.
        config: preprocessing, boxes, criteria and sites.
        weights: that tell how lateral radiographs face, and find boxes where these are trained on.
        test: patients who test.
        seed: of who they are, and of jitter and displays.
        progress: told of every study.

    Raises:
        ConfigError: no patients are left beside those who test.
        ReadError: nothing to crop.
    """
    found = eligible_studies(cohort, TrainingOptions(seed=seed), config.criteria, config.sites)
    found = with_targets(replace(found, training=[*found.training, *found.held_out], held_out=[]), config)
    patients = len({study.patient_id for study in found.training})
    if not 0 < test < patients:
        raise ConfigError(f"--test {test}: the cohort has {patients} eligible patients; leave some to train on")
    others, tested = split_by_patient(found.training, test / patients, seed)
    screener = Screener(weights)
    both = replace(found, training=others, held_out=others)
    crops = classifier_crops(both, config, out, seed, screener, progress)
    plan = CropPlan(
        spec=config.preprocess,
        seed=seed,
        front_at_left=facing_by(screener),
        faced_by=weights.hashes.get("segmenter", "header"),
    )
    rois = detected_rois(tested, screener) if config.boxes == "detector" else found.rois
    usable = set(crops.training.study_uids) & set(crops.validation.study_uids)
    return Hospital(
        others=[study for study in others if study.study_uid in usable],
        training=crops.training,
        validation=crops.validation,
        test=build_crops(tested, rois, plan, out / "crops-test").of_views(config.views),
    )


def truth_of(studies: StudyArrays) -> Truth:
    """DXA of studies."""
    return Truth(
        labels=studies.labels,
        t_scores=studies.t_scores.astype(np.float64),
        patients=np.unique(studies.patient_ids, return_inverse=True)[1].astype(np.int64),
    )
