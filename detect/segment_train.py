"""Train the body segmenter on outlines and export it to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cohort.annotations import Outlines
from cohort.errors import MissingExtra, OsteoLensError, ReadError
from cohort.images import read_radiograph
from cohort.roi import roi_boxes
from cohort.spine import VertebraBox
from cohort.study import Study
from detect.config import SegmenterTraining
from detect.segment import CONTEXT, CROP_PX, crop_matrix

log = logging.getLogger(__name__)

STORED_PX = 176
"""Side of a stored crop; the surplus over CROP_PX is room to move, turn and scale."""


CropStore = npt.NDArray[np.uint8]
"""Crops and masks, memory-mapped from disk: (n, 2, STORED_PX, STORED_PX), the image and 255 inside the body."""


def build_store(
    studies: Sequence[Study],
    outlines: Outlines,
    path: Path,
    config: SegmenterTraining,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> CropStore:
    """Some bodies of every image as crops; a finished file is read back.

    Raises:
        ReadError: no image has outlines.
    """
    if path.is_file():
        return np.asanyarray(np.load(path, mmap_mode="r"))
    rng = np.random.default_rng(seed)
    stored = []
    for number, study in enumerate(studies, start=1):
        for view, image in study.images:
            own = outlines.get((study.study_uid, view)) if view is not None else None
            if own:
                stored += _crops_of(image, own, config.bodies_an_image, rng)
        done(number, len(studies))
    if not stored:
        raise ReadError("no training image has outlines; expected annotations.json with polygons beside cohort.csv")
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.stack(stored))
    partial.replace(path)
    return np.asanyarray(np.load(path, mmap_mode="r"))


def _crops_of(
    image: Path, own: Mapping[Any, npt.NDArray[np.float64]], count: int, rng: np.random.Generator
) -> list[npt.NDArray[np.uint8]]:
    try:
        pixels = read_radiograph(image)[0].pixels
    except OsteoLensError as error:
        log.warning("an image was left out: %s", error)
        return []
    boxes = roi_boxes(own, None)
    chosen = rng.permutation(len(boxes))[:count]
    stored = []
    for box in (boxes[k] for k in chosen):
        matrix = crop_matrix(_jittered(box, rng), STORED_PX, CONTEXT * STORED_PX / CROP_PX)
        crop = cv2.warpAffine(pixels, matrix, (STORED_PX,) * 2, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        polygon = own[box.level] @ matrix[:, :2].T + matrix[:, 2]
        mask = np.zeros((STORED_PX, STORED_PX), np.uint8)
        cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        stored.append(np.stack((np.round(crop * 255).astype(np.uint8), mask)))
    return stored


def _jittered(box: VertebraBox, rng: np.random.Generator) -> VertebraBox:
    """The box as a detector might find it: edges moved by about 4 % of its sides."""
    width, height = box.x1 - box.x0, box.y1 - box.y0
    dx, dy = rng.normal(0, 0.04, 2) * width, rng.normal(0, 0.04, 2) * height
    return replace(box, x0=box.x0 + dx[0], x1=box.x1 + dx[1], y0=box.y0 + dy[0], y1=box.y1 + dy[1])


def batches(
    store: CropStore, order: npt.NDArray[np.int64], size: int, rng: np.random.Generator | None
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Images and masks (size, 1, CROP_PX, CROP_PX); augmented when a generator is given."""
    for start in range(0, len(order), size):
        pairs = [_pair(store[k], rng) for k in order[start : start + size]]
        yield np.stack([p[0] for p in pairs])[:, None], np.stack([p[1] for p in pairs])[:, None]


def _pair(
    stored: npt.NDArray[np.uint8], rng: np.random.Generator | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    middle, half = STORED_PX / 2, CROP_PX / 2
    turn, scale, shift = 0.0, 1.0, np.zeros(2)
    if rng is not None:
        turn, scale, shift = rng.normal(0, 4.0), float(np.exp(rng.normal(0, 0.08))), rng.normal(0, 4.0, 2)
    matrix = cv2.getRotationMatrix2D((middle, middle), turn, scale)
    matrix[:, 2] += half - middle + shift
    image, mask = (
        cv2.warpAffine(plane, matrix, (CROP_PX,) * 2, flags=cv2.INTER_LINEAR, borderMode=mode)
        for plane, mode in ((stored[0], cv2.BORDER_REPLICATE), (stored[1], cv2.BORDER_CONSTANT))
    )
    shown = image.astype(np.float32) / 255
    if rng is not None:
        shown = _displayed(shown, rng)
        if rng.random() < 0.5:
            shown, mask = shown[:, ::-1], mask[:, ::-1]
    low, high = np.percentile(shown[::2, ::2], (1, 99))
    shown = np.clip((shown - low) / max(float(high - low), 1e-3), 0, 1)
    return np.asarray(shown, np.float32), mask.astype(np.float32) / 255


def _displayed(image: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Film curve, uneven light, blur or sharpening, noise."""
    out = np.clip(image, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.3:
        light = cv2.resize(rng.normal(0, 1, (2, 2)).astype(np.float32), image.shape, interpolation=cv2.INTER_LINEAR)
        out = out + 0.12 * light
    if rng.random() < 0.4:
        soft = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.6, 2.5)))
        out = soft if rng.random() < 0.5 else out + float(rng.uniform(0.3, 1.2)) * (out - soft)
    if rng.random() < 0.5:
        out = out + rng.normal(0, rng.uniform(0.005, 0.05), image.shape)
    return np.asarray(out, np.float32)


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

    Returns:
        epoch, loss, and mean Dice on the validation crops of the best epoch.

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

    fabric = Fabric(accelerator=device, devices=1, precision="bf16-mixed")
    fabric.seed_everything(seed, verbose=False)
    network = smp.Unet(
        config.encoder,
        encoder_depth=4,
        encoder_weights=None,
        in_channels=1,
        classes=1,
        decoder_channels=(64, 32, 16, 8),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.01)
    model, optimizer = fabric.setup(network, optimizer)
    steps = config.epochs * -(-len(training) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer.optimizer, config.lr, steps, pct_start=0.1)
    history: list[dict[str, float]] = []
    started, best = time.monotonic(), out / "best.safetensors"
    for epoch in range(config.epochs):
        rng = np.random.default_rng([seed, epoch])
        model.train()
        losses = []
        for images, masks in batches(training, rng.permutation(len(training)), config.batch, rng):
            truth = torch.from_numpy(masks).to(fabric.device)
            logits = model(torch.from_numpy(images).to(fabric.device, memory_format=torch.channels_last)).float()
            share = torch.sigmoid(logits)
            dice = 1 - (2 * (share * truth).sum((1, 2, 3)) + 1) / ((share + truth).sum((1, 2, 3)) + 1)
            loss = functional.binary_cross_entropy_with_logits(logits, truth) + dice.mean()
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "dice": _dice(model, validation, config.batch, fabric.device),
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


def _dice(model: Any, store: CropStore, size: int, device: Any) -> float:
    """Mean Dice of thresholded masks on plain crops."""
    import torch

    model.eval()
    found = []
    with torch.inference_mode():
        for images, masks in batches(store, np.arange(len(store)), size, None):
            logits = model(torch.from_numpy(images).to(device, memory_format=torch.channels_last))
            shown, truth = logits.float().cpu().numpy() > 0, masks > 0.5
            both = (shown & truth).sum((1, 2, 3))
            found.append(2 * both / np.maximum(shown.sum((1, 2, 3)) + truth.sum((1, 2, 3)), 1))
    return float(np.concatenate(found).mean())


def export_segmenter(network: Any, path: Path) -> float:
    """Write the network with a sigmoid behind it; returns the largest difference between torch and onnxruntime."""
    import onnxruntime
    import torch

    model = torch.nn.Sequential(network, torch.nn.Sigmoid()).eval()
    crops = torch.rand(2, 1, CROP_PX, CROP_PX)
    torch.onnx.export(
        model, (crops,), str(path), input_names=["crops"], output_names=["masks"], opset_version=17, dynamo=False,
        do_constant_folding=True, dynamic_axes={"crops": {0: "n"}, "masks": {0: "n"}},
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(crops).numpy()
    return float(np.abs(session.run(None, {"crops": crops.numpy()})[0] - expected).max())
