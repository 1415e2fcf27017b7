"""Fit the classifier: train on crops at growing resolution, keep the best epoch, export."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from classify.calibration import MIN_PATIENTS, NO_CALIBRATION, Calibration, distance_limit, fit_calibration
from classify.network.densenet import DualChannelDenseNet
from classify.network.export import export_classifier
from classify.network.feature_distance import FeatureDistance, fit_feature_distance
from classify.training.begin import LEAST, check_settings
from classify.training.config import ClassifierTraining
from classify.training.crops import CropSet
from classify.training.head.features import Features, pooled_features, predict_from_features
from classify.training.metrics import criterion_of, reliability
from classify.training.trainer import ClassifierTrainer
from cohort.spine import View
from osteolens.atomic import make_folder, write_whole
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.device import computed_on, devices_of
from osteolens.training.parallel.launch import fit_in_processes
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch

Floats = npt.NDArray[np.float64]


def fit_classifier(
    training: CropSet,
    validation: CropSet,
    out: Path,
    config: ClassifierTraining,
    options: RunOptions,
    watch: Watch | None = None,
) -> dict[str, float]:
    """Fit the DenseNet on cached crops; writes its weights, classifier.onnx, calibration.json and metrics.json.

    Loss: cross-entropy plus a Huber loss of the T-score. One learning-rate cycle over all epochs; weights are averaged
    over about the last tenth of the steps, and the averaged weights of the epoch with the best macro AUC on the
    validation studies are kept (of the least error of the T-score where these lack a class); weights to begin with are
    epoch 0. After every epoch the whole state is written, from which a stopped run goes on. Several processes share
    every batch, and the first one evaluates and writes; batch norm takes each process's part of a batch by itself.

    Args:
        training: crops that `config.preprocess` made.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        options: device, seed, resuming, and what it starts from.
        watch: told of steps and epochs.

    Returns:
        the best epoch's row, metrics of the refitted head, and reliability after calibration.

    Raises:
        ConfigError: settings that do not fit, fewer than two studies, a run to go on with that was made from something
            else, or a loss that is no number.
        WeightsError: a start that does not fit.
    """
    watch, devices = watch or Watch(), devices_of(options.device, config.processes)
    _check(training, config, options)
    fit = partial(_fit, training, validation, out, config.model_copy(update={"processes": len(devices)}))
    return fit(options, watch) if len(devices) == 1 else fit_in_processes(fit, devices, options, watch)


def _fit(
    training: CropSet, validation: CropSet, out: Path, config: ClassifierTraining, options: RunOptions, watch: Watch
) -> dict[str, float]:
    """A process's share of a fit; the metrics from the first one."""
    trainer = _trained(training, validation, out, config, options, watch)
    return _finish(trainer) if trainer.group.is_first else {}


def try_settings(
    training: CropSet, validation: CropSet, out: Path, config: ClassifierTraining, options: RunOptions, watch: Watch
) -> dict[str, float]:
    """Fit as `fit_classifier` does, for the metrics of the network that it would keep; nothing is exported.

    Args:
        training: crops that `config.preprocess` made.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        options: device, seed, and what it starts from.
        watch: told of steps and epochs.

    Raises:
        ConfigError: as for `fit_classifier`.
        WeightsError: a start that does not fit.
    """
    _check(training, config, options)
    return _kept(_trained(training, validation, out, config, options, watch))[1]


def _check(training: CropSet, config: ClassifierTraining, options: RunOptions) -> None:
    """Check settings, start and studies before a process is started."""
    count, least = len(training.labels), LEAST * len(devices_of(options.device, config.processes))
    if count < least:
        raise ConfigError(
            f"{count} {'study' if count == 1 else 'studies'} to train on with crops; expected {least} or more"
        )
    check_settings(config, options.start_from, options.device)


def _trained(
    training: CropSet, validation: CropSet, out: Path, config: ClassifierTraining, options: RunOptions, watch: Watch
) -> ClassifierTrainer:
    """A trainer after its last epoch."""
    make_folder(out)
    keep_freed_memory()
    told = criterion_of(validation.labels)
    if told.why:
        watch.notify(told.why)
    trainer = ClassifierTrainer(training, validation, out, config, options, watch)
    while not trainer.is_over():
        trainer.run_epoch()
    return trainer


def _kept(trainer: ClassifierTrainer) -> tuple[DualChannelDenseNet, dict[str, float]]:
    """The network of the best epoch with its head refitted, and its metrics."""
    trainer.record.tell_outcome()
    network = trainer.best_network()
    head = trainer.refit_head(network) if trainer.config.head_epochs else {}
    return network, {**trainer.record.best, **head}


def _finish(trainer: ClassifierTrainer) -> dict[str, float]:
    """Export the best epoch, calibrate it, and write what is known of it."""
    out, side, spec, validation = trainer.out, trainer.side, trainer.config.preprocess, trainer.validation
    network, kept = _kept(trainer)
    features = pooled_features(network, validation, side, spec, trainer.device)
    probabilities = _of_all_variants(trainer, network, features)
    calibration, distance = _with_distance(trainer, network, features, _calibration(trainer, probabilities))
    write_whole(out / "calibration.json", calibration.model_dump_json(indent=1))
    displays = probabilities.shape[1]
    shown, truth = probabilities.reshape(-1, probabilities.shape[2]), np.repeat(validation.labels, displays)
    metrics = {**kept, **reliability(shown, truth, calibration)}
    document = {
        "validation": metrics,
        "onnx_apart": export_classifier(network.float().cpu().eval(), out, spec, side, distance),
        "history": [dict(row) for row in trainer.record.history],
        "config": trainer.config.model_dump(mode="json"),
        "network": network.spec.model_dump(mode="json"),
        "working_px": side,
        "preprocess": spec.model_dump(),
        "run": {**computed_on(trainer.device), "precision": trainer.precision.as_json()},
    }
    write_json(out / "metrics.json", document)
    return metrics


def _calibration(trainer: ClassifierTrainer, probabilities: Floats) -> Calibration:
    """Fitted on the validation studies where these are of enough patients."""
    validation = trainer.validation
    patients = np.unique(validation.patient_ids, return_inverse=True)[1].astype(np.int64)
    count = int(patients.max()) + 1
    if count < MIN_PATIENTS:
        trainer.watch.notify(
            f"no calibration: {count} validation patients, {MIN_PATIENTS} are needed; probabilities stay as they are, "
            "prediction sets hold every class, and nothing is ruled in or out"
        )
        return NO_CALIBRATION
    return fit_calibration(probabilities, validation.labels, patients)


def _with_distance(
    trainer: ClassifierTrainer, network: DualChannelDenseNet, features: Features, calibration: Calibration
) -> tuple[Calibration, FeatureDistance | None]:
    """A calibration with the limits that validation films keep of the distance from the films of the training, and
    that distance; without both where validation patients are too few for a limit.

    Args:
        trainer: of the network.
        network: with finished branches.
        features: of the validation studies.
        calibration: of the classes.
    """
    training, validation, spec = trainer.training, trainer.validation, trainer.config.preprocess
    patients = np.unique(validation.patient_ids, return_inverse=True)[1].astype(np.int64)
    views = [view for view in View if view in network.spec.views]
    if distance_limit(np.zeros((len(patients), 1)), patients) is None:
        return calibration, None
    bfloat16 = trainer.precision.is_bfloat16
    of_training = pooled_features(network, training, trainer.side, spec, trainer.device, bfloat16)
    known = [training.rows[training.present[:, list(View).index(view)] > 0] for view in views]
    if min(map(len, known)) < LEAST:
        return calibration, None
    shown = [own[rows].reshape(-1, own.shape[2]) for own, rows in zip(of_training, known, strict=True)]
    distance = fit_feature_distance(shown)
    with torch.inference_mode():
        told = np.stack(
            [
                distance(torch.from_numpy(np.stack([own[validation.rows, k] for own in features], 1))).numpy()
                for k in range(validation.images.shape[1])
            ],
            axis=1,
        )
    limits = {}
    for k, view in enumerate(views):
        here = validation.present[:, list(View).index(view)] > 0
        if (limit := distance_limit(told[here, :, k].astype(np.float64), patients[here])) is not None:
            limits[view] = limit
    return calibration.model_copy(update={"distance_limits": limits}), distance


def _of_all_variants(trainer: ClassifierTrainer, network: DualChannelDenseNet, features: Features) -> Floats:
    """Class probabilities (n, variants, 3) of every variant of the validation studies: as displayed, and as other
    systems and readers might show them, since a calibration on the displays of the training alone is too sure on
    others."""
    validation, device = trainer.validation, trainer.device
    return np.stack(
        [predict_from_features(network, features, validation, device, k)[0] for k in range(validation.images.shape[1])],
        axis=1,
    )
