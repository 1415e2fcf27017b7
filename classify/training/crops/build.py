"""Studies into cached crops."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.covariates import encode
from classify.training.crops.crop_set import CropSet
from classify.training.crops.cut import CropPlan, crops_of
from cohort.bmd import BMD_CLASSES
from cohort.cache_key import digest_of_parts, is_made_from, note_made_from, state_of_images, state_of_rois
from cohort.io.annotations import Rois
from cohort.spine import TARGET_LEVELS, View
from cohort.study import Study
from osteolens.atomic import make_folder
from osteolens.errors import ReadError
from osteolens.progress import Progress, silent

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def build_crops(
    studies: Sequence[Study], rois: Rois, plan: CropPlan, cache: Path, progress: Progress = silent
) -> CropSet:
    """Crops of all studies that have DXA and ROIs, in one memory-mapped file; a rerun goes on where it stopped. Images
    that give none are told of at the end, once for each reason.

    Args:
        studies: to crop.
        rois: boxes of their images.
        plan: how they are cut.
        cache: folder of the file; one that was made from something else is made anew.
        progress: told of every study.

    Raises:
        ReadError: no study has a T-score and boxes of L1-L4 in at least one view, or a box lies outside its image.
    """
    labelled = [s for s in studies if s.dxa is not None and s.dxa.t_score is not None]
    boxed = [s for s in labelled if any((s.study_uid, view) in rois for view in View)]
    if not boxed:
        raise ReadError("no study has both a T-score (cohort.csv) and boxes of L1-L4 (rois.csv); nothing to train on")
    made_from = digest_of_parts(
        plan.spec.model_dump(mode="json"),
        plan.variants,
        plan.seed,
        plan.first_as_given,
        plan.faced_by,
        [study.study_uid for study in boxed],
        state_of_images(boxed),
        state_of_rois(rois, boxed),
    )
    images, present = _open_cache(len(boxed), plan, cache, made_from)
    todo = [k for k in range(len(boxed)) if np.isnan(present[k]).any()]

    reasons: list[str] = []

    def write(k: int) -> None:
        images[k], present[k], without = crops_of(boxed[k], rois, plan, plan.seed + k)
        reasons.extend(without)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for number, _ in enumerate(pool.map(write, todo), start=len(boxed) - len(todo) + 1):
            progress(number, len(boxed))
    finally:
        pool.shutdown(cancel_futures=True)
        for reason, count in sorted(Counter(reasons).items()):
            log.warning("%d image%s left out of training: %s", count, "s" * (count > 1), reason)
    usable = np.flatnonzero(present.any(1))
    if not len(usable):
        raise ReadError("no study has readable images with boxes of all of L1-L4; nothing to train on")
    cropped = [boxed[k] for k in usable]
    results = [study.dxa for study in cropped if study.dxa is not None]
    return CropSet(
        images=images,
        rows=usable,
        present=np.array(present[usable]),
        covariates=np.stack([encode(study.covariates) for study in cropped]),
        labels=np.array([BMD_CLASSES.index(r.bmd_class) for r in results if r.bmd_class is not None], np.int64),
        t_scores=np.array([r.t_score for r in results], np.float32),
        level_t_scores=np.array(
            [[r.t_score_by_level.get(level, np.nan) for level in TARGET_LEVELS] for r in results], np.float32
        ),
        study_uids=tuple(study.study_uid for study in cropped),
        patient_ids=tuple(study.patient_id for study in cropped),
        folder=cache,
        made_from=made_from,
    )


def _open_cache(studies: int, plan: CropPlan, cache: Path, made_from: str) -> tuple[Bytes, Floats]:
    """Memory-mapped crops and which views they have (NaN until written), kept if they are made from the same."""
    make_folder(cache)
    shape = (studies, plan.variants, 2, plan.spec.crops, plan.spec.size_px, plan.spec.size_px)
    files, note = (cache / "crops.npy", cache / "present.npy"), cache / "made-from.txt"
    if is_made_from(note, made_from) and (kept := _opened(files, shape)) is not None:
        return kept
    for stale in (note, *cache.glob("features-*.npy")):
        stale.unlink(missing_ok=True)
    images = np.lib.format.open_memmap(files[0], mode="w+", dtype=np.uint8, shape=shape)
    present = np.lib.format.open_memmap(files[1], mode="w+", dtype=np.float32, shape=(studies, 2))
    present[:] = np.nan
    note_made_from(note, made_from)
    return images, present


def _opened(files: tuple[Path, Path], shape: tuple[int, ...]) -> tuple[Bytes, Floats] | None:
    """The arrays of a cache; None where they are damaged."""
    try:
        images, present = (np.load(path, mmap_mode="r+") for path in files)
    except (OSError, ValueError, EOFError):
        return None
    return (images, present) if images.shape == shape and present.shape == (shape[0], 2) else None
