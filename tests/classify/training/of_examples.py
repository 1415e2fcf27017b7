"""Crops of the examples, and the part of a network that a tensor is of."""

from __future__ import annotations

from pathlib import Path

from classify.config import PreprocessSpec
from classify.training.crops.build import build_crops
from classify.training.crops.crop_set import CropSet
from classify.training.crops.cut import CropPlan
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from tests import EXAMPLES


def example_crops(spec: PreprocessSpec, cache: Path, variants: int) -> CropSet:
    """Crops at the true boxes."""
    plan = CropPlan(spec=spec, variants=variants)
    return build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), plan, cache)


def part_of(name: str) -> str:
    """Of a network, from a tensor's name; each fusion by itself."""
    return ".".join(name.split(".")[: 1 + name.startswith("fuse")])
