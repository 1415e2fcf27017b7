"""T-scores of single levels guide the branches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from classify.config import PreprocessSpec  # noqa: E402
from classify.network.densenet import DualChannelDenseNet  # noqa: E402
from classify.training.batches import Batch, BatchPlan, batches  # noqa: E402
from classify.training.config import ClassifierTraining, network_spec  # noqa: E402
from classify.training.crops.crop_set import CropSet  # noqa: E402
from classify.training.levels import LevelHeads  # noqa: E402
from classify.training.trainer import ClassifierTrainer  # noqa: E402
from osteolens.training.parallel.group import plain_mean  # noqa: E402
from osteolens.training.run_options import RunOptions  # noqa: E402
from osteolens.training.watch import Watch  # noqa: E402
from tests.classify.training.of_examples import example_crops  # noqa: E402

BODIES = PreprocessSpec(roi="vertebra", size_px=64)
CONFIG = ClassifierTraining(
    preprocess=BODIES,
    resolution_schedule=[(64, 1)],
    level_t_score_weight=0.5,
    batch=4,
    head_epochs=0,
    backbone="mobilenet_v2",
    drop_view=0,
)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    return example_crops(BODIES, tmp_path_factory.mktemp("crops"), 1)


@pytest.fixture(scope="module")
def network() -> DualChannelDenseNet:
    torch.manual_seed(0)
    return DualChannelDenseNet(network_spec(CONFIG, BODIES))


def all_crops(crops: CropSet) -> Batch:
    return next(batches(crops, BatchPlan(side=64, size=len(crops.labels), spec=BODIES)))


def test_crops_know_the_t_score_of_their_level(crops: CropSet) -> None:
    assert crops.level_t_scores.shape == (len(crops.labels), 4) and np.isfinite(crops.level_t_scores).all()
    assert np.abs(crops.level_t_scores.mean(1) - crops.t_scores).max() < 0.6
    images = np.zeros_like(crops.images) + (40 * np.arange(4, dtype=np.uint8))[:, None, None]
    levels = np.tile(np.arange(4, dtype=np.float32), (len(crops.labels), 1))
    named = replace(crops, images=images, level_t_scores=levels)
    plan = BatchPlan(side=64, size=len(crops.labels), spec=BODIES, training=replace_crops_per_step(2))
    batch = next(batches(named, plan, np.random.default_rng(3)))
    middle = (batch.images[:, 0, :, 16:48, 16:48].mean((2, 3)) * BODIES.std + BODIES.mean) * 255
    order = middle.argsort(1)
    assert batch.level_t_scores.shape == (len(crops.labels), 2)
    assert (batch.level_t_scores.gather(1, order).diff(dim=1) > 0).all()


def replace_crops_per_step(count: int) -> ClassifierTraining:
    return CONFIG.model_copy(update={"crops_per_step": count})


def test_only_levels_that_are_known_and_shown_count(crops: CropSet, network: DualChannelDenseNet) -> None:
    heads, batch = LevelHeads(network, crops, CONFIG), all_crops(crops)
    features = torch.zeros(len(crops.labels), 2, 4, network.channels)
    start = float(np.nanmean(crops.level_t_scores))
    error = np.abs(crops.level_t_scores - start)
    huber = np.where(error < 1, 0.5 * error**2, error - 0.5)
    heads.eval().requires_grad_(requires_grad=False)
    assert float(heads.loss(features, batch, plain_mean)) == pytest.approx(0.5 * huber.mean(), rel=1e-4)
    unknown = batch.level_t_scores.clone()
    unknown[:, 1:] = float("nan")
    hidden = replace(batch, level_t_scores=unknown, present=torch.tensor([[1.0, 0.0]]).expand(len(crops.labels), 2))
    assert float(heads.loss(features, hidden, plain_mean)) == pytest.approx(0.5 * huber[:, 0].mean(), rel=1e-4)
    nothing = replace(batch, level_t_scores=torch.full_like(unknown, float("nan")))
    assert float(heads.loss(features, nothing, plain_mean)) == 0


@pytest.mark.parametrize("lacking", ["weight", "scores", "single bodies"])
def test_without_them_there_are_no_layers(crops: CropSet, network: DualChannelDenseNet, lacking: str) -> None:
    config, training = CONFIG, crops
    if lacking == "weight":
        config = CONFIG.model_copy(update={"level_t_score_weight": 0.0})
    elif lacking == "scores":
        training = replace(crops, level_t_scores=np.full_like(crops.level_t_scores, np.nan))
    else:
        network = DualChannelDenseNet(network_spec(CONFIG, PreprocessSpec(size_px=64)))
    heads = LevelHeads(network, training, config)
    assert not heads and not list(heads.parameters())
    assert LevelHeads(DualChannelDenseNet(network_spec(CONFIG, BODIES)), crops, CONFIG)


def test_features_of_a_view_are_those_of_its_crops(crops: CropSet, network: DualChannelDenseNet) -> None:
    batch = all_crops(crops)
    network.eval()
    with torch.inference_mode():
        of_crops = network.of_crops(batch.images[:, 0], batch.images[:, 1])
        assert of_crops.shape == (len(crops.labels), 2, 4, network.channels)
        assert network.over_crops(of_crops).equal(network.pooled(batch.images[:, 0], batch.images[:, 1]))


@pytest.mark.slow
@pytest.mark.train
def test_a_training_learns_them_and_goes_on(crops: CropSet, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"resolution_schedule": [(64, 2)], "lr": 3e-3, "t_score_weight": 0.0})
    trainer = ClassifierTrainer(crops, crops, tmp_path, config, RunOptions(device="cpu"), Watch())
    before = [value.clone() for value in trainer._levels.parameters()]
    trainer.run_epoch()
    after = [value.detach().clone() for value in trainer._levels.parameters()]
    assert len(before) == 8 and not any(one.equal(two) for one, two in zip(before, after, strict=True))
    again = ClassifierTrainer(crops, crops, tmp_path, config, RunOptions(device="cpu", resume=True), Watch())
    assert all(one.equal(two) for one, two in zip(after, again._levels.parameters(), strict=True))
    again.run_epoch()
    assert again.is_over() and not any("level" in name for name in again.best_network().state_dict())
