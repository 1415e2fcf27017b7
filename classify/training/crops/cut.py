"""Crops of one study, as readers and systems vary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.config import PreprocessSpec
from classify.crop import roi_corners
from classify.preprocess import preprocess_crop
from cohort.io.annotations import Rois, check_inside
from cohort.io.grey import brighter_at_left
from cohort.io.radiograph import read_radiograph
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.study import Radiograph, Study
from osteolens.errors import OsteoLensError, StudyError
from osteolens.training.display_augmentation import other_display

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


def crops_of(study: Study, rois: Rois, plan: CropPlan, seed: int) -> tuple[Bytes, Floats, list[str]]:
    """Crops (variants, 2, crops, size, size) of a study, which views it has, and why an image gives none."""
    rng, spec = np.random.default_rng(seed), plan.spec
    crops = np.full((plan.variants, 2, spec.crops, spec.size_px, spec.size_px), round(spec.grey * 255), np.uint8)
    present, reasons = np.zeros(2, np.float32), list[str]()
    for channel, view in enumerate(View):
        image = study.ap if view is View.AP else study.lateral
        boxes = rois.get((study.study_uid, view))
        if image is None or boxes is None:
            continue
        try:
            radiograph = read_radiograph(image, with_full_range=plan.variants > 1)
        except OsteoLensError as error:
            reasons.append(str(error))
            continue
        check_inside(study.study_uid, view, boxes, radiograph.pixels.shape)
        try:
            for variant, crop in enumerate(_variants(radiograph, view, boxes, plan, rng)):
                crops[variant, channel] = crop
            present[channel] = 1
        except StudyError as error:
            reasons.append(str(error))
    return crops, present, reasons


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
