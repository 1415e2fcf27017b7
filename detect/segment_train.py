"""Train the body segmenter on outlines and losses of height and export it to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cohort.errors import MissingExtra
from cohort.memory import keep_freed_memory
from detect.config import SegmenterTraining
from detect.segment import CROP_PX
from detect.segment_data import CropStore, batches

FRACTURE_WEIGHT = 5.0
"""How much more a fractured body weighs than a whole one; about one in twenty is."""


def train_segmenter(
    training: CropStore,
    validation: CropStore,
    out: Path,
    config: SegmenterTraining,
    device: str = "auto",
    seed: int = 0,
    report: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, float]:
    """Fit a small U-Net by binary cross-entropy and Dice; writes segmenter.onnx and metrics.json.

    A second head on its encoder learns the loss of height where it is known; fractured bodies weigh FRACTURE_WEIGHT.

    Returns:
        epoch, loss, mean Dice on the validation crops of the best epoch, and the area under the ROC curve of losses
        of 25 % and more (Genant grade 2); NaN when there are none.

    Raises:
        MissingExtra: torch, lightning or segmentation-models-pytorch is not installed.
    """
    try:
        import segmentation_models_pytorch as smp
        import torch
        from lightning.fabric import Fabric
    except ImportError as error:
        raise MissingExtra("train segmenter", "segmentation-models-pytorch") from error
    from safetensors.torch import load_file, save_file
    from torch.nn import functional

    keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=1, precision="bf16-mixed")
    fabric.seed_everything(seed, verbose=False)
    network = smp.Unet(
        config.encoder,
        encoder_depth=5,
        encoder_weights=None,
        in_channels=1,
        classes=1,
        decoder_channels=(96, 64, 32, 16, 8),
        aux_params={"classes": 1, "pooling": "avg", "dropout": 0.2},
    ).to(memory_format=torch.channels_last)
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
        for images, masks, lost in batches(training, rng.permutation(count), config.batch, rng):
            truth, wanted = (torch.from_numpy(a).to(fabric.device) for a in (masks, lost))
            logits, height = model(torch.from_numpy(images).to(fabric.device, memory_format=torch.channels_last))
            logits, known = logits.float(), ~wanted.isnan()
            share = torch.sigmoid(logits)
            dice = 1 - (2 * (share * truth).sum((1, 2, 3)) + 1) / ((share + truth).sum((1, 2, 3)) + 1)
            loss = functional.binary_cross_entropy_with_logits(logits, truth) + dice.mean()
            if bool(known.any()):
                apart = (height.float()[known, 0] - 10 * wanted[known]) ** 2
                loss = loss + 0.05 * (apart * (1 + FRACTURE_WEIGHT * (wanted[known] > 0))).mean()
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
    best.unlink()
    export_segmenter(network.float().cpu().eval(), out / "segmenter.onnx")
    chosen = max(history, key=lambda h: h["dice"])
    (out / "metrics.json").write_text(
        json.dumps({"validation": chosen, "history": history, "config": config.model_dump()}, indent=1)
    )
    return chosen


def _judged(model: Any, store: CropStore, size: int, device: Any) -> dict[str, float]:
    """Mean Dice of thresholded masks on plain crops, and the ROC area of grade 2 fractures."""
    import torch

    model.eval()
    dice, losses = [], []
    with torch.inference_mode():
        for images, masks, _ in batches(store, np.arange(len(store.planes)), size, None):
            logits, height = model(torch.from_numpy(images).to(device, memory_format=torch.channels_last))
            shown, truth = logits.float().cpu().numpy() > 0, masks > 0.5
            both = (shown & truth).sum((1, 2, 3))
            dice.append(2 * both / np.maximum(shown.sum((1, 2, 3)) + truth.sum((1, 2, 3)), 1))
            losses.append(height[:, 0].float().cpu().numpy())
    known = ~np.isnan(store.height_loss)
    grade_2 = store.height_loss[known] >= 0.25
    area = float("nan")
    if 0 < grade_2.sum() < len(grade_2):
        area = float(roc_auc_score(grade_2, np.concatenate(losses)[known]))
    return {"dice": float(np.concatenate(dice).mean()), "auc_grade_2": area}


def export_segmenter(network: Any, path: Path) -> float:
    """Write masks and losses of height as one graph; returns the largest difference between torch and onnxruntime."""
    import onnxruntime
    import torch

    names = ("crops", "masks", "height_loss")

    class Export(torch.nn.Module):
        """Masks in [0, 1] and losses of height as shares."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits, height = self.network(crops)
            return torch.sigmoid(logits), (height[:, 0] / 10).clamp(0, 1)

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
