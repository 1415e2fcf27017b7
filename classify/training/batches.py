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
from classify.training.begin import LEAST
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from osteolens.training.display_augmentation import other_displays
from osteolens.training.parallel.group import ALONE, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tensors of one step; images (n, 2, crops, side, side) normalised, T-scores of the crops' levels (n, crops), NaN
    where they are not known."""

    images: Tensor
    present: Tensor
    covariates: Tensor
    labels: Tensor
    t_scores: Tensor
    level_t_scores: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the network takes: AP, lateral, which views are present, covariates."""
        return self.images[:, 0], self.images[:, 1], self.present, self.covariates


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How batches are made.

    Attributes:
        side: of the images after averaging down.
        size: studies a batch, of all processes together.
        spec: preprocessing of the crops.
        training: settings to shuffle and augment by; None for batches in order and plain, to evaluate.
        device: of the tensors.
        group: processes that share every batch.
    """

    side: int
    size: int
    spec: PreprocessSpec
    training: ClassifierTraining | None = None
    device: torch.device | str = "cpu"
    group: Group = ALONE


def batches(crops: CropSet, plan: BatchPlan, rng: np.random.Generator | None = None) -> Iterator[Batch]:
    """This process's part of the batches of some studies.

    Args:
        crops: studies.
        plan: how they are made.
        rng: of order and augmentation; plain batches need none.
    """
    config, count = plan.training, len(crops.labels)
    rng = rng or np.random.default_rng(0)
    order = rng.permutation(count) if config else np.arange(count)
    order, size = plan.group.part_of(order, plan.size, least=LEAST if config else 1)
    rng = rng.spawn(plan.group.size)[plan.group.rank] if plan.group.size > 1 else rng
    for start in range(0, len(order), size):
        index = order[start : start + size]
        stored, levels = _stored(crops, index, plan, rng)
        images = network_images(stored, plan.side, plan.spec, plan.device)
        present = torch.from_numpy(crops.present[index]).to(plan.device)
        covariates = torch.from_numpy(crops.covariates[index]).to(plan.device)
        if config:
            images = _augment(images, rng)
            present, covariates = _hide_views(present, config, rng), hide_covariates(covariates, config, rng)
        yield Batch(
            images=images,
            present=present,
            covariates=covariates,
            labels=torch.from_numpy(crops.labels[index]).to(plan.device),
            t_scores=torch.from_numpy(crops.t_scores[index]).to(plan.device),
            level_t_scores=torch.from_numpy(levels).to(plan.device),
        )


def batches_each(studies: int, size: int, processes: int = 1) -> int:
    """Batches of a training pass over some studies; a last one with too few for each process is left out."""
    return studies // size + (studies % size >= LEAST * processes)


def _stored(
    crops: CropSet, index: npt.NDArray[np.int64], plan: BatchPlan, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Cached crops (n, views, crops, size, size) of a step: a variant of each study, some of its bodies; and the
    T-scores (n, crops) of these bodies, NaN for a crop of several."""
    config, bodies = plan.training, plan.spec.crops
    variant = (
        sample_variants(crops.images.shape[1], len(index), config, rng) if config else np.zeros(len(index), np.int64)
    )
    shown = crops.images[crops.rows[index], variant]
    levels = crops.level_t_scores[index] if bodies > 1 else np.full((len(index), 1), np.nan, np.float32)
    if config and 0 < config.crops_per_step < bodies:
        chosen = rng.permuted(np.tile(np.arange(bodies), (len(index), 1)), axis=1)[:, : config.crops_per_step]
        shown = shown[np.arange(len(index))[:, None], :, chosen].swapaxes(1, 2)
        levels = np.take_along_axis(levels, chosen, 1)
    return shown, levels


def network_images(
    stored: npt.NDArray[np.uint8], side: int, spec: PreprocessSpec, device: torch.device | str
) -> Tensor:
    """Cached crops as the network sees them, (n, views, crops, side, side).

    Args:
        stored: uint8 (n, views, crops, size, size).
        side: that they are averaged down to.
        spec: preprocessing, for mean and standard deviation.
        device: of the result.
    """
    images = torch.from_numpy(np.ascontiguousarray(stored)).to(device)
    normal = (images.float() / 255 - spec.mean).div(spec.std).flatten(1, 2)
    return functional.interpolate(normal, size=(side, side), mode="area").reshape(*images.shape[:3], side, side)


def sample_variants(
    variants: int, count: int, config: ClassifierTraining, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Which cached variant of each study of a step is shown: the first, as displayed, or one of the others.

    Args:
        variants: cached of each study.
        count: studies of the step.
        config: probability of the original display.
        rng: source of the choice.
    """
    if variants == 1:
        return np.zeros(count, np.int64)
    return np.where(rng.random(count) < config.p_original_display, 0, rng.integers(1, variants, size=count))


def _augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Other readers and other systems: mirror, small turn, zoom and shift by view, then the display."""
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
    moved = functional.grid_sample(flat, grid, align_corners=False, padding_mode="zeros")
    return other_displays(moved, rng).reshape(images.shape)


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
    hidden = (rng.random((count, 3)) < config.drop_covariate) | (rng.random((count, 1)) < config.drop_covariates)
    return covariates * torch.from_numpy(np.tile(~hidden, 2)).to(covariates)
