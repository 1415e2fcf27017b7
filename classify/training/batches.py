"""Batches of cached crops as the network sees them, augmented while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from classify.training.crops import CropSet


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; images (n, 2, crops, side, side) normalised."""

    images: Tensor
    present: Tensor
    covariates: Tensor
    labels: Tensor
    t_scores: Tensor


def batches(
    crops: CropSet,
    side: int,
    size: int,
    spec: PreprocessSpec,
    config: ClassifierTraining | None,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches at a working side; shuffled and augmented when a training config is given, else in order and plain.

    Args:
        crops: studies.
        side: of the images after averaging down.
        size: studies a batch.
        spec: preprocessing of the crops.
        config: of training; None to judge.
        rng: of order and augmentation.
        device: of the tensors.
        share: (k, n) for the k-th of n equal shares of the studies, one a process.
    """
    count = len(crops.labels)
    order = rng.permutation(count) if config else np.arange(count)
    part, parts = share
    order = order[part : count // parts * parts : parts]
    for start in range(0, len(order), size):
        index = order[start : start + size]
        if config and len(index) < 2:
            continue
        copy = drawn_copies(crops, len(index), config, rng) if config else np.zeros(len(index), int)
        shown = crops.images[crops.rows[index], copy]
        if config and 0 < config.crops_per_step < spec.crops:
            drawn = rng.permuted(np.tile(np.arange(spec.crops), (len(index), 1)), axis=1)[:, : config.crops_per_step]
            shown = shown[np.arange(len(index))[:, None], :, drawn].swapaxes(1, 2)
        images = network_images(shown, side, spec, device)
        present = torch.from_numpy(crops.present[index]).to(device)
        covariates = torch.from_numpy(crops.covariates[index]).to(device)
        if config:
            images = _augment(images, rng)
            present, covariates = _hide_views(present, config, rng), hide_covariates(covariates, config, rng)
        labels = torch.from_numpy(crops.labels[index]).to(device)
        yield Batch(images, present, covariates, labels, torch.from_numpy(crops.t_scores[index]).to(device))


def network_images(
    stored: npt.NDArray[np.uint8], side: int, spec: PreprocessSpec, device: torch.device | str
) -> Tensor:
    """Cached crops uint8 (n, views, crops, size, size) as the network sees them, (n, views, crops, side, side)."""
    images = torch.from_numpy(np.ascontiguousarray(stored)).to(device)
    normal = (images.float() / 255 - spec.mean).div(spec.std).flatten(1, 2)
    return functional.interpolate(normal, size=(side, side), mode="area").reshape(*images.shape[:3], side, side)


def drawn_copies(
    crops: CropSet, count: int, config: ClassifierTraining, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Which cached copy of each of some studies a step shows: the first, as displayed, or one of the others."""
    copies = crops.images.shape[1]
    if copies == 1:
        return np.zeros(count, np.int64)
    return np.where(rng.random(count) < config.p_original_display, 0, rng.integers(1, copies, size=count))


def _augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror, small turn, zoom and shift by view, contrast, flattening, noise: other readers, other machines."""
    side = images.shape[-1]
    flat = images.reshape(-1, 1, side, side)
    total = len(flat)
    turn, zoom = rng.normal(0, 0.035, total), np.exp(rng.normal(0, 0.04, total))
    flip = rng.choice([-1.0, 1.0], total)
    theta = np.zeros((total, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = flip * zoom * np.cos(turn), -zoom * np.sin(turn)
    theta[:, 1, 0], theta[:, 1, 1] = flip * zoom * np.sin(turn), zoom * np.cos(turn)
    theta[:, :, 2] = rng.normal(0, 0.03, (total, 2))
    grid = functional.affine_grid(
        torch.from_numpy(theta).to(images.device), [total, 1, side, side], align_corners=False
    )
    flat = functional.grid_sample(flat, grid, align_corners=False, padding_mode="zeros")
    gain = torch.tensor(np.exp(rng.normal(0, 0.06, total)), dtype=torch.float32, device=images.device)
    shift = torch.tensor(rng.normal(0, 0.06, total), dtype=torch.float32, device=images.device)
    flat = flat * gain[:, None, None, None] + shift[:, None, None, None] * (flat != 0)
    coarse = functional.interpolate(flat, scale_factor=1 / 16, mode="area")
    broad = functional.interpolate(coarse, size=(side, side), mode="bilinear")
    edge = torch.tensor(rng.uniform(-0.2, 0.3, total), dtype=torch.float32, device=images.device)
    flat = flat + edge[:, None, None, None] * (flat - broad) * (flat != 0)
    if rng.random() < 0.3:
        flat = flat + 0.08 * torch.randn_like(flat) * rng.random()
    return flat.reshape(images.shape)


def _hide_views(present: Tensor, config: ClassifierTraining, rng: np.random.Generator) -> Tensor:
    """Hide a view in some of the studies that have both."""
    present = present.clone()
    for row in range(len(present)):
        if bool(present[row].all()) and rng.random() < 2 * config.drop_view:
            present[row, int(rng.integers(2))] = 0
    return present


def hide_covariates(covariates: Tensor, config: ClassifierTraining, rng: np.random.Generator) -> Tensor:
    """Hide single covariates in some studies and all of them in others, so that the network works without them."""
    count = len(covariates)
    gone = (rng.random((count, 3)) < config.drop_covariate) | (rng.random((count, 1)) < config.drop_covariates)
    return covariates * torch.from_numpy(np.tile(~gone, 2)).to(covariates)
