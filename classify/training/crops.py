"""Studies into cached crops."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from classify.covariates import encode
from classify.crop import roi_crops
from classify.preprocess import equalised
from cohort.bmd import BMD_CLASSES
from cohort.cache_key import digest_of_parts, state_of_images, state_of_rois
from cohort.io.annotations import Rois, check_inside
from cohort.io.grey import brighter_at_left
from cohort.io.radiograph import read_radiograph
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.study import Radiograph, Study
from osteolens.errors import OsteoLensError, ReadError, StudyError
from osteolens.training.display_augmentation import other_display

log = logging.getLogger(__name__)

READER_SHARE = 0.025
"""By how much of a box readers differ at each side."""

JITTERED_COPIES = 3
"""Crops cached for each training image, from boxes moved as another reader might draw them, and all but the first
displayed as another machine might."""

DISPLAY_STRENGTH = 0.5
"""How far such displays go; density must remain to be seen."""


Facing = Callable[[Radiograph, Sequence[VertebraBox]], bool]
"""Whether the front of a lateral radiograph with its boxes lies at the left."""


@dataclass(frozen=True, slots=True)
class CropSet:
    """Preprocessed studies.

    Attributes:
        images: uint8 (rows, copies, 2, crops, size, size), memory-mapped; AP then lateral, grey where absent.
        rows: int64 (n,), where each study stands in `images`.
        present: float32 (n, 2).
        covariates: float32 (n, 6).
        labels: int64 (n,), index into BMD_CLASSES.
        t_scores: float32 (n,).
        study_uids: n identifiers.
        folder: cache that holds the images.
    """

    images: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    present: npt.NDArray[np.float32]
    covariates: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    t_scores: npt.NDArray[np.float32]
    study_uids: tuple[str, ...]
    folder: Path

    def of_views(self, views: Sequence[View]) -> CropSet:
        """The studies that have one of these views, the other view hidden."""
        shown = self.present * np.array([float(view in views) for view in View], np.float32)
        kept = np.flatnonzero(shown.any(1))
        return replace(
            self,
            rows=self.rows[kept],
            present=shown[kept],
            covariates=self.covariates[kept],
            labels=self.labels[kept],
            t_scores=self.t_scores[kept],
            study_uids=tuple(self.study_uids[k] for k in kept),
        )


def build_crops(
    studies: Sequence[Study],
    rois: Rois,
    spec: PreprocessSpec,
    cache: Path,
    copies: int,
    seed: int,
    done: Callable[[int, int], None] = lambda _now, _all: None,
    first_as_drawn: bool = False,
    front_at_left: Facing = lambda radiograph, _: radiograph.anterior_left is not False,
) -> CropSet:
    """Crops of all studies that have DXA and ROIs, in one memory-mapped file; a rerun goes on where it stopped.

    A single copy has the boxes as drawn and the image as displayed. Of several, all have boxes moved as another reader
    might, the first too unless `first_as_drawn`, and all but the first are displayed as another machine might. Lateral
    crops are mirrored where the front lies at the right, as `front_at_left` tells, and AP crops where the brighter side
    does, so that all face one way.

    Raises:
        ReadError: no study has a T-score and boxes of L1-L4 in at least one view, or a box lies outside its image.
    """
    judged = [s for s in studies if s.dxa is not None and s.dxa.t_score is not None]
    boxed = [s for s in judged if any((s.study_uid, view) in rois for view in View)]
    if not boxed:
        raise ReadError("no study has both a T-score (cohort.csv) and boxes of L1-L4 (rois.csv); nothing to train on")
    made_from = digest_of_parts(seed, first_as_drawn, state_of_images(boxed), state_of_rois(rois, boxed))
    images, present = _open_cache(boxed, spec, cache, copies, made_from)
    todo = [k for k in range(len(boxed)) if np.isnan(present[k]).any()]

    def write(k: int) -> None:
        as_drawn = first_as_drawn or copies == 1
        images[k], present[k] = _crops_of(boxed[k], rois, spec, copies, seed + k, as_drawn, front_at_left)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for number, _ in enumerate(pool.map(write, todo), start=len(boxed) - len(todo) + 1):
            done(number, len(boxed))
    finally:
        pool.shutdown(cancel_futures=True)
    usable = np.flatnonzero(present.any(1))
    if not len(usable):
        raise ReadError("no study has readable images with boxes of all of L1-L4; nothing to train on")
    kept = [boxed[k] for k in usable]
    results = [study.dxa for study in kept if study.dxa is not None]
    return CropSet(
        images,
        usable,
        np.array(present[usable]),
        np.stack([encode(study.covariates) for study in kept]),
        np.array([BMD_CLASSES.index(r.bmd_class) for r in results if r.bmd_class is not None], np.int64),
        np.array([r.t_score for r in results], np.float32),
        tuple(study.study_uid for study in kept),
        cache,
    )


def _open_cache(
    studies: Sequence[Study], spec: PreprocessSpec, cache: Path, copies: int, made_from: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Memory-mapped crops and which views they have (NaN until written), kept if they are of the same studies."""
    cache.mkdir(parents=True, exist_ok=True)
    files = cache / "crops.npy", cache / "present.npy"
    key: dict[str, object] = {
        "spec": spec.model_dump(),
        "copies": copies,
        "made_from": made_from,
        "study_uids": [study.study_uid for study in studies],
    }
    note = cache / "crops.json"
    if note.is_file() and json.loads(note.read_text("utf-8")) == key and all(path.is_file() for path in files):
        images, present = (np.load(path, mmap_mode="r+") for path in files)
        return images, present
    for stale in (note, *cache.glob("features-*.npy")):
        stale.unlink(missing_ok=True)
    shape = (len(studies), copies, 2, spec.crops, spec.size_px, spec.size_px)
    images = np.lib.format.open_memmap(files[0], mode="w+", dtype=np.uint8, shape=shape)
    present = np.lib.format.open_memmap(files[1], mode="w+", dtype=np.float32, shape=(len(studies), 2))
    present[:] = np.nan
    note.write_text(json.dumps(key), "utf-8")
    return images, present


def _crops_of(
    study: Study,
    rois: Rois,
    spec: PreprocessSpec,
    copies: int,
    seed: int,
    first_as_drawn: bool,
    front_at_left: Facing,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    crops = np.full((copies, 2, spec.crops, spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    present = np.zeros(2, np.float32)
    for channel, view in enumerate(View):
        image = study.ap if view is View.AP else study.lateral
        boxes = rois.get((study.study_uid, view))
        if image is None or boxes is None:
            continue
        try:
            radiograph = read_radiograph(image, with_full_range=copies > 1)
        except OsteoLensError as error:
            log.warning("%s left out of training: %s", view, error)
            continue
        pixels = radiograph.pixels
        check_inside(study.study_uid, view, boxes, pixels.shape)
        left = front_at_left(radiograph, boxes) if view is View.LATERAL else brighter_at_left(radiograph.pixels)
        try:
            for copy in range(copies):
                drawn = (
                    boxes if not copy and first_as_drawn else tuple(box.jittered(rng, READER_SHARE) for box in boxes)
                )
                if copy:
                    full = radiograph.full_range
                    pixels = other_display(radiograph.pixels if full is None else full, rng, DISPLAY_STRENGTH)
                parts = roi_crops(pixels, SpineDetection(view, drawn, pixels.shape), spec)
                shown = np.stack([equalised(part, spec) for part in parts])
                crops[copy, channel] = shown if left else shown[..., ::-1]
            present[channel] = 1
        except StudyError as error:
            log.warning("%s left out of training: %s", view, error)
    return crops, present
