"""Fit the classifier: read crops, train at growing resolution, keep the best epoch, export."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lightning.fabric import Fabric

from classify.calibration import MIN_PATIENTS, NO_CALIBRATION, fit_calibration
from classify.network.densenet import DualChannelDenseNet
from classify.network.export import export_classifier
from classify.training.config import ClassifierTraining
from classify.training.crops import CropSet
from classify.training.head import pooled_features, predict_from_features
from classify.training.metrics import Epoch, best_epoch, reliability
from classify.training.trainer import ClassifierTrainer
from osteolens.atomic import write_whole
from osteolens.documents.json_document import write_json
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import training_precision
from osteolens.training.run_options import RunOptions

log = logging.getLogger(__name__)

Report = Callable[[Epoch], None]


def fit_classifier(
    training: CropSet,
    validation: CropSet,
    out: Path,
    config: ClassifierTraining,
    options: RunOptions,
    report: Report = lambda _: None,
) -> dict[str, float]:
    """Fit the DenseNet on cached crops; writes its weights, classifier.onnx, calibration.json and metrics.json.

    Loss: cross-entropy plus a Huber loss of the T-score. One learning-rate cycle over all epochs; weights are averaged
    exponentially, and the averaged weights of the epoch with the best validation macro AUC at the last side are
    kept. A checkpoint after each epoch (safetensors and JSON) lets a stopped run go on. With several devices, Fabric
    starts a process for each and shards the batches; the first one evaluates and writes.

    Args:
        training: crops that `config.preprocess` made.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        options: device, seed, resuming.
        report: told of each epoch.

    Returns:
        the best epoch's row, metrics of the refitted head, and reliability after calibration.
    """
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    strategy = "ddp" if config.devices > 1 else "auto"
    precision = training_precision(options.device)
    fabric = Fabric(accelerator=options.device, devices=config.devices, strategy=strategy, precision=precision)
    fabric.launch()
    fabric.seed_everything(options.seed, verbose=False)
    trainer = ClassifierTrainer(fabric, training, out, config, config.preprocess, options)
    sides, history = trainer.sides, trainer.history
    started = time.monotonic()
    for number in range(len(history), len(sides)):
        loss = trainer.train_epoch(number)
        is_over = False
        if fabric.global_rank == 0:
            metrics = trainer.evaluate_on(validation, sides[number])
            minutes = (time.monotonic() - started) / 60
            row = Epoch(epoch=number + 1, side=sides[number], loss=loss, validation=metrics, minutes=minutes)
            history.append(row)
            report(row)
            trainer.save(best_epoch(history, sides[-1]) == number + 1)
            is_over = _is_over(history, sides[-1], config)
        if fabric.broadcast(is_over):
            break
    return _finish(trainer, validation, out) if fabric.global_rank == 0 else {}


def _finish(trainer: ClassifierTrainer, validation: CropSet, out: Path) -> dict[str, float]:
    """Export the best epoch, calibrate it, and write what is known of it."""
    history, side, spec = trainer.history, trainer.side, trainer.spec
    head = trainer.refit_head(validation) if trainer.config.head_epochs else {}
    network = trainer.best()
    probabilities = _of_all_variants(trainer, network, validation)
    labels, patients = validation.labels, np.unique(validation.patient_ids, return_inverse=True)[1].astype(np.int64)
    is_enough = patients.max() + 1 >= MIN_PATIENTS
    calibration = fit_calibration(probabilities, labels, patients) if is_enough else NO_CALIBRATION
    write_whole(out / "calibration.json", calibration.model_dump_json(indent=1))
    best = history[best_epoch(history, side) - 1].as_row() if history else {}
    displays = probabilities.shape[1]
    shown, truth = probabilities.reshape(-1, probabilities.shape[2]), np.repeat(labels, displays)
    metrics = {**best, **head, **reliability(shown, truth, calibration)}
    document = {
        "validation": metrics,
        "onnx_apart": export_classifier(network.float().cpu().eval(), out, spec, side),
        "history": [row.as_row() for row in history],
        "config": trainer.config.model_dump(mode="json"),
        "network": network.spec.model_dump(mode="json"),
        "working_px": side,
        "preprocess": spec.model_dump(),
    }
    write_json(out / "metrics.json", document)
    return metrics


def _of_all_variants(
    trainer: ClassifierTrainer, network: DualChannelDenseNet, validation: CropSet
) -> npt.NDArray[np.float64]:
    """Class probabilities (n, variants, 3) of every variant of the validation studies: as displayed, and as other
    systems and readers might show them, since a calibration on the displays of the training alone is too sure on
    others."""
    device, variants = trainer.fabric.device, validation.images.shape[1]
    features = pooled_features(network, validation, trainer.side, trainer.spec, device)
    return np.stack(
        [predict_from_features(network, features, validation, device, k)[0] for k in range(variants)], axis=1
    )


def _is_over(history: list[Epoch], side: int, config: ClassifierTraining) -> bool:
    """Whether time is up, or the last side has not got better for as long as patience lasts."""
    row = history[-1]
    if config.max_minutes and row.minutes >= config.max_minutes:
        log.warning("stopping after %.0f minutes at epoch %d", row.minutes, row.epoch)
        return True
    waited = row.epoch - best_epoch(history, side)
    if config.patience and row.side == side and waited >= config.patience:
        log.warning("stopping at epoch %d: no better macro AUC for %d epochs", row.epoch, waited)
        return True
    return False
