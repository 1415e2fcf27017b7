"""Train the classifier: read crops, fit in stages of growing size, keep the best epoch, export."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.calibration import (
    MIN_STUDIES,
    NO_CALIBRATION,
    Calibration,
    brier,
    calibration_error,
    fit_calibration,
    tempered,
)
from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from classify.training.trainer import Fit, RunOptions
from osteolens.errors import MissingExtra
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import training_precision

log = logging.getLogger(__name__)

EpochReport = Callable[[dict[str, float]], None]


def train_classifier(
    training: Any,
    validation: Any,
    out: Path,
    config: ClassifierTraining,
    spec: PreprocessSpec,
    options: RunOptions | None = None,
    report: EpochReport = lambda _: None,
) -> dict[str, float]:
    """Fit the DenseNet on cached crops; writes its weights, classifier.onnx, calibration.json and metrics.json.

    Loss: cross-entropy plus a Huber loss of the T-score. One learning-rate cycle over all stages; weights are averaged
    exponentially, and the averaged weights of the epoch with the best validation macro AUC at the last stage are
    kept. A checkpoint after each epoch (safetensors and JSON) lets a stopped run go on. With several devices, Fabric
    starts a process for each and shares the batches; the first one judges and writes.

    Args:
        training: `classify.training.crops.CropSet`.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        spec: preprocessing, stored with the weights.
        options: device, seed, resuming.
        report: called with the figures of each epoch.

    Raises:
        MissingExtra: torch or lightning is not installed.
    """
    try:
        from lightning.fabric import Fabric
    except ImportError as error:
        raise MissingExtra("train classifier", "lightning") from error

    options = options or RunOptions()
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    strategy = "ddp" if config.devices > 1 else "auto"
    precision = training_precision(options.device)
    fabric = Fabric(accelerator=options.device, devices=config.devices, strategy=strategy, precision=precision)
    fabric.launch()
    fabric.seed_everything(options.seed, verbose=False)
    fit = Fit(fabric, training, out, config, spec, options)
    history = fit.history
    started = time.monotonic()
    for epoch in range(len(history), len(fit.plan)):
        loss = fit.epoch(epoch)
        over = False
        if fabric.global_rank == 0:
            minutes = (time.monotonic() - started) / 60
            row = {"epoch": epoch + 1, "side": fit.plan[epoch], "loss": loss, **fit.judge(validation, fit.plan[epoch])}
            history.append({**row, "minutes": minutes})
            report(history[-1])
            fit.save(best_epoch(history, fit.plan[-1]) == epoch + 1)
            over = _is_over(history, fit.plan[-1], config)
        if fabric.broadcast(over):
            break
    return _finish(fit, validation, out) if fabric.global_rank == 0 else {}


def _finish(fit: Fit, validation: Any, out: Path) -> dict[str, float]:
    """Export the best epoch, calibrate it, and write what is known of it."""
    from classify.network.export import export_classifier

    history, side = fit.history, fit.side
    head = fit.refit_head(validation) if fit.config.head_epochs else {}
    network = fit.best()
    probabilities, labels = _of_all_copies(fit, network, validation)
    enough = len(validation.labels) >= MIN_STUDIES
    calibration = fit_calibration(probabilities, labels) if enough else NO_CALIBRATION
    (out / "calibration.json").write_text(calibration.model_dump_json(indent=1))
    best = {**history[best_epoch(history, side) - 1]} if history else {}
    best.update(head)
    best.update(_reliability(probabilities, labels, calibration))
    document = {
        "validation": best,
        "onnx_apart": export_classifier(network.float().cpu().eval(), out, fit.spec, side),
        "history": history,
        "config": fit.config.model_dump(mode="json"),
        "preprocess": fit.spec.model_dump(),
    }
    (out / "metrics.json").write_text(json.dumps(document, indent=1))
    return best


def _of_all_copies(fit: Fit, network: Any, validation: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Class probabilities and labels of every copy of the validation studies: as displayed, and as other machines and
    readers might show them, since a calibration on the displays of the training alone is too sure on others."""
    from classify.training.head import judged_head, pooled_features

    features = pooled_features(network, validation, fit.side, fit.spec, fit.fabric.device)
    copies = validation.images.shape[1]
    found = [
        judged_head(network, [own[:, copy : copy + 1] for own in features], validation, fit.fabric.device)[0]
        for copy in range(copies)
    ]
    return np.concatenate(found), np.tile(validation.labels, copies)


def best_epoch(history: Sequence[dict[str, float]], side: int) -> int:
    """Number of the epoch with the best macro AUC among those at the last stage's side, or among all before it."""
    final = [row for row in history if row["side"] == side] or list(history)
    best = max(final, key=lambda row: (np.nan_to_num(row["macro_auc"], nan=-1.0), row["epoch"]))
    return int(best["epoch"])


def _is_over(history: Sequence[dict[str, float]], side: int, config: ClassifierTraining) -> bool:
    """Whether time is up, or the last stage has not got better for as long as patience lasts."""
    row = history[-1]
    if config.max_minutes and row["minutes"] >= config.max_minutes:
        log.warning("stopping after %.0f minutes at epoch %d", row["minutes"], row["epoch"])
        return True
    waited = row["epoch"] - best_epoch(history, side)
    if config.patience and row["side"] == side and waited >= config.patience:
        log.warning("stopping at epoch %d: no better macro AUC for %d epochs", row["epoch"], waited)
        return True
    return False


def _reliability(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], calibration: Calibration
) -> dict[str, float]:
    """Expected calibration error and Brier score before and after the temperature."""
    after = tempered(probabilities, calibration.temperature)
    return {
        "ece_before": calibration_error(probabilities, labels),
        "ece": calibration_error(after, labels),
        "brier_before": brier(probabilities, labels),
        "brier": brier(after, labels),
    }
