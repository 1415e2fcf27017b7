"""Studies into a YOLO folder: augmented variants for training, plain letterboxed ones for validation."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from cohort.study import Study
from detect.config import CLASSES
from detect.preprocess import detector_input
from detect.training.augment import augment, move_boxes
from detect.training.config import NEW_PX, DetectorTraining
from osteolens.atomic import write_whole
from osteolens.errors import OsteoLensError, ReadError
from osteolens.progress import Progress, silent

log = logging.getLogger(__name__)

MADE_FROM = "made-from.txt"
"""Note of what the rendered images were made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledStudies:
    """Studies to train on and to validate by, with the boxes of both and outlines of those to train on."""

    training: Sequence[Study]
    validation: Sequence[Study]
    rois: Rois
    outlines: Outlines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendering:
    """One image to render, and what its random numbers begin with."""

    study: Study
    view: View
    path: Path
    subset: str
    seed: int
    names: tuple[str, ...]


def rendered_bytes(training: int, validation: int, config: DetectorTraining) -> int:
    """About how many bytes the rendered images of so many studies of two images take on the disk."""
    return round(2 * (training * config.renders + validation) * (config.image_px or NEW_PX) ** 2)


def write_yolo_folder(
    labelled: LabelledStudies, out: Path, config: DetectorTraining, seed: int, progress: Progress = silent
) -> Path:
    """Render images and labels below `out`; returns the path of data.yaml.

    Finished images are kept as long as images, boxes, outlines, split, settings and seed are the same; else all are
    rendered anew.

    A turned body has another upright box: where outlines are known the labels follow the ROI rule after the turn.

    Args:
        labelled: studies with their boxes and outlines.
        out: folder.
        config: size and number of renderings.
        seed: of the augmentation.
        progress: told of every image.

    Raises:
        ReadError: no image of the training studies has ROIs, or a box lies outside its image.
    """
    renderings = _renderings(labelled, config, seed)
    everyone = [*labelled.training, *labelled.validation]
    digest = digest_of_parts(
        seed,
        config.image_px,
        config.renders,
        [study.plain_spacing_mm for study in labelled.training],
        state_of_images(labelled.training),
        state_of_images(labelled.validation),
        state_of_rois(labelled.rois, everyone),
        state_of_outlines(labelled.outlines, labelled.training),
    )
    if not is_made_from(out / MADE_FROM, digest):
        for kind in ("images", "labels"):
            shutil.rmtree(out / kind, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        note_made_from(out / MADE_FROM, digest)
    for subset in ("train", "val"):
        for kind in ("images", "labels"):
            (out / kind / subset).mkdir(parents=True, exist_ok=True)
    _remove_others(out, renderings)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        done = pool.map(lambda one: _render(one, labelled, out, config.image_px or NEW_PX), renderings)
        for number, _ in enumerate(done, start=1):
            progress(number, len(renderings))
    finally:
        pool.shutdown(cancel_futures=True)
    names_by_class = {k: f"{view}_{level}" for k, (view, level) in enumerate(CLASSES)}
    data = {"path": str(out.resolve()), "train": "images/train", "val": "images/val", "names": names_by_class}
    write_whole(out / "data.yaml", yaml.safe_dump(data))
    return out / "data.yaml"


def _remove_others(out: Path, renderings: Sequence[_Rendering]) -> None:
    """Remove what lies in the folders of images and labels and is none of these, such as ultralytics' cache of labels.

    ultralytics trains on every image that it finds, and knows its cache again by sizes alone.
    """
    known = {f"{rendering.subset}/{name}" for rendering in renderings for name in rendering.names}
    for kind, ending in (("images", ".png"), ("labels", ".txt")):
        for path in [path for path in (out / kind).rglob("*") if path.is_file()]:
            is_known = path.suffix == ending and path.relative_to(out / kind).with_suffix("").as_posix() in known
            if not is_known:
                path.unlink()


def _renderings(labelled: LabelledStudies, config: DetectorTraining, seed: int) -> list[_Rendering]:
    """Every image with boxes, those of training first."""
    images = [
        (study, view, path, subset)
        for studies, subset in ((labelled.training, "train"), (labelled.validation, "val"))
        for study in studies
        for view, path in study.images
        if view is not None and (study.study_uid, view) in labelled.rois
    ]
    if not any(subset == "train" for *_, subset in images):
        raise ReadError(
            f"none of {len(labelled.training)} training studies has ROIs (the first is "
            f"{labelled.training[0].study_uid}); expected their boxes in rois.csv beside cohort.csv"
        )
    return [
        _Rendering(
            study=study,
            view=view,
            path=path,
            subset=subset,
            seed=seed + number,
            names=tuple(f"{study.study_uid}_{view}_{k}" for k in range(config.renders if subset == "train" else 1)),
        )
        for number, (study, view, path, subset) in enumerate(images, start=1)
    ]


def _render(rendering: _Rendering, labelled: LabelledStudies, out: Path, side: int) -> None:
    """Write the images and labels of one radiograph, unless they are there."""
    labels = out / "labels" / rendering.subset
    images = out / "images" / rendering.subset
    if all((labels / f"{name}.txt").is_file() and (images / f"{name}.png").is_file() for name in rendering.names):
        return
    try:
        radiograph = rendering.study.with_spacing(read_radiograph(rendering.path, with_full_range=True))
    except OsteoLensError as error:
        log.warning("an image was left out: %s", error)
        return
    key = (rendering.study.study_uid, rendering.view)
    check_inside(*key, labelled.rois[key], radiograph.pixels.shape)
    boxes = [box for box in labelled.rois[key] if (rendering.view, box.level) in CLASSES]
    corners = np.array([box.corners for box in boxes], np.float64).reshape(-1, 4)
    rng = np.random.default_rng(rendering.seed)
    outlines = _agreeing(boxes, labelled.outlines.get(key, {}), radiograph.pixel_spacing_mm)
    for name in rendering.names:
        if rendering.subset == "train":
            source = radiograph.full_range if radiograph.full_range is not None else radiograph.pixels
            image, matrix = augment(source, corners, side, rng)
            moved = _labels_after(boxes, outlines, matrix, radiograph.pixel_spacing_mm)
        else:
            image, matrix = detector_input(radiograph.pixels, side)
            moved = move_boxes(corners, matrix)
        write_whole(images / f"{name}.png", cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
        write_whole(labels / f"{name}.txt", "\n".join(label_lines(boxes, moved, rendering.view, side)))


def _agreeing(
    boxes: Sequence[VertebraBox],
    outlines: Mapping[VertebralLevel, npt.NDArray[np.float64]],
    spacing_mm: tuple[float, float] | None,
) -> Mapping[VertebralLevel, npt.NDArray[np.float64]]:
    """The outlines of an image, or none of them where a box lies elsewhere than they put it by the ROI rule: a reader
    has corrected it since, and his box counts."""
    by_rule = _labels_after(boxes, outlines, np.eye(2, 3), spacing_mm)
    corners = np.array([box.corners for box in boxes], np.float64).reshape(-1, 4)
    allowed = SAME_PX + SAME_FRACTION * (corners[:, 2:] - corners[:, :2]).max(1)
    apart = [str(box.level) for box, gap in zip(boxes, np.abs(by_rule - corners).max(1) > allowed, strict=True) if gap]
    if apart:
        log.warning("boxes of %s lie elsewhere than their outlines put them; the boxes count", ", ".join(apart))
        return {}
    return outlines


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


SAME_PX, SAME_FRACTION = 1.0, 0.02
"""How far a box may lie from where its outline puts it: pixels, and a fraction of its larger side."""

LEAST_INSIDE = 0.7
"""Fraction of a body's box inside the image below which it gets no label."""


def label_lines(boxes: Sequence[VertebraBox], corners: npt.NDArray[np.float64], view: View, side: int) -> list[str]:
    """YOLO lines `class x y w h` as fractions of the side; bodies too little inside the image are left out.

    Args:
        boxes: levels.
        corners: (n, 4) of these on the rendered image.
        view: of the image.
        side: of the rendered image in pixels.
    """
    lines = []
    for box, edges in zip(boxes, corners, strict=True):
        moved = VertebraBox(box.level, *map(float, edges))
        inside = moved.clipped((side, side))
        if inside is None or moved.fraction_inside((side, side)) < LEAST_INSIDE:
            continue
        values = (*inside.centre, inside.width, inside.height)
        lines.append(f"{CLASSES.index((view, box.level))} " + " ".join(f"{v / side:.5f}" for v in values))
    return lines
