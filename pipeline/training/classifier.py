"""Train the classifier: from cohort folders to a run folder."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from classify.training.crops.crop_set import CropSet
from classify.training.crops.cut import JITTERED_VARIANTS, CropPlan
from cohort.cache_key import digest_of_parts
from cohort.splits import Split, split_of_site
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.resources import check_disk, check_memory
from osteolens.training.run_state import TRAINED_ALREADY, RunFiles
from osteolens.training.start import check_start
from pipeline.bundle.explainer import check_one_network
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import checked, read_manifest
from pipeline.screening.screener import Screener
from pipeline.training.cohorts import Cohorts, TrainingCohorts, training_cohorts
from pipeline.training.rois import detected_rois, facing_by, with_labels
from pipeline.training.run import Notify, Start, TrainingOptions, TrainingRun

if TYPE_CHECKING:
    from classify.training.head.stored import StoredFeatures

log = logging.getLogger(__name__)

PACKAGES = ("torch", "segmentation_models_pytorch", "safetensors", "onnx")
"""What fitting a classifier needs outside the base install."""


@dataclass(frozen=True, slots=True)
class ClassifierCrops:
    """Cached crops to train on and to validate by."""

    training: CropSet
    validation: CropSet


def train_classifier(
    cohorts: Cohorts,
    out: Path | str,
    config: ClassifierTraining | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
    features: Sequence[Path | str] = (),
) -> TrainingRun:
    """Train the DenseNet on DXA classes and export it to ONNX.

    Writes split.csv, crops, classifier.onnx with its safetensors, best.safetensors, calibration.json and metrics.json
    into `out`, and while it trains history.csv, curves.png, curves.svg, training_crops.png, validation_crops.png and
    the state that it goes on from.

    Args:
        cohorts: folders with cohort.csv, rois.csv and images.
        out: run folder.
        config: settings, the criteria of eligibility among them.
        options: device, seed, resuming, weights that find ROIs, and what it starts from.
        progress: told of every cropped study.
        notify: told of who is trained on, and of every epoch.
        features: folders of `osteolens simulate features` by the weights that the run starts from, whose patients the
            head of a run without epochs is fitted on beside those of the cohorts.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: an unknown device, or one that is not there, settings that do not fit, too little memory, or a run
            to go on with that was made from something else.
        ReadError: nothing to train on.
        OutputError: the run folder cannot be made, or its disk is full.
        WeightsError: weights to start from that are missing or do not fit.
    """
    require("train classifier", *PACKAGES)
    out = Path(out)
    from classify.training.begin import check_settings
    from classify.training.train import fit_classifier
    from classify.training.trainer import RESULTS

    config, options = config or ClassifierTraining(), options or TrainingOptions()
    check_device(options.device, several=True)
    weights = load_bundle(options.weights)
    start = classifier_start(options, weights)
    config = settled(config, start)
    check_settings(config, start, options.device)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, config.criteria, config.sites)
    split = with_targets(split, config)
    stored = _stored(features, config, start, split.patients)
    split.describe(config, notify)
    for folder in stored:
        notify(f"{folder.studies} more studies for the head: features in {folder.folder}")
    more = sum(folder.studies for folder in stored)
    check_room(out, len(split.training) + len(split.held_out), config, options.device)
    crops = classifier_crops(split, config, out, options.seed, Screener(weights), progress)
    run_options, watch = options.run_options(start), options.watch(notify)
    made_from = {"training": crops.training.digest, "validation": crops.validation.digest}
    if stored:
        made_from["features"] = digest_of_parts([folder.digest for folder in stored])
    files = RunFiles(out, config.model_dump(mode="json"), run_options, made_from, RESULTS)
    if (finished := files.finished()) is not None:
        notify(TRAINED_ALREADY)
        return split.as_run(out, finished, more)
    metrics = fit_classifier(crops.training, crops.validation, out, config, run_options, watch, stored)
    if metrics:  # of the first process of several
        files.finish()
    return split.as_run(out, metrics, more)


def _stored(
    folders: Sequence[Path | str], config: ClassifierTraining, start: Path | None, patients: Collection[str]
) -> list[StoredFeatures]:
    """Features to fit the head on beside those of the cohorts.

    Raises:
        ConfigError: the run has epochs, which change the branches, or the features do not fit it.
        ReadError: a folder that holds none, or a damaged one.
    """
    if not folders:
        return []
    from classify.training.head.origin import origin_of
    from classify.training.head.stored import check_stored, read_stored

    if config.head_folds:
        raise ConfigError(
            f"head_folds {config.head_folds} and stored features: folds calibrate on whom the head is fitted on, and "
            "these are simulated patients; give --set head_folds=0, or leave the features out"
        )
    if start is None or any(epochs for _, epochs in config.resolution_schedule) or not config.head_epochs:
        raise ConfigError(
            "stored features are of finished branches, and fit a head alone; start from weights, and give "
            f"--set 'resolution_schedule=[[{config.preprocess.size_px}, 0]]' with head_epochs above 0"
        )
    stored = [read_stored(Path(folder)) for folder in folders]
    for features in stored:
        others = [site for site in features.origin.sites if split_of_site(site, config.sites) is not Split.TRAINING]
        if others:
            raise ConfigError(
                f"{features.folder}: its patients are of site {', '.join(others)}, which is not to train on; where it "
                f"shall be, name it by --set 'sites.training=[{', '.join(others)}]'"
            )
    check_stored(stored, origin_of(config, start, variants_of(config)), patients)
    return stored


def classifier_start(options: TrainingOptions, weights: Bundle) -> Path | None:
    """Safetensors to begin with, or the folder of the weights; None for random tensors.

    Raises:
        WeightsError: they are missing, cannot be read, or are an ensemble.
    """
    if options.start_from is Start.NONE:
        return None
    if isinstance(options.start_from, Path):
        return check_start(options.start_from, or_folder=True)
    check_one_network(weights, "a start")
    return weights.classifier.parent


def settled(config: ClassifierTraining, start: Path | None) -> ClassifierTraining:
    """These settings, an empty `resolution_schedule` filled with the side of the weights to start from, and crops cut
    as theirs unless `preprocess` was given. Of a start that says neither, the crops' own side is taken.

    Args:
        config: settings.
        start: safetensors of a run, or a folder of weights; None for random tensors.

    Raises:
        ConfigError: the side does not fit the crops that are given.
        WeightsError: a manifest or metrics.json that is malformed.
    """
    if config.resolution_schedule or start is None:
        return config
    given = "preprocess" in config.model_fields_set
    known = _crops_of_start(start)
    if known is None:
        preprocess, side = config.preprocess, config.preprocess.size_px
    else:
        newest = PreprocessSpec.model_fields["version"].default
        preprocess = config.preprocess if given else known[0].model_copy(update={"version": newest})
        side = known[1]
    if preprocess.size_px % side:
        raise ConfigError(
            f"preprocess.size_px {preprocess.size_px}: the weights to start from work at {side} px, which is no "
            "divisor of it; leave preprocess out, or give resolution_schedule"
        )
    return config.model_copy(update={"preprocess": preprocess, "resolution_schedule": [(side, 0)]})


def _crops_of_start(start: Path) -> tuple[PreprocessSpec, int] | None:
    """How the crops of a start are cut, and its working side; None for tensors without the metrics.json of a run."""
    if start.is_dir():
        part = read_manifest(start).models.classifier
        return part.preprocess, part.working_px
    path = start.with_name("metrics.json")
    document = read_json(path, nan_is_null=True) if path.is_file() else None
    if not isinstance(document, dict) or not isinstance(document.get("working_px"), int):
        return None
    return checked(PreprocessSpec, document.get("preprocess"), path, "preprocess"), document["working_px"]


def crop_plan(config: ClassifierTraining, seed: int, screener: Screener) -> CropPlan:
    """How crops of a training are cut.

    Args:
        config: preprocessing and boxes.
        seed: of the jitter and the displays.
        screener: tells how lateral radiographs face.
    """
    return CropPlan(
        spec=config.preprocess,
        variants=variants_of(config),
        seed=seed,
        front_at_left=facing_by(screener),
        faced_by=screener.bundle.hashes.get("segmenter", "header"),
    )


def check_room(out: Path, studies: int, config: ClassifierTraining, device: str) -> None:
    """Check that crops of some studies have room on the disk, and a step of training in memory.

    Raises:
        OutputError: the disk has too little room.
        ConfigError: there is too little memory.
    """
    from classify.training.begin import crop_bytes, step_bytes

    check_disk(out, crop_bytes(studies, variants_of(config), config), "crops")
    if device == "cpu":
        check_memory(step_bytes(config), "steps", f"give a smaller batch than --set batch={config.batch}")


def variants_of(config: ClassifierTraining) -> int:
    """Crops that are cached of each image that is trained on."""
    return JITTERED_VARIANTS if config.boxes == "jittered" else 1


def with_targets(split: TrainingCohorts, config: ClassifierTraining) -> TrainingCohorts:
    """The studies of a split that have a T-score, and boxes unless the detector finds them.

    Raises:
        ReadError: no study of a side has.
    """
    studies = [*split.training, *split.held_out]
    scored = {study.study_uid for study in studies if study.dxa is not None and study.dxa.t_score is not None}
    split = with_labels(split, scored, "a T-score of DXA")
    if config.boxes == "detector":
        return split
    return with_labels(split, {uid for uid, _ in split.rois}, "ROIs in rois.csv")


def classifier_crops(
    split: TrainingCohorts,
    config: ClassifierTraining,
    out: Path,
    seed: int,
    screener: Screener,
    progress: Progress = silent,
) -> ClassifierCrops:
    """Crops of both sides of a split, cached below `out`.

    Args:
        split: studies and their manual ROIs.
        config: preprocessing, boxes and views.
        out: run folder.
        seed: of the jitter and the displays.
        screener: tells how lateral radiographs face, and finds boxes where these are trained on.
        progress: told of every study.

    Raises:
        ReadError: nothing to train on, or a box outside its image.
    """
    rois = split.rois
    if config.boxes == "detector":
        rois = detected_rois([*split.training, *split.held_out], screener)
    plan = crop_plan(config, seed, screener)
    total, count = len(split.training) + len(split.held_out), len(split.training)
    training = build_crops(split.training, rois, plan, out / "crops", lambda done, _: progress(done, total))
    checks = replace(plan, first_as_given=True)
    validation = build_crops(
        split.held_out, rois, checks, out / "crops-validation", lambda done, _: progress(count + done, total)
    )
    return ClassifierCrops(training.of_views(config.views), validation.of_views(config.views))
