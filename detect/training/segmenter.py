"""Train the body segmenter on outlines, losses of height and kinds; export to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from detect.segmenter import CROP_PX, TARGETS
from detect.training.body_crops import CropStore, batches
from detect.training.config import SegmenterTraining
from osteolens.errors import MissingExtra, WeightsError
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import training_precision

FRACTURE_WEIGHT = 5.0
"""How much more a fractured body weighs than a whole one; about one in twenty is."""


def train_segmenter(
    training: CropStore,
    validation: CropStore,
    out: Path,
    config: SegmenterTraining,
    device: str = "auto",
    seed: int = 0,
    start_from: Path | None = None,
    report: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, float]:
    """Fit a small U-Net by binary cross-entropy and Dice; writes segmenter.onnx and .safetensors and metrics.json.

    A second head on its encoder learns what is known of `TARGETS`; fractured bodies weigh FRACTURE_WEIGHT. It starts
    from the safetensors of another run where some are given.

    Returns:
        epoch, loss, mean Dice on the validation bodies of the best epoch, and areas under the ROC curves of losses of
        25 % and more (Genant grade 2), of bodies, of lateral bodies and of facing, as far as both classes are there.

    Raises:
        MissingExtra: torch, lightning or segmentation-models-pytorch is not installed.
        WeightsError: `start_from` holds another network.
    """
    try:
        import segmentation_models_pytorch as smp
        import torch
        from lightning.fabric import Fabric
    except ImportError as error:
        raise MissingExtra("train segmenter", "segmentation-models-pytorch") from error
    from safetensors.torch import load_file, save_file

    keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=1, precision=training_precision(device))
    fabric.seed_everything(seed, verbose=False)
    network = smp.Unet(
        config.encoder,
        encoder_depth=5,
        encoder_weights=None,
        in_channels=1,
        classes=1,
        decoder_channels=(96, 64, 32, 16, 8),
        aux_params={"classes": len(TARGETS), "pooling": "avg", "dropout": 0.2},
    ).to(memory_format=torch.channels_last)
    if start_from is not None:
        _load(network, start_from)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.01)
    model, optimizer = fabric.setup(network, optimizer)
    count = len(training.planes)
    steps = config.epochs * -(-count // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer.optimizer, config.lr, steps, pct_start=0.1)
    history: list[dict[str, float]] = []
    started, best = time.monotonic(), out / "best.safetensors"
    for epoch in range(config.epochs):
        rng = np.random.default_rng([seed, epoch])
        model.train()
        losses = []
        for images, masks, targets in batches(training, rng.permutation(count), config.batch, rng):
            truth, wanted = (torch.from_numpy(a).to(fabric.device) for a in (masks, targets))
            logits, told = model(torch.from_numpy(images).to(fabric.device, memory_format=torch.channels_last))
            loss = _mask_loss(logits.float(), truth) + _target_loss(told.float(), wanted)
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            **_judged(model, validation, config.batch, fabric.device),
            "minutes": (time.monotonic() - started) / 60,
        }
        history.append(row)
        report(row)
        if row["dice"] >= max(h["dice"] for h in history):
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, best)
    network.load_state_dict(load_file(best))
    best.replace(out / "segmenter.safetensors")
    export_segmenter(network.float().cpu().eval(), out / "segmenter.onnx")
    chosen = max(history, key=lambda h: h["dice"])
    (out / "metrics.json").write_text(
        json.dumps({"validation": chosen, "history": history, "config": config.model_dump()}, indent=1)
    )
    return chosen


def _load(network: Any, path: Path) -> None:
    """The tensors of another run."""
    from safetensors.torch import load_file

    try:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not the weights of this segmenter; start from segmenter.safetensors of a run"
        ) from error


def _mask_loss(logits: Any, truth: Any) -> Any:
    """Binary cross-entropy of every crop, and Dice of those that hold a body."""
    import torch
    from torch.nn import functional

    share, filled = torch.sigmoid(logits), truth.sum((1, 2, 3)) > 0
    dice = 1 - (2 * (share * truth).sum((1, 2, 3)) + 1) / ((share + truth).sum((1, 2, 3)) + 1)
    mean_dice = (dice * filled).sum() / filled.sum().clamp(min=1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + mean_dice


def _target_loss(told: Any, wanted: Any) -> Any:
    """Squared error of tenths of lost height, and cross-entropy of the kinds, where each is known."""
    import torch
    from torch.nn import functional

    known = ~wanted.isnan()
    goal = torch.where(known, wanted, torch.zeros_like(wanted))
    apart = (told[:, 0] - 10 * goal[:, 0]) ** 2 * (1 + FRACTURE_WEIGHT * (goal[:, 0] > 0))
    kinds = functional.binary_cross_entropy_with_logits(told[:, 1:], goal[:, 1:], reduction="none")
    each = torch.cat((0.05 * apart[:, None], 0.3 * kinds), 1) * known
    return (each.sum(0) / known.sum(0).clamp(min=1)).sum()


def _judged(model: Any, store: CropStore, size: int, device: Any) -> dict[str, float]:
    """Mean Dice of thresholded masks of plain bodies, and ROC areas of grade 2 fractures and of the kinds."""
    import torch

    model.eval()
    dice, told = [], []
    with torch.inference_mode():
        for images, masks, _ in batches(store, np.arange(len(store.planes)), size, None):
            logits, values = model(torch.from_numpy(images).to(device, memory_format=torch.channels_last))
            shown, truth = logits.float().cpu().numpy() > 0, masks > 0.5
            both, filled = (shown & truth).sum((1, 2, 3)), truth.any((1, 2, 3))
            each = 2 * both / np.maximum(shown.sum((1, 2, 3)) + truth.sum((1, 2, 3)), 1)
            dice.append(each[filled])
            told.append(values.float().cpu().numpy())
    values, wanted = np.concatenate(told), store.targets.copy()
    wanted[:, 0] = np.where(np.isnan(wanted[:, 0]), np.nan, wanted[:, 0] >= 0.25)
    names = ("auc_grade_2", *(f"auc_{name}" for name in TARGETS[1:]))
    areas = {name: _area(wanted[:, k], values[:, k]) for k, name in enumerate(names)}
    known = {name: area for name, area in areas.items() if not np.isnan(area)}
    return {"dice": float(np.concatenate(dice).mean()), **known}


def _area(truth: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> float:
    known = ~np.isnan(truth)
    if len(np.unique(truth[known])) < 2:
        return float("nan")
    return float(roc_auc_score(truth[known] > 0.5, scores[known]))


def export_segmenter(network: Any, path: Path) -> float:
    """Write masks and losses of height as one graph; returns the largest difference between torch and onnxruntime."""
    import onnxruntime
    import torch

    names = ("crops", "masks", *TARGETS)

    class Export(torch.nn.Module):
        """Masks in [0, 1], losses of height as shares, and probabilities of the kinds."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
            logits, told = self.network(crops)
            kinds = torch.sigmoid(told[:, 1:])
            return torch.sigmoid(logits), (told[:, 0] / 10).clamp(0, 1), *kinds.unbind(1)

    model = Export().eval()
    crops = torch.rand(2, 1, CROP_PX, CROP_PX)
    torch.onnx.export(
        model, (crops,), str(path), input_names=[names[0]], output_names=list(names[1:]), opset_version=17,
        dynamo=False, do_constant_folding=True, dynamic_axes={name: {0: "n"} for name in names},
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(crops)
    found = session.run(None, {"crops": crops.numpy()})
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True))
