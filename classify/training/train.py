"""Fit the classifier: train on crops at growing resolution, keep the best epoch, export."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from classify.network.densenet import DualChannelDenseNet
from classify.network.export import export_classifier
from classify.training.begin import LEAST, check_settings, new_network
from classify.training.calibrate import calibrate
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from classify.training.head.features import pooled_features
from classify.training.head.fit import HeadPlan
from classify.training.head.refit import Refitted, folds_of, refit_head
from classify.training.head.side import Side, Sides
from classify.training.head.stored import StoredFeatures, joined
from classify.training.loss import classifier_loss
from classify.training.metrics import ValidationMetrics, criterion_of
from classify.training.trainer import ClassifierTrainer
from osteolens.allocator import keep_freed_memory
from osteolens.atomic import make_folder, write_whole
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError
from osteolens.training.average import blended
from osteolens.training.device import computed_on, devices_of
from osteolens.training.parallel.launch import fit_in_processes
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A finished network, what its head was fitted on and how it was chosen, where it was, and its metrics."""

    network: DualChannelDenseNet
    sides: Sides | None
    head: Refitted | None
    metrics: dict[str, float]


def fit_classifier(
    training: CropSet,
    validation: CropSet,
    out: Path,
    config: ClassifierTraining,
    options: RunOptions,
    watch: Watch | None = None,
    stored: Sequence[StoredFeatures] = (),
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
        stored: features of further studies to fit the head on, by the branches of the start; for a run without epochs.

    Returns:
        the best epoch's row, metrics of the refitted head, and reliability after calibration.

    Raises:
        ConfigError: settings that do not fit, fewer than two studies, a run to go on with that was made from something
            else, or a loss that is no number.
        WeightsError: a start that does not fit.
    """
    watch, devices = watch or Watch(), devices_of(options.device, config.processes)
    _check(training, config, options)
    fit = partial(_fit, training, validation, out, config.model_copy(update={"processes": len(devices)}), stored)
    return fit(options, watch) if len(devices) == 1 else fit_in_processes(fit, devices, options, watch)


def _fit(
    training: CropSet,
    validation: CropSet,
    out: Path,
    config: ClassifierTraining,
    stored: Sequence[StoredFeatures],
    options: RunOptions,
    watch: Watch,
) -> dict[str, float]:
    """A process's share of a fit; the metrics from the first one."""
    trainer = _trained(training, validation, out, config, options, watch)
    return _finish(trainer, stored) if trainer.group.is_first else {}


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
    return _kept(_trained(training, validation, out, config, options, watch)).metrics


def _check(training: CropSet, config: ClassifierTraining, options: RunOptions) -> None:
    """Check settings, start and studies before a process is started."""
    count, least = len(training.labels), LEAST * len(devices_of(options.device, config.processes))
    if count < least:
        raise ConfigError(
            f"{count} {'study' if count == 1 else 'studies'} to train on with crops; expected {least} or more"
        )
    if config.head_folds:
        folds_of(training, config.head_folds, options.seed)  # tells of too few patients before anything is computed
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


def _kept(trainer: ClassifierTrainer, stored: Sequence[StoredFeatures] = ()) -> _Kept:
    """The network of the best epoch with its head refitted."""
    trainer.record.tell_outcome()
    network = trainer.best_network()
    metrics = {**trainer.record.best, **_blend(trainer, network)}
    if not trainer.config.head_epochs:
        return _Kept(network=network, sides=None, head=None, metrics=metrics)
    sides = _sides(trainer, network, stored)
    head = _refitted(trainer, network, sides)
    return _Kept(network=network, sides=sides, head=head, metrics={**metrics, **head.metrics})


def _sides(trainer: ClassifierTrainer, network: DualChannelDenseNet, stored: Sequence[StoredFeatures] = ()) -> Sides:
    """Both sides with the features of a network's branches, kept on disk; those of validation in float32."""
    spec, side, device = trainer.config.preprocess, trainer.side, trainer.device
    bfloat16 = trainer.precision.is_bfloat16
    training = Side(trainer.training, pooled_features(network, trainer.training, side, spec, device, bfloat16))
    if stored:
        training = joined(training, stored, network.spec.views, trainer.out)
    validation = pooled_features(network, trainer.validation, side, spec, device)
    return Sides(training, Side(trainer.validation, validation))


def _refitted(trainer: ClassifierTrainer, network: DualChannelDenseNet, sides: Sides) -> Refitted:
    """Refit what stands behind a network's branches, in place, and store the network."""
    config, device = trainer.config, trainer.device
    loss = classifier_loss(sides.training.studies.labels, config, device)
    plan = HeadPlan(config=config, loss=loss, device=device, seed=trainer.options.seed, weight_decay=0.0)
    found = refit_head(network, sides.training, sides.validation, plan)
    trainer.keep(network)
    trainer.watch.notify(found.outcome)
    return found


def _blend(trainer: ClassifierTrainer, network: DualChannelDenseNet) -> dict[str, float]:
    """Move the kept network, in place, to the place between the run's start and its end that validation prefers; the
    end is the best epoch, or the last one where none beat the start.

    Returns:
        the share of the start that is kept, and its metrics; nothing where the network is as it was.
    """
    config, start, best = trainer.config, trainer.options.start_from, trainer.record.best["epoch"]
    if not config.start_shares or start is None:
        return {}
    began = new_network(config, start).state_dict()
    ended = copy.deepcopy((network if best else trainer.average.module).state_dict())
    whole = 0.0 if best else 1.0
    found: dict[float, ValidationMetrics] = {}
    for share in sorted({0.0, *config.start_shares, whole}):
        network.load_state_dict(blended(ended, began, share))
        found[share] = trainer.judged(network)[1]
    criterion = criterion_of(trainer.validation.labels)
    chosen = max(found, key=lambda share: (criterion.score(found[share]), share == whole))
    network.load_state_dict(blended(ended, began, chosen))
    trainer.keep(network)
    tried = ", ".join(f"{share:g}: {getattr(metrics, criterion.name):.4g}" for share, metrics in found.items())
    trainer.watch.notify(f"share of the start {chosen:g} is kept; {criterion.name} by share {tried}")
    return {} if chosen == whole else {"start_share": chosen, **asdict(found[chosen])}


def _finish(trainer: ClassifierTrainer, stored: Sequence[StoredFeatures]) -> dict[str, float]:
    """Export the best epoch, calibrate it, and write what is known of it."""
    out, side, spec = trainer.out, trainer.side, trainer.config.preprocess
    kept = _kept(trainer, stored)
    network, head = kept.network, kept.head
    sides = kept.sides or _sides(trainer, network)
    found = calibrate(trainer, network, sides, None if head is None else head.left_out)
    write_whole(out / "calibration.json", found.calibration.model_dump_json(indent=1))
    metrics = {**kept.metrics, **found.reliability}
    document = {
        "validation": metrics,
        "onnx_apart": export_classifier(network.float().cpu().eval(), out, spec, side, found.distance),
        "history": [dict(row) for row in trainer.record.history],
        "config": trainer.config.model_dump(mode="json"),
        "network": network.spec.model_dump(mode="json"),
        "working_px": side,
        "preprocess": spec.model_dump(),
        "run": {**computed_on(trainer.device), "precision": trainer.precision.as_json()},
    }
    write_json(out / "metrics.json", document)
    return metrics
