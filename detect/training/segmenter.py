"""Fit the body segmenter on outlines, losses of height and kinds; export to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import segmentation_models_pytorch as smp
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from cohort.findings import GENANT_LOSS
from detect.segmenter import CROP_PX, TARGETS
from detect.training.body_crops import CropStore, batches
from detect.training.config import SegmenterTraining
from osteolens.atomic import whole_file
from osteolens.documents.json_document import write_json
from osteolens.errors import WeightsError
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import training_precision
from osteolens.training.run_options import RunOptions

FRACTURE_WEIGHT = 5.0
"""How much more a fractured body weighs than a whole one; about one in twenty is."""

Floats = npt.NDArray[np.float32]


def fit_segmenter(
    training: CropStore,
    validation: CropStore,
    out: Path,
    config: SegmenterTraining,
    options: RunOptions,
    report: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, float]:
    """Fit a small U-Net by binary cross-entropy and Dice; writes segmenter.onnx and .safetensors and metrics.json.

    A second head on its encoder learns what is known of `TARGETS`; fractured bodies weigh FRACTURE_WEIGHT.

    Args:
        training: crops of bodies.
        validation: likewise; never trained on.
        out: run folder.
        config: settings.
        options: device, seed, and safetensors to begin with.
        report: told of each epoch's row.

    Returns:
        epoch, loss, mean Dice on the validation bodies of the best epoch, and areas under the ROC curves of losses of
        25 % and more (Genant grade 2), of bodies, of lateral bodies and of facing, as far as both classes are there.

    Raises:
        WeightsError: `start_from` holds another network.
    """
    keep_freed_memory()
    fabric = Fabric(accelerator=options.device, devices=1, precision=training_precision(options.device))
    fabric.seed_everything(options.seed, verbose=False)
    network = _network(config.encoder)
    if options.start_from is not None:
        _load(network, options.start_from)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.01)
    model, optimizer = fabric.setup(network, optimizer)
    steps = config.epochs * -(-len(training.planes) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer.optimizer, config.lr, steps, pct_start=0.1)

    def step(images: Floats, masks: Floats, targets: Floats) -> float:
        inputs = torch.from_numpy(images).to(fabric.device, memory_format=torch.channels_last)
        logits, values = model(inputs)
        truth, known = (torch.from_numpy(array).to(fabric.device) for array in (masks, targets))
        loss = _mask_loss(logits.float(), truth) + _target_loss(values.float(), known)
        fabric.backward(loss)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return float(loss.detach())

    history: list[dict[str, float]] = []
    started, weights = time.monotonic(), out / "segmenter.safetensors"
    for epoch in range(config.epochs):
        rng = np.random.default_rng([options.seed, epoch])
        model.train()
        order = rng.permutation(len(training.planes))
        losses = [step(*batch) for batch in batches(training, order, config.batch, rng)]
        row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            **_evaluate_on(model, validation, config.batch, fabric.device),
            "minutes": (time.monotonic() - started) / 60,
        }
        history.append(row)
        report(row)
        if row["dice"] >= max(one["dice"] for one in history):
            with whole_file(weights) as unfinished:
                save_file({name: value.contiguous() for name, value in network.state_dict().items()}, unfinished)
    network.load_state_dict(load_file(weights))
    export_segmenter(network.float().cpu().eval(), out / "segmenter.onnx")
    best = max(history, key=lambda one: one["dice"])
    write_json(out / "metrics.json", {"validation": best, "history": history, "config": config.model_dump()})
    return best


def _network(encoder: str) -> nn.Module:
    """A U-Net with a second head for the targets."""
    network: nn.Module = smp.Unet(
        encoder,
        encoder_depth=5,
        encoder_weights=None,
        in_channels=1,
        classes=1,
        decoder_channels=(96, 64, 32, 16, 8),
        aux_params={"classes": len(TARGETS), "pooling": "avg", "dropout": 0.2},
    ).to(memory_format=torch.channels_last)
    return network


def _load(network: nn.Module, path: Path) -> None:
    """The tensors of another run."""
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not the weights of this segmenter; start from segmenter.safetensors of a run"
        ) from error


def _mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of every crop, and Dice of those that hold a body."""
    probability, filled = torch.sigmoid(logits), truth.sum((1, 2, 3)) > 0
    dice = 1 - (2 * (probability * truth).sum((1, 2, 3)) + 1) / ((probability + truth).sum((1, 2, 3)) + 1)
    mean_dice = (dice * filled).sum() / filled.sum().clamp(min=1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + mean_dice


def _target_loss(values: Tensor, targets: Tensor) -> Tensor:
    """Squared error of tenths of lost height, and cross-entropy of the kinds, where each is known."""
    known = ~targets.isnan()
    goal = torch.where(known, targets, torch.zeros_like(targets))
    squared = (values[:, 0] - 10 * goal[:, 0]) ** 2 * (1 + FRACTURE_WEIGHT * (goal[:, 0] > 0))
    kinds = functional.binary_cross_entropy_with_logits(values[:, 1:], goal[:, 1:], reduction="none")
    each = torch.cat((0.05 * squared[:, None], 0.3 * kinds), 1) * known
    return (each.sum(0) / known.sum(0).clamp(min=1)).sum()


def _evaluate_on(model: nn.Module, store: CropStore, size: int, device: torch.device) -> dict[str, float]:
    """Mean Dice of thresholded masks of plain bodies, and areas under the ROC curves of grade 2 fractures and kinds."""
    model.eval()
    dice, predicted = [], []
    with torch.inference_mode():
        for images, masks, _ in batches(store, np.arange(len(store.planes)), size, None):
            logits, values = model(torch.from_numpy(images).to(device, memory_format=torch.channels_last))
            shown, truth = logits.float().cpu().numpy() > 0, masks > 0.5
            both, filled = (shown & truth).sum((1, 2, 3)), truth.any((1, 2, 3))
            each = 2 * both / np.maximum(shown.sum((1, 2, 3)) + truth.sum((1, 2, 3)), 1)
            dice.append(each[filled])
            predicted.append(values.float().cpu().numpy())
    scores, truths = np.concatenate(predicted), store.targets.copy()
    truths[:, 0] = np.where(np.isnan(truths[:, 0]), np.nan, truths[:, 0] >= GENANT_LOSS[1])
    names = ("auc_grade_2", *(f"auc_{name}" for name in TARGETS[1:]))
    aucs = {name: _auc(truths[:, k], scores[:, k]) for k, name in enumerate(names)}
    known = {name: auc for name, auc in aucs.items() if not np.isnan(auc)}
    return {"dice": float(np.concatenate(dice).mean()), **known}


def _auc(truth: Floats, scores: Floats) -> float:
    known = ~np.isnan(truth)
    if len(np.unique(truth[known])) < 2:
        return float("nan")
    return float(roc_auc_score(truth[known] > 0.5, scores[known]))


class _Export(nn.Module):
    """Masks in [0, 1], losses of height as fractions, and probabilities of the kinds."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        logits, values = self.network(crops)
        kinds = torch.sigmoid(values[:, 1:])
        return torch.sigmoid(logits), (values[:, 0] / 10).clamp(0, 1), *kinds.unbind(1)


def export_segmenter(network: nn.Module, path: Path) -> float:
    """Write masks and losses of height as one graph; returns the largest difference between torch and onnxruntime."""
    names = ("crops", "masks", *TARGETS)
    model = _Export(network).eval()
    crops = torch.rand(2, 1, CROP_PX, CROP_PX)
    torch.onnx.export(
        model, (crops,), str(path), input_names=[names[0]], output_names=list(names[1:]), opset_version=17,
        dynamo=False, do_constant_folding=True, dynamic_axes={name: {0: "n"} for name in names},
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(crops)
    outputs = session.run(None, {"crops": crops.numpy()})
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(outputs, expected, strict=True))
