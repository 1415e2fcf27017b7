"""Train the classifier: read crops, fit in stages of growing size, keep the best epoch, export."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from classify.calibration import MIN_STUDIES, NO_CALIBRATION, fit_calibration
from classify.config import ClassifierTraining, PreprocessSpec
from cohort.errors import MissingExtra
from cohort.memory import keep_freed_memory
from cohort.study import BMD_CLASSES, BmdClass

log = logging.getLogger(__name__)

EpochReport = Callable[[dict[str, float]], None]


def macro_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Mean of the three one-against-rest areas under the ROC curve; NaN when a class is absent."""
    if len(np.unique(labels)) < 3:
        return float("nan")
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))


def osteoporosis_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve of osteoporosis against the rest; NaN when either is absent."""
    positive = labels == BMD_CLASSES.index(BmdClass.OSTEOPOROSIS)
    return float(roc_auc_score(positive, probabilities[:, -1])) if 0 < positive.sum() < len(labels) else float("nan")


def train_classifier(
    training: Any,
    validation: Any,
    out: Path,
    config: ClassifierTraining,
    spec: PreprocessSpec,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    report: EpochReport = lambda _: None,
) -> dict[str, float]:
    """Fit the dual-channel DenseNet on cached crops; writes classifier_*.safetensors, classifier.onnx,
    calibration.json and metrics.json.

    Loss: cross-entropy plus a Huber loss of the T-score. One learning-rate cycle over all
    stages; the epoch with the best validation macro AUC at the last stage is kept. A checkpoint after each epoch
    (safetensors and JSON) lets a stopped run go on.

    Args:
        training: `classify.dataset.CropSet`.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        spec: preprocessing, stored with the weights.
        device: "auto", "cpu", "cuda".
        seed: of weights, order and augmentation.
        resume: go on from the run folder's checkpoint.
        report: called with the figures of each epoch.

    Raises:
        MissingExtra: torch or lightning is not installed.
    """
    try:
        import torch
        from lightning.fabric import Fabric
    except ImportError as error:
        raise MissingExtra("train classifier", "lightning") from error
    from torch.nn import functional

    from classify.dataset import batches
    from classify.export import export_classifier, load_network, save_network
    from classify.model import DualChannelDenseNet

    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=1, precision="bf16-mixed")
    fabric.seed_everything(seed, verbose=False)
    network = DualChannelDenseNet()
    network.to(memory_format=torch.channels_last)
    weights, state_file = out / "last.safetensors", out / "state.json"
    history: list[dict[str, float]] = []
    if resume and weights.is_file() and state_file.is_file():
        load_network(network, weights)
        history = json.loads(state_file.read_text())["history"]
    plan = [side for side, epochs in config.stages for _ in range(epochs)]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    model, optimizer = fabric.setup(network, optimizer)
    steps_each = -(-len(training.labels) // config.batch)
    started = time.monotonic()
    counts = np.bincount(training.labels, minlength=3)
    weight = torch.tensor(counts.sum() / 3 / np.maximum(counts, 1), dtype=torch.float32, device=fabric.device)
    for epoch in range(len(history), len(plan)):
        side, rng = plan[epoch], np.random.default_rng([seed, epoch])
        model.train()
        losses = []
        for step, batch in enumerate(batches(training, side, config.batch, spec, config, rng, fabric.device)):
            share = (epoch + step / steps_each) / len(plan)
            for group in optimizer.param_groups:
                group["lr"] = config.lr * _one_cycle(share)
            logits, t_score = model(batch.images[:, :1], batch.images[:, 1:], batch.present, batch.covariates)
            loss = functional.cross_entropy(logits.float(), batch.labels, weight)
            loss = loss + config.t_score_weight * functional.smooth_l1_loss(t_score[:, 0], batch.t_scores)
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=2.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        probabilities, t_scores = predict(model, validation, side, spec, config.batch, fabric.device)
        row = {
            "epoch": epoch + 1,
            "side": side,
            "loss": float(np.mean(losses)),
            "macro_auc": macro_auc(validation.labels, probabilities),
            "accuracy": float(np.mean(probabilities.argmax(1) == validation.labels)),
            "auc_osteoporosis": osteoporosis_auc(validation.labels, probabilities),
            "t_score_mae": float(np.mean(np.abs(t_scores - validation.t_scores))),
            "minutes": (time.monotonic() - started) / 60,
        }
        history.append(row)
        report(row)
        save_network(network, weights)
        final = [h["macro_auc"] for h in history if h["side"] == plan[-1]]
        if side == plan[-1] and row["macro_auc"] >= np.nanmax(final):
            save_network(network, out / "best.safetensors")
        state_file.write_text(json.dumps({"history": history}, indent=1))
        if config.max_minutes and row["minutes"] >= config.max_minutes:
            log.warning("stopping after %.0f minutes at epoch %d of %d", row["minutes"], epoch + 1, len(plan))
            break
    chosen = out / "best.safetensors" if (out / "best.safetensors").is_file() else weights
    load_network(network, chosen)
    probabilities, _ = predict(model, validation, int(history[-1]["side"]), spec, config.batch, fabric.device)
    _write_calibration(probabilities, validation.labels, out / "calibration.json")
    export_classifier(network.float().cpu().eval(), out, spec, int(history[-1]["side"]))
    best = max(history, key=lambda h: h["macro_auc"] if h["side"] == plan[-1] else -1)
    (out / "metrics.json").write_text(
        json.dumps({"validation": best, "history": history, "config": config.model_dump()}, indent=1)
    )
    return best


def _write_calibration(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], path: Path) -> None:
    enough = len(labels) >= MIN_STUDIES
    calibration = fit_calibration(probabilities, labels) if enough else NO_CALIBRATION
    path.write_text(calibration.model_dump_json(indent=1))


def predict(
    model: Any, crops: Any, side: int, spec: PreprocessSpec, size: int, device: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Class probabilities (n, 3) and T-scores (n,) of plain crops at a working side."""
    import torch

    from classify.dataset import batches

    model.eval()
    found, scores = [], []
    with torch.inference_mode():
        for batch in batches(crops, side, size, spec, None, np.random.default_rng(0), device):
            logits, t_score = model(batch.images[:, :1], batch.images[:, 1:], batch.present, batch.covariates)
            found.append(torch.softmax(logits.float(), 1).cpu().numpy())
            scores.append(t_score[:, 0].float().cpu().numpy())
    return np.concatenate(found).astype(np.float64), np.concatenate(scores).astype(np.float64)


def _one_cycle(share: float) -> float:
    """Warm-up over the first tenth, then a cosine to zero."""
    if share < 0.1:
        return 0.04 + 0.96 * share / 0.1
    return 0.5 * (1 + float(np.cos(np.pi * (share - 0.1) / 0.9))) + 0.002
