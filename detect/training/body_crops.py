"""Crops of bodies with masks, losses of height and what they show: cached, augmented, in batches. Needs 'train'."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.cache_key import digest_of_parts, is_made_from, note_made_from, state_of_images, state_of_outlines
from cohort.io.annotations import Outlines
from cohort.io.radiograph import read_radiograph
from cohort.roi_rule import roi_boxes
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph, Study
from detect.scale import BODY_PX, at_body_scale
from detect.segmenter import CONTEXT, CROP_PX, TARGETS, crop_matrix
from detect.training.config import SegmenterTraining
from detect.training.distractors import draw_distractor
from osteolens.atomic import whole_file
from osteolens.errors import OsteoLensError, ReadError
from osteolens.progress import Progress, silent
from osteolens.training.display_augmentation import other_display

log = logging.getLogger(__name__)

DETECTOR_FRACTION = 0.04
"""By how much of a box a detector errs at each side."""

STORED_PX = 176
"""Side of a stored crop; the surplus over CROP_PX is room to move, turn and scale."""

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CropStore:
    """Crops of bodies and of what is none.

    Attributes:
        planes: uint8 (n, 2, STORED_PX, STORED_PX), memory-mapped: the image, and 255 inside the body.
        targets: float32 (n, len(TARGETS)), NaN where unknown: fraction of the height that compression took, whether it
            is a vertebral body, whether it is seen from the side, and whether its front lies at the left.
        made_from: digest of the images, outlines, losses of height, settings and seed that made them.
    """

    planes: Bytes
    targets: Floats
    made_from: str = ""


def build_store(
    studies: Sequence[Study],
    outlines: Outlines,
    path: Path,
    config: SegmenterTraining,
    seed: int,
    progress: Progress = silent,
) -> CropStore:
    """Some bodies of every image and some places beside them as crops; a finished file that was made from the same
    images, outlines, losses of height, settings and seed is read back.

    Args:
        studies: whose images are cropped.
        outlines: of bodies, by study, view and level.
        path: of the file.
        config: how many crops an image gives.
        seed: of what is sampled.
        progress: told of every study.

    Raises:
        ReadError: no image has outlines.
    """
    settings = config.model_dump(include={"bodies_an_image", "beside_an_image", "distractor_fraction"})
    losses = [(study.study_uid, study.findings.height_loss) for study in studies]
    digest = digest_of_parts(seed, settings, state_of_images(studies), state_of_outlines(outlines, studies), losses)
    store = _finished_store(path, digest)
    if store is not None:
        return store
    rng = np.random.default_rng(seed)
    stored: list[Bytes] = []
    targets: list[Floats] = []
    for number, study in enumerate(studies, start=1):
        for view, image in study.images:
            bodies = outlines.get((study.study_uid, view)) if view is not None else None
            if view is None or not bodies:
                continue
            height_loss = study.findings.height_loss if view is View.LATERAL else None
            for crop, target in _crops_of(image, view, bodies, height_loss, config, rng):
                stored.append(crop)
                targets.append(target)
        progress(number, len(studies))
    if not stored:
        raise ReadError(
            f"none of {len(studies)} studies has an image with outlines that can be read; expected polygons in "
            "annotations.json beside cohort.csv"
        )
    for _ in range(round(config.distractor_fraction * len(stored))):
        picture = np.round(draw_distractor(STORED_PX, rng) * 255).astype(np.uint8)
        stored.append(np.stack((picture, np.zeros_like(picture))))
        targets.append(_target(body=False))
    return _write_store(path, digest, stored, targets)


def crops_bytes(studies: int, config: SegmenterTraining) -> int:
    """About how many bytes the crops of so many studies of two images take, in memory and on the disk."""
    an_image = config.bodies_an_image + config.beside_an_image
    return round(2 * studies * an_image * (1 + config.distractor_fraction) * 2 * STORED_PX**2)


def _files_of(path: Path) -> tuple[Path, Path]:
    """Targets of a store, and the note of what it was made from."""
    return path.with_name(f"{path.stem}-targets.npy"), path.with_name(f"{path.stem}-made-from.txt")


def _finished_store(path: Path, digest: str) -> CropStore | None:
    """The store on disk, if it was made from the same and is whole."""
    targets_path, note = _files_of(path)
    if not is_made_from(note, digest):
        return None
    try:
        planes, targets = np.load(path, mmap_mode="r", allow_pickle=False), np.load(targets_path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_whole = planes.shape == (len(targets), 2, STORED_PX, STORED_PX) and targets.shape[1:] == (len(TARGETS),)
    return CropStore(planes, targets, digest) if is_whole and len(targets) else None


def _write_store(path: Path, digest: str, stored: list[Bytes], targets: list[Floats]) -> CropStore:
    """Crops on disk, noted as whole when all of them are."""
    targets_path, note = _files_of(path)
    note.unlink(missing_ok=True)
    with whole_file(targets_path) as unfinished, unfinished.open("wb") as stream:
        np.save(stream, np.stack(targets))
    with whole_file(path) as unfinished:
        shape = (len(stored), 2, STORED_PX, STORED_PX)
        planes = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        for number, crop in enumerate(stored):
            planes[number] = crop
        planes.flush()
        del planes
    note_made_from(note, digest)
    return CropStore(np.load(path, mmap_mode="r", allow_pickle=False), np.stack(targets), digest)


def _target(
    body: bool, height_loss: float | None = None, lateral: bool | None = None, anterior_left: bool | None = None
) -> Floats:
    """One row of `CropStore.targets`."""
    values = (height_loss, body, lateral, anterior_left)
    return np.array([np.nan if value is None else float(value) for value in values], np.float32)


def _crops_of(
    image: Path,
    view: View,
    bodies: Mapping[VertebralLevel, npt.NDArray[np.float64]],
    height_loss: Mapping[VertebralLevel, float] | None,
    config: SegmenterTraining,
    rng: np.random.Generator,
) -> list[tuple[Bytes, Floats]]:
    """Every fractured body of an image, some of the others, and places that show none."""
    try:
        radiograph = read_radiograph(image)
    except OsteoLensError as error:
        log.warning("an image was left out: %s", error)
        return []
    boxes = roi_boxes(bodies, None)
    scaled = at_body_scale(radiograph.pixels, SpineDetection(view, boxes, radiograph.pixels.shape), around=3.0)
    outlines = {level: points @ scaled.matrix[:, :2].T + scaled.matrix[:, 2] for level, points in bodies.items()}
    sampled = set(rng.permutation(len(boxes))[: config.bodies_an_image].tolist())
    crops = []
    for number, box in enumerate(scaled.detection.boxes):
        if number not in sampled and box.level not in (height_loss or {}):
            continue
        crop, matrix = _stored_crop(scaled.pixels, box.jittered(rng, DETECTOR_FRACTION))
        polygon = outlines[box.level] @ matrix[:, :2].T + matrix[:, 2]
        mask = np.zeros((STORED_PX, STORED_PX), np.uint8)
        cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        loss = None if height_loss is None else height_loss.get(box.level, 0.0)
        facing = radiograph.anterior_left if view is View.LATERAL else None
        crops.append((np.stack((crop, mask)), _target(True, loss, view is View.LATERAL, facing)))
    for box in _beside(radiograph, boxes, config.beside_an_image, rng):
        place = SpineDetection(view, (box,), radiograph.pixels.shape)
        aside = at_body_scale(radiograph.pixels, place, BODY_PX, around=1.0)
        crop, _ = _stored_crop(aside.pixels, aside.detection.boxes[0])
        crops.append((np.stack((crop, np.zeros_like(crop))), _target(body=False)))
    return crops


def _stored_crop(pixels: Floats, box: VertebraBox) -> tuple[Bytes, npt.NDArray[np.float64]]:
    matrix = crop_matrix(box, STORED_PX, CONTEXT * STORED_PX / CROP_PX)
    crop = cv2.warpAffine(pixels, matrix, (STORED_PX,) * 2, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.round(crop * 255).astype(np.uint8), matrix


def _beside(
    radiograph: Radiograph, boxes: Sequence[VertebraBox], count: int, rng: np.random.Generator
) -> list[VertebraBox]:
    """Boxes of 0.4 to 2.5 bodies' size that touch no box of a body: ribs, hips, bowel, background."""
    rows, columns = radiograph.pixels.shape
    corners = np.array([box.corners for box in boxes])
    size = float(np.median(corners[:, 2] - corners[:, 0]))
    boxes_beside: list[VertebraBox] = []
    for _ in range(20 * count):
        if len(boxes_beside) == count:
            break
        wide, tall = size * np.exp(rng.uniform(np.log(0.4), np.log(2.5))) * np.exp(rng.normal(0, 0.15, 2))
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        x0, y0, x1, y1 = x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2
        apart = (corners[:, 0] >= x1) | (corners[:, 2] <= x0) | (corners[:, 1] >= y1) | (corners[:, 3] <= y0)
        # the sacrum's first body and bodies above T11 have no outline
        between = y0 < corners[:, 3].max() + 1.5 * size and x1 > corners[:, 0].min() and x0 < corners[:, 2].max()
        inside = min(x1, columns) - max(x0, 0) > 0.6 * wide and min(y1, rows) - max(y0, 0) > 0.6 * tall
        if apart.all() and inside and not between:
            boxes_beside.append(VertebraBox(VertebralLevel.L3, x0, y0, x1, y1))
    return boxes_beside


def batches(
    store: CropStore, order: npt.NDArray[np.int64], size: int, rng: np.random.Generator | None
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Images and masks (size, 1, CROP_PX, CROP_PX) and targets (size, len(TARGETS)).

    Args:
        store: crops.
        order: of the crops.
        size: crops a batch.
        rng: of the augmentation; None for crops as stored.
    """
    for start in range(0, len(order), size):
        index = order[start : start + size]
        triples = [_sample(store.planes[k], store.targets[k], rng) for k in index]
        images, masks, targets = (np.stack(part) for part in zip(*triples, strict=True))
        yield images[:, None], masks[:, None], targets


def _sample(stored: Bytes, target: Floats, rng: np.random.Generator | None) -> tuple[Floats, Floats, Floats]:
    """One crop, its mask and its targets, as stored or as another hospital might show it."""
    matrix = _moves(rng)
    image, mask = (
        cv2.warpAffine(plane, matrix, (CROP_PX,) * 2, flags=cv2.INTER_LINEAR, borderMode=mode)
        for plane, mode in ((stored[0], cv2.BORDER_REPLICATE), (stored[1], cv2.BORDER_CONSTANT))
    )
    shown = image.astype(np.float32) / 255
    target = target.copy()
    if rng is not None:
        if rng.random() < 0.3:
            shown = _seen_obliquely(shown, rng)
        shown = other_display(shown, rng)
        if rng.random() < 0.5:
            shown, mask = shown[:, ::-1], mask[:, ::-1]
            target[TARGETS.index("anterior_left")] = 1 - target[TARGETS.index("anterior_left")]
    low, high = np.percentile(shown[::2, ::2], (1, 99))
    shown = np.clip((shown - low) / max(float(high - low), 1e-3), 0, 1)
    return np.asarray(shown, np.float32), mask.astype(np.float32) / 255, target


def _moves(rng: np.random.Generator | None) -> npt.NDArray[np.float64]:
    """Affine (2, 3) from a stored crop to the network's: turned, scaled, stretched, sheared and moved at random."""
    middle, half = STORED_PX / 2, CROP_PX / 2
    if rng is None:
        return np.array([[1.0, 0.0, half - middle], [0.0, 1.0, half - middle]])
    turn, scale = np.radians(rng.normal(0, 6.0)), np.exp(rng.normal(0, 0.08))
    stretch, shear = np.exp(rng.normal(0, 0.07)), rng.normal(0, 0.05)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[stretch, shear], [0.0, 1 / stretch]])
    target = half + rng.normal(0, 4.0, 2)
    return np.column_stack((linear, target - linear @ (middle, middle)))


def _seen_obliquely(image: Floats, rng: np.random.Generator) -> Floats:
    """The rims of both sides apart from each other, so that endplates show twice, as where the beam is oblique."""
    rows, columns = image.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(rng.normal(0, 2.0)), 1.0)
    matrix[:, 2] += rng.normal(0, 1.0), rng.normal(0, 3.5)
    other = cv2.warpAffine(image, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
    weight = np.float32(rng.uniform(0.25, 0.5))
    return np.asarray((1 - weight) * image + weight * other, np.float32)
