"""Studies into a YOLO folder: augmented copies for training, plain letterboxed ones for validation."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from cohort.cache_key import (
    digest_of_parts,
    is_made_from,
    note_made_from,
    state_of_images,
    state_of_outlines,
    state_of_rois,
)
from cohort.io.annotations import Outlines, Rois, check_inside
from cohort.io.radiograph import read_radiograph
from cohort.roi_rule import roi_boxes
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph, Study
from detect.config import CLASSES
from detect.preprocess import detector_input
from detect.training.augment import augment, move_boxes
from detect.training.config import DetectorTraining
from osteolens.errors import OsteoLensError, ReadError

log = logging.getLogger(__name__)

MADE_FROM = "made-from.txt"
"""Note of what the rendered images were made from."""


def write_yolo_folder(
    training: Sequence[Study],
    validation: Sequence[Study],
    rois: Rois,
    outlines: Outlines,
    out: Path,
    config: DetectorTraining,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> Path:
    """Render images and labels below `out`; returns the path of data.yaml.

    Finished images are kept as long as images, boxes, outlines, split, settings and seed are the same; else all are
    rendered anew.

    A turned body has another upright box: where outlines are known the labels follow the ROI rule after the turn.

    Raises:
        ReadError: no image of the training studies has ROIs, or a box lies outside its image.
    """
    jobs = [(study, view, path, True) for study in training for view, path in _labelled(study, rois)]
    if not jobs:
        raise ReadError(
            f"none of {len(training)} training studies has ROIs (the first is {training[0].study_uid}); expected their "
            "boxes in rois.csv beside cohort.csv"
        )
    jobs += [(study, view, path, False) for study in validation for view, path in _labelled(study, rois)]
    digest = digest_of_parts(
        seed, config.image_px, config.renders, state_of_images(training), state_of_images(validation),
        state_of_rois(rois, [*training, *validation]), state_of_outlines(outlines),
    )  # fmt: skip
    if not is_made_from(out / MADE_FROM, digest):
        for kind in ("images", "labels"):
            shutil.rmtree(out / kind, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        note_made_from(out / MADE_FROM, digest)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (out / kind / split).mkdir(parents=True, exist_ok=True)

    def write(number: int, job: tuple[Study, View, Path, bool]) -> None:
        study, view, path, is_training = job
        split = "train" if is_training else "val"
        names = [f"{study.study_uid}_{view}_{k}" for k in range(config.renders if is_training else 1)]
        if all((out / "labels" / split / f"{name}.txt").is_file() for name in names):
            return
        try:
            radiograph = read_radiograph(path, with_full_range=True)
        except OsteoLensError as error:
            log.warning("an image was left out: %s", error)
            return
        boxes = rois[study.study_uid, view]
        check_inside(study.study_uid, view, boxes, radiograph.pixels.shape)
        shape = outlines.get((study.study_uid, view), {})
        _render(radiograph, view, boxes, shape, out, split, names, config.image_px, seed + number)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for number, _ in enumerate(pool.map(write, range(1, len(jobs) + 1), jobs), start=1):
            done(number, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    data = out / "data.yaml"
    names_by_class = {k: f"{view}_{level}" for k, (view, level) in enumerate(CLASSES)}
    data.write_text(
        yaml.safe_dump(
            {"path": str(out.resolve()), "train": "images/train", "val": "images/val", "names": names_by_class}
        )
    )
    return data


def _labelled(study: Study, rois: Rois) -> list[tuple[View, Path]]:
    return [(v, p) for v, p in study.images if v is not None and (study.study_uid, v) in rois]


def _render(
    radiograph: Radiograph,
    view: View,
    rois: Sequence[VertebraBox],
    outlines: Mapping[VertebralLevel, npt.NDArray[np.float64]],
    out: Path,
    split: str,
    names: Sequence[str],
    side: int,
    seed: int,
) -> None:
    boxes = [b for b in rois if (view, b.level) in CLASSES]
    corners = np.array([b.corners for b in boxes], np.float64).reshape(-1, 4)
    rng = np.random.default_rng(seed)
    for name in names:
        if split == "train":
            source = radiograph.full_range if radiograph.full_range is not None else radiograph.pixels
            image, matrix = augment(source, corners, side, rng)
            moved = _labels_after(boxes, outlines, matrix, radiograph.pixel_spacing_mm)
        else:
            image, matrix = detector_input(radiograph.pixels, side)
            moved = move_boxes(corners, matrix)
        cv2.imwrite(str(out / "images" / split / f"{name}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        lines = label_lines(boxes, moved, view, side)
        (out / "labels" / split / f"{name}.txt").write_text("\n".join(lines))


def _labels_after(
    boxes: Sequence[VertebraBox],
    outlines: Mapping[VertebralLevel, npt.NDArray[np.float64]],
    matrix: npt.NDArray[np.float64],
    spacing_mm: tuple[float, float] | None,
) -> npt.NDArray[np.float64]:
    """Corners (n, 4) after the affine: by the ROI rule where a body and both its neighbours have outlines."""
    plain = move_boxes(np.array([box.corners for box in boxes], np.float64).reshape(-1, 4), matrix)
    if len(outlines) < 3:
        return plain
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    moved = {level: points @ matrix[:, :2].T + matrix[:, 2] for level, points in outlines.items()}
    smaller = None if spacing_mm is None else (spacing_mm[0] / scale, spacing_mm[1] / scale)
    by_rule = {box.level: box.corners for box in roi_boxes(moved, smaller)}
    for row, box in enumerate(boxes):
        place = LEVELS.index(box.level)
        if all(level in outlines for level in LEVELS[max(place - 1, 0) : place + 2]):
            plain[row] = by_rule[box.level]
    return plain


LEAST_INSIDE = 0.7
"""Fraction of a body's box inside the image below which it gets no label."""


def label_lines(boxes: Sequence[VertebraBox], corners: npt.NDArray[np.float64], view: View, side: int) -> list[str]:
    """YOLO lines `class x y w h` in shares of the side; bodies less than 70 % inside the image are left out."""
    lines = []
    for box, edges in zip(boxes, corners, strict=True):
        moved = VertebraBox(box.level, *map(float, edges))
        inside = moved.clipped((side, side))
        if inside is None or moved.fraction_inside((side, side)) < LEAST_INSIDE:
            continue
        values = (*inside.centre, inside.width, inside.height)
        lines.append(f"{CLASSES.index((view, box.level))} " + " ".join(f"{v / side:.5f}" for v in values))
    return lines
