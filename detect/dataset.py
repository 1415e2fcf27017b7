"""Studies into a YOLO folder: augmented copies for training, plain letterboxed ones for validation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from cohort.annotations import Rois
from cohort.errors import ReadError
from cohort.images import read_radiograph
from cohort.spine import VertebraBox, View
from cohort.study import Study
from detect.augment import augment, move_boxes
from detect.config import CLASSES, DetectorTraining
from detect.letterbox import detector_input

log = logging.getLogger(__name__)


def write_yolo_folder(
    training: Sequence[Study],
    validation: Sequence[Study],
    rois: Rois,
    out: Path,
    config: DetectorTraining,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> Path:
    """Render images and labels below `out`; returns the path of data.yaml. Finished images are kept.

    Raises:
        ReadError: no image of the training studies has ROIs.
    """
    jobs = [(study, view, path, True) for study in training for view, path in _labelled(study, rois)]
    if not jobs:
        raise ReadError("no training image has ROIs; expected rois.csv beside cohort.csv with the studies' boxes")
    jobs += [(study, view, path, False) for study in validation for view, path in _labelled(study, rois)]
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (out / kind / split).mkdir(parents=True, exist_ok=True)
    for number, (study, view, path, is_training) in enumerate(jobs, start=1):
        split = "train" if is_training else "val"
        copies = config.renders if is_training else 1
        names = [f"{study.study_uid}_{view}_{k}" for k in range(copies)]
        if not all((out / "labels" / split / f"{name}.txt").is_file() for name in names):
            _render(study, view, path, rois, out, split, names, config.image_px, seed + number)
        done(number, len(jobs))
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
    study: Study,
    view: View,
    path: Path,
    rois: Rois,
    out: Path,
    split: str,
    names: Sequence[str],
    side: int,
    seed: int,
) -> None:
    radiograph, _ = read_radiograph(path, keep_full_range=True)
    boxes = [b for b in rois[study.study_uid, view] if (view, b.level) in CLASSES]
    corners = np.array([b.corners for b in boxes], np.float64).reshape(-1, 4)
    rng = np.random.default_rng(seed)
    for name in names:
        if split == "train":
            source = radiograph.full_range if radiograph.full_range is not None else radiograph.pixels
            image, moved = augment(source, corners, side, rng)
        else:
            image, matrix = detector_input(radiograph.pixels, side)
            moved = move_boxes(corners, matrix)
        cv2.imwrite(str(out / "images" / split / f"{name}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        lines = label_lines(boxes, moved, view, side)
        (out / "labels" / split / f"{name}.txt").write_text("\n".join(lines))


def label_lines(boxes: Sequence[VertebraBox], corners: npt.NDArray[np.float64], view: View, side: int) -> list[str]:
    """YOLO lines `class x y w h` in shares of the side; bodies less than 70 % inside the image are left out."""
    lines = []
    for box, (x0, y0, x1, y1) in zip(boxes, corners, strict=True):
        cx0, cy0, cx1, cy1 = max(x0, 0.0), max(y0, 0.0), min(x1, side), min(y1, side)
        inside = max(0.0, cx1 - cx0) * max(0.0, cy1 - cy0)
        if inside < 0.7 * (x1 - x0) * (y1 - y0):
            continue
        values = ((cx0 + cx1) / 2, (cy0 + cy1) / 2, cx1 - cx0, cy1 - cy0)
        lines.append(f"{CLASSES.index((view, box.level))} " + " ".join(f"{v / side:.5f}" for v in values))
    return lines
