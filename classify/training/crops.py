"""Studies into cached crops."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from classify.covariates import encode
from classify.crop import roi_corners
from classify.preprocess import preprocess_crop
from cohort.bmd import BMD_CLASSES
from cohort.cache_key import digest_of_parts, is_made_from, note_made_from, state_of_images, state_of_rois
from cohort.io.annotations import Rois, check_inside
from cohort.io.grey import brighter_at_left
from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from cohort.study import Radiograph, Study
from osteolens.atomic import make_folder
from osteolens.errors import OsteoLensError, ReadError, StudyError
from osteolens.progress import Progress, silent
from osteolens.training.display_augmentation import other_display

log = logging.getLogger(__name__)

READER_FRACTION = 0.025
"""By how much of a box readers differ at each side."""

JITTERED_VARIANTS = 3
"""Crops cached for each training image, from boxes moved as another reader might place them, and all but the first
displayed as another radiography system might."""

DISPLAY_STRENGTH = 0.5
"""How far such displays go; density must remain to be seen."""

Facing = Callable[[Radiograph, Sequence[VertebraBox]], bool]
"""Whether the front of a lateral radiograph with its boxes lies at the left."""

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def as_stated(radiograph: Radiograph, boxes: Sequence[VertebraBox]) -> bool:
    """Whether the front lies at the left, as the header of a radiograph says; where it says nothing, it does."""
    return radiograph.anterior_left is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPlan:
    """How crops are cut.

    A single variant has the boxes as given and the image as displayed. Of several, all have boxes moved as another
    reader might place them, the first too unless `first_as_given`, and all but the first are displayed as another
    radiography system might. Lateral crops are mirrored where the front lies at the right, and AP crops where the
    brighter side does, so that all face one way.

    Attributes:
        spec: preprocessing.
        variants: crops of each image.
        seed: of what is sampled.
        first_as_given: whether the first of several variants has the boxes as given.
        front_at_left: tells how a lateral radiograph faces.
        faced_by: name of what tells it, such as a hash of weights; crops that another one faced are made anew.
    """

    spec: PreprocessSpec
    variants: int = 1
    seed: int = 0
    first_as_given: bool = False
    front_at_left: Facing = as_stated
    faced_by: str = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSet:
    """Preprocessed studies.

    Attributes:
        images: uint8 (rows, variants, 2, crops, size, size), memory-mapped; AP then lateral, grey where absent.
        rows: int64 (n,), where each study stands in `images`.
        present: float32 (n, 2).
        covariates: float32 (n, 6).
        labels: int64 (n,), index into BMD_CLASSES.
        t_scores: float32 (n,).
        level_t_scores: float32 (n, 4), of L1 to L4; NaN where DXA gives none.
        study_uids: n identifiers.
        patient_ids: n, equal for studies of one patient.
        folder: cache that holds the images.
        made_from: digest of what the images were made from.
    """

    images: Bytes
    rows: npt.NDArray[np.int64]
    present: Floats
    covariates: Floats
    labels: npt.NDArray[np.int64]
    t_scores: Floats
    level_t_scores: Floats
    study_uids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    folder: Path
    made_from: str

    def of_views(self, views: Sequence[View]) -> CropSet:
        """The studies that have one of these views, the other view hidden."""
        shown = self.present * np.array([float(view in views) for view in View], np.float32)
        return replace(self, present=shown)._of_rows(np.flatnonzero(shown.any(1)))

    def of_patients(self, patient_ids: Collection[str]) -> CropSet:
        """The studies of these patients."""
        return self._of_rows(np.flatnonzero([patient in patient_ids for patient in self.patient_ids]))

    @property
    def digest(self) -> str:
        """Of the crops and of all that is known of their studies."""
        arrays = (self.rows, self.present, self.covariates, self.labels, self.t_scores, self.level_t_scores)
        contents = [hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays]
        return digest_of_parts(self.made_from, contents, self.study_uids, self.patient_ids)

    def _of_rows(self, usable: npt.NDArray[np.intp]) -> CropSet:
        return replace(
            self,
            rows=self.rows[usable],
            present=self.present[usable],
            covariates=self.covariates[usable],
            labels=self.labels[usable],
            t_scores=self.t_scores[usable],
            level_t_scores=self.level_t_scores[usable],
            study_uids=tuple(self.study_uids[k] for k in usable),
            patient_ids=tuple(self.patient_ids[k] for k in usable),
        )


def build_crops(
    studies: Sequence[Study], rois: Rois, plan: CropPlan, cache: Path, progress: Progress = silent
) -> CropSet:
    """Crops of all studies that have DXA and ROIs, in one memory-mapped file; a rerun goes on where it stopped.

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

    def write(k: int) -> None:
        images[k], present[k] = _crops_of(boxed[k], rois, plan, plan.seed + k)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for number, _ in enumerate(pool.map(write, todo), start=len(boxed) - len(todo) + 1):
            progress(number, len(boxed))
    finally:
        pool.shutdown(cancel_futures=True)
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


def _crops_of(study: Study, rois: Rois, plan: CropPlan, seed: int) -> tuple[Bytes, Floats]:
    """Crops (variants, 2, crops, size, size) of a study, and which views it has."""
    rng, spec = np.random.default_rng(seed), plan.spec
    crops = np.full((plan.variants, 2, spec.crops, spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    present = np.zeros(2, np.float32)
    for channel, view in enumerate(View):
        image = study.ap if view is View.AP else study.lateral
        boxes = rois.get((study.study_uid, view))
        if image is None or boxes is None:
            continue
        try:
            radiograph = read_radiograph(image, with_full_range=plan.variants > 1)
        except OsteoLensError as error:
            log.warning("%s left out of training: %s", view, error)
            continue
        check_inside(study.study_uid, view, boxes, radiograph.pixels.shape)
        try:
            for variant, crop in enumerate(_variants(radiograph, view, boxes, plan, rng)):
                crops[variant, channel] = crop
            present[channel] = 1
        except StudyError as error:
            log.warning("%s left out of training: %s", view, error)
    return crops, present


def _variants(
    radiograph: Radiograph, view: View, boxes: Sequence[VertebraBox], plan: CropPlan, rng: np.random.Generator
) -> Iterator[Bytes]:
    """Crops (crops, size, size) of one image, variant by variant.

    Raises:
        StudyError: one of L1 to L4 has no box.
    """
    pixels = radiograph.pixels
    left = plan.front_at_left(radiograph, boxes) if view is View.LATERAL else brighter_at_left(pixels)
    for variant in range(plan.variants):
        as_given = variant == 0 and (plan.first_as_given or plan.variants == 1)
        moved = tuple(boxes) if as_given else tuple(box.jittered(rng, READER_FRACTION) for box in boxes)
        if variant:
            full = radiograph.full_range
            pixels = other_display(radiograph.pixels if full is None else full, rng, DISPLAY_STRENGTH)
        places = roi_corners(pixels.shape, SpineDetection(view, moved, pixels.shape), plan.spec)
        shown = np.stack([preprocess_crop(pixels, plan.spec, place) for place in places])
        yield shown if left else shown[..., ::-1]
