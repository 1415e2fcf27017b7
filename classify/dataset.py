"""Studies into cached crops, and batches of them with augmentation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from classify.config import ClassifierTraining, PreprocessSpec
from classify.covariates import encode
from classify.crop import column_crop
from classify.preprocess import equalised
from cohort.annotations import Rois, check_inside
from cohort.errors import OsteoLensError, ReadError
from cohort.images import read_radiograph
from cohort.spine import SpineDetection, View
from cohort.study import BMD_CLASSES, Study

log = logging.getLogger(__name__)

READER_SHARE = 0.025
"""By how much of a box readers differ at each side."""

JITTERED_COPIES = 2
"""Crops cached for each training image, each from boxes moved as another reader might draw them."""


@dataclass(frozen=True, slots=True)
class CropSet:
    """Preprocessed studies in memory.

    Attributes:
        images: uint8 (n, copies, 2, size, size); AP then lateral, grey where absent.
        present: float32 (n, 2).
        covariates: float32 (n, 6).
        labels: int64 (n,), index into BMD_CLASSES.
        t_scores: float32 (n,).
        study_uids: n identifiers.
    """

    images: npt.NDArray[np.uint8]
    present: npt.NDArray[np.float32]
    covariates: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    t_scores: npt.NDArray[np.float32]
    study_uids: tuple[str, ...]


def build_crops(
    studies: Sequence[Study],
    rois: Rois,
    spec: PreprocessSpec,
    cache: Path,
    copies: int,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> CropSet:
    """Crops of all studies that have DXA and ROIs; each study is cached as one file and read back on a rerun.

    Raises:
        ReadError: no study has a T-score and boxes of L1-L4 in at least one view, or a box lies outside its image.
    """
    cache.mkdir(parents=True, exist_ok=True)
    kept: list[tuple[Study, npt.NDArray[np.uint8], npt.NDArray[np.float32]]] = []
    for number, study in enumerate(studies, start=1):
        if study.dxa is not None and study.dxa.t_score is not None:
            crops, present = _cached(study, rois, spec, cache, copies, seed + number)
            if present.any():
                kept.append((study, crops, present))
        done(number, len(studies))
    if not kept:
        raise ReadError("no study has both a T-score (cohort.csv) and boxes of L1-L4 (rois.csv); nothing to train on")
    scores = [study.dxa.t_score for study, _, _ in kept if study.dxa is not None and study.dxa.t_score is not None]
    classes = [study.dxa.bmd_class for study, _, _ in kept if study.dxa is not None]
    return CropSet(
        np.stack([crops for _, crops, _ in kept]),
        np.stack([present for _, _, present in kept]),
        np.stack([encode(study.covariates) for study, _, _ in kept]),
        np.array([BMD_CLASSES.index(c) for c in classes if c is not None], np.int64),
        np.array(scores, np.float32),
        tuple(study.study_uid for study, _, _ in kept),
    )


def _cached(
    study: Study, rois: Rois, spec: PreprocessSpec, cache: Path, copies: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    path = cache / f"{study.study_uid}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            if stored["crops"].shape == (copies, 2, spec.size_px, spec.size_px):
                return stored["crops"], stored["present"]
    rng = np.random.default_rng(seed)
    crops = np.full((copies, 2, spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    present = np.zeros(2, np.float32)
    for channel, view in enumerate(View):
        image = study.ap if view is View.AP else study.lateral
        boxes = rois.get((study.study_uid, view))
        if image is None or boxes is None:
            continue
        try:
            pixels = read_radiograph(image)[0].pixels
        except OsteoLensError as error:
            log.warning("%s left out of training: %s", view, error)
            continue
        check_inside(study.study_uid, view, boxes, pixels.shape)
        try:
            for copy in range(copies):
                drawn = boxes if copies == 1 else tuple(box.jittered(rng, READER_SHARE) for box in boxes)
                crops[copy, channel] = equalised(column_crop(pixels, SpineDetection(view, drawn, pixels.shape)), spec)
            present[channel] = 1
        except OsteoLensError as error:
            log.warning("%s left out of training: %s", view, error)
    np.savez_compressed(path, crops=crops, present=present)
    return crops, present


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; images (n, 2, side, side) normalised."""

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
) -> Iterator[Batch]:
    """Batches at a working side; shuffled and augmented when a training config is given, else in order and plain."""
    count = len(crops.labels)
    order = rng.permutation(count) if config else np.arange(count)
    for start in range(0, count, size):
        index = order[start : start + size]
        if config and len(index) < 2:
            continue
        copy = rng.integers(crops.images.shape[1], size=len(index)) if config else np.zeros(len(index), int)
        images = torch.from_numpy(crops.images[index, copy]).to(device).float() / 255
        images = functional.interpolate((images - spec.mean) / spec.std, size=(side, side), mode="area")
        present = torch.from_numpy(crops.present[index]).to(device)
        covariates = torch.from_numpy(crops.covariates[index]).to(device)
        if config:
            images = _augment(images, rng)
            present, covariates = _hide(present, covariates, config, rng)
        labels = torch.from_numpy(crops.labels[index]).to(device)
        yield Batch(images, present, covariates, labels, torch.from_numpy(crops.t_scores[index]).to(device))


def _augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror, small turn, zoom and shift by view, contrast, flattening, noise: other readers, other machines."""
    count, views, side, _ = images.shape
    flat = images.reshape(count * views, 1, side, side)
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
    gain = torch.tensor(np.exp(rng.normal(0, 0.10, total)), dtype=torch.float32, device=images.device)
    shift = torch.tensor(rng.normal(0, 0.10, total), dtype=torch.float32, device=images.device)
    flat = flat * gain[:, None, None, None] + shift[:, None, None, None] * (flat != 0)
    coarse = functional.interpolate(flat, scale_factor=1 / 16, mode="area")
    broad = functional.interpolate(coarse, size=(side, side), mode="bilinear")
    edge = torch.tensor(rng.uniform(-0.35, 0.6, total), dtype=torch.float32, device=images.device)
    flat = flat + edge[:, None, None, None] * (flat - broad) * (flat != 0)
    if rng.random() < 0.3:
        flat = flat + 0.08 * torch.randn_like(flat) * rng.random()
    return flat.reshape(count, views, side, side)


def _hide(
    present: Tensor, covariates: Tensor, config: ClassifierTraining, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Hide a view where both exist, and single covariates, so that the network works without them."""
    present, covariates = present.clone(), covariates.clone()
    for row in range(len(present)):
        if bool(present[row].all()) and rng.random() < 2 * config.drop_view:
            present[row, int(rng.integers(2))] = 0
    for k in range(3):
        gone = torch.from_numpy(rng.random(len(covariates)) < config.drop_covariate).to(covariates.device)
        covariates[gone, k] = 0
        covariates[gone, k + 3] = 0
    return present, covariates
