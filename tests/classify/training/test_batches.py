"""Batches: augmented while the network trains, plain and in order when it is evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import EXAMPLES

torch = pytest.importorskip("torch")

from classify.config import PreprocessSpec  # noqa: E402
from classify.training.batches import BatchPlan, batches  # noqa: E402
from classify.training.config import ClassifierTraining  # noqa: E402
from classify.training.crops.build import build_crops  # noqa: E402
from classify.training.crops.crop_set import CropSet  # noqa: E402
from classify.training.crops.cut import CropPlan  # noqa: E402
from cohort.io.annotations import read_rois  # noqa: E402
from cohort.io.folder import index_cohort  # noqa: E402
from osteolens.training.display_augmentation import other_displays  # noqa: E402
from osteolens.training.parallel.group import Group  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def example_crops(spec: PreprocessSpec, cache: Path, variants: int) -> CropSet:
    plan = CropPlan(spec=spec, variants=variants)
    return build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), plan, cache)


def plan(spec: PreprocessSpec, training: ClassifierTraining | None = None) -> BatchPlan:
    return BatchPlan(side=32, size=6, spec=spec, training=training)


def test_augmentation_hides_views_and_covariates(tmp_path: Path) -> None:
    spec = PreprocessSpec(size_px=64)
    crops = example_crops(spec, tmp_path, variants=2)
    config = ClassifierTraining(drop_view=0.5, drop_covariate=0.9)
    seen = list(batches(crops, plan(spec, config), np.random.default_rng(0)))
    assert (seen[0].present.sum(1) == 1).all()
    assert float(seen[0].covariates[:, 3:].mean()) < 0.5
    whole = ClassifierTraining(drop_covariate=0, drop_covariates=0.5)
    known = [b.covariates[:, 3:].sum(1) for b in batches(crops, plan(spec, whole), np.random.default_rng(0))]
    assert set(torch.cat(known).tolist()) == {0.0, 3.0}, "all of a study's covariates, or none"
    plain = next(batches(crops, plan(spec)))
    assert (plain.present == 1).all() and plain.images.shape == (6, 2, 1, 32, 32)


def test_a_step_may_show_some_bodies_alone(tmp_path: Path) -> None:
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=1)
    marked = crops.images.copy()
    for body in range(4):
        marked[:, :, :, body] = 40 * body + 60
    crops = replace(crops, images=marked)
    config = ClassifierTraining(crops_per_step=2)
    rng = np.random.default_rng(0)
    shown = [next(batches(crops, plan(spec, config), rng)).images.shape for _ in range(2)]
    assert shown == [(6, 2, 2, 32, 32)] * 2
    whole = next(batches(crops, plan(spec))).images
    assert whole.shape == (6, 2, 4, 32, 32)
    assert whole[0, 0].mean((1, 2)).diff().min() > 0, "every body in its order when evaluating"


def test_processes_share_every_batch(tmp_path: Path) -> None:
    spec = PreprocessSpec(size_px=64)
    crops = example_crops(spec, tmp_path, variants=1)
    seen = []
    for rank in range(2):
        one = BatchPlan(side=32, size=6, spec=spec, group=Group(rank, 2))
        seen.append(torch.cat([batch.t_scores for batch in batches(crops, one)]))
    assert torch.cat(seen).sort().values.tolist() == sorted(crops.t_scores.tolist())


def test_a_display_leaves_the_grey_border() -> None:
    images = torch.rand(3, 1, 32, 32) + 0.5
    images[..., :8] = 0
    shown = [other_displays(images, np.random.default_rng(seed)) for seed in range(12)]
    assert sum(bool((one[..., :8] == 0).all()) for one in shown) >= 6, "but for noise, which falls everywhere"
    assert all((one - images)[..., 8:].abs().max() > 0.01 for one in shown)
