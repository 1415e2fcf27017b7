"""Crops of bodies with masks and losses of height: cached, augmented, in batches. Needs the extra 'train'."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.annotations import Outlines
from cohort.errors import OsteoLensError, ReadError
from cohort.images import read_radiograph
from cohort.roi import roi_boxes
from cohort.spine import VertebralLevel, View
from cohort.study import Study
from detect.config import SegmenterTraining
from detect.segment import CONTEXT, CROP_PX, crop_matrix

log = logging.getLogger(__name__)

DETECTOR_SHARE = 0.04
"""By how much of a box a detector errs at each side."""

STORED_PX = 176
"""Side of a stored crop; the surplus over CROP_PX is room to move, turn and scale."""


@dataclass(frozen=True, slots=True)
class CropStore:
    """Crops of bodies.

    Attributes:
        planes: uint8 (n, 2, STORED_PX, STORED_PX), memory-mapped: the image, and 255 inside the body.
        height_loss: float32 (n,), share of the height that compression took; NaN where unknown, as in every AP view.
    """

    planes: npt.NDArray[np.uint8]
    height_loss: npt.NDArray[np.float32]


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
    losses_path = path.with_name(f"{path.stem}-height-loss.npy")
    if path.is_file():
        return CropStore(np.load(path, mmap_mode="r"), np.load(losses_path))
    rng = np.random.default_rng(seed)
    stored: list[npt.NDArray[np.uint8]] = []
    losses: list[float] = []
    for number, study in enumerate(studies, start=1):
        for view, image in study.images:
            own = outlines.get((study.study_uid, view)) if view is not None else None
            if own:
                known = study.findings.height_loss if view is View.LATERAL else None
                crops, found = _crops_of(image, own, known, config.bodies_an_image, rng)
                stored += crops
                losses += found
        done(number, len(studies))
    if not stored:
        raise ReadError("no training image has outlines; expected annotations.json with polygons beside cohort.csv")
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.stack(stored))
    np.save(losses_path, np.array(losses, np.float32))
    partial.replace(path)
    return CropStore(np.load(path, mmap_mode="r"), np.load(losses_path))


def _crops_of(
    image: Path,
    own: Mapping[VertebralLevel, npt.NDArray[np.float64]],
    height_loss: Mapping[VertebralLevel, float] | None,
    count: int,
    rng: np.random.Generator,
) -> tuple[list[npt.NDArray[np.uint8]], list[float]]:
    """Every fractured body of an image and some of the others, with their losses of height."""
    try:
        pixels = read_radiograph(image)[0].pixels
    except OsteoLensError as error:
        log.warning("an image was left out: %s", error)
        return [], []
    boxes = roi_boxes(own, None)
    drawn = set(rng.permutation(len(boxes))[:count].tolist())
    stored, losses = [], []
    for number, box in enumerate(boxes):
        if number not in drawn and box.level not in (height_loss or {}):
            continue
        matrix = crop_matrix(box.jittered(rng, DETECTOR_SHARE), STORED_PX, CONTEXT * STORED_PX / CROP_PX)
        crop = cv2.warpAffine(pixels, matrix, (STORED_PX,) * 2, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        polygon = own[box.level] @ matrix[:, :2].T + matrix[:, 2]
        mask = np.zeros((STORED_PX, STORED_PX), np.uint8)
        cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        stored.append(np.stack((np.round(crop * 255).astype(np.uint8), mask)))
        losses.append(float("nan") if height_loss is None else height_loss.get(box.level, 0.0))
    return stored, losses


def batches(
    store: CropStore, order: npt.NDArray[np.int64], size: int, rng: np.random.Generator | None
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Images and masks (size, 1, CROP_PX, CROP_PX) and losses of height (size,); augmented by a generator."""
    for start in range(0, len(order), size):
        index = order[start : start + size]
        pairs = [_pair(store.planes[k], rng) for k in index]
        yield (
            np.stack([p[0] for p in pairs])[:, None],
            np.stack([p[1] for p in pairs])[:, None],
            store.height_loss[index],
        )


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
