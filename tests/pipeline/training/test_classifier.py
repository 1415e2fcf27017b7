"""A training without epochs follows the weights that it starts from: their crops and their side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from osteolens.config import load_config
from osteolens.errors import ConfigError, WeightsError
from osteolens.shipped import shipped_weights
from pipeline.bundle.load import load_bundle
from pipeline.training.classifier import settled, train_classifier
from pipeline.training.run import Start, TrainingOptions

NEWEST = PreprocessSpec().version
Weights = Callable[..., Path]


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """The shipped weights, as if they were trained on crops of another side and margin."""

    def make(size_px: int = 96, working_px: int = 96) -> Path:
        folder = tmp_path / f"weights-{size_px}-{working_px}"
        shutil.copytree(shipped_weights(), folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", "*.md"))
        manifest = json.loads((folder / "manifest.json").read_text())
        part = manifest["models"]["classifier"]
        part["working_px"] = working_px
        part["preprocess"] |= {"size_px": size_px, "margin_across": 0.3}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make


def few_films(*overrides: str) -> ClassifierTraining:
    return load_config(ClassifierTraining, "few-films", overrides)


def test_the_head_is_refitted_on_the_crops_and_at_the_side_of_the_weights(weights: Weights) -> None:
    found = settled(few_films(), weights())
    assert found.resolution_schedule == [(96, 0)] and found.l2_sp
    assert (found.preprocess.size_px, found.preprocess.margin_across, found.preprocess.crops) == (96, 0.3, 4)
    assert found.preprocess.version == NEWEST, "crops are cut as this version does"
    shrunk = settled(few_films(), weights(size_px=128, working_px=64))
    assert shrunk.resolution_schedule == [(64, 0)] and shrunk.preprocess.size_px == 128


def test_what_is_given_is_kept(weights: Weights) -> None:
    start = weights()
    given = few_films("resolution_schedule=[[48, 0]]")
    assert settled(given, start) is given and settled(ClassifierTraining(), start) == ClassifierTraining()
    wide = settled(few_films("preprocess.size_px=192"), start)
    assert (wide.preprocess.size_px, wide.preprocess.margin_across) == (192, 0.2)
    assert wide.resolution_schedule == [(96, 0)]
    with pytest.raises(ConfigError, match=r"size_px 128: the weights to start from work at 96 px, .* no divisor of it"):
        settled(few_films("preprocess.size_px=128"), start)


def test_the_tensors_of_a_run_are_followed_by_its_metrics(tmp_path: Path) -> None:
    best = tmp_path / "best.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, best)
    alone = settled(few_films(), best)
    assert alone.resolution_schedule == [(96, 0)] and alone.preprocess == ClassifierTraining().preprocess
    spec = PreprocessSpec(roi="vertebra", size_px=96)
    (tmp_path / "metrics.json").write_text(json.dumps({"working_px": 48, "preprocess": spec.model_dump(), "x": np.nan}))
    followed = settled(few_films(), best)
    assert followed.resolution_schedule == [(48, 0)] and followed.preprocess == spec
    (tmp_path / "metrics.json").write_text(json.dumps({"working_px": 48, "preprocess": {"size_px": "wide"}}))
    with pytest.raises(WeightsError, match=r"metrics\.json: preprocess\.size_px"):
        settled(few_films(), best)


@pytest.mark.train
def test_a_training_without_epochs_and_start_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ConfigError, match=r"resolution_schedule \[\] holds no epoch, and no network is given"):
        train_classifier(tmp_path, tmp_path / "out", few_films(), TrainingOptions(start_from=Start.NONE, device="cpu"))


@pytest.mark.train
def test_the_few_films_are_cropped_for_their_weights(
    weights: Weights, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    fitted: list[tuple[CropSet, ClassifierTraining]] = []

    def fit(
        training: CropSet, validation: CropSet, out: Path, config: ClassifierTraining, *_: object
    ) -> dict[str, float]:
        fitted.append((training, config))
        return {}

    monkeypatch.setattr("classify.training.train.fit_classifier", fit)
    start = weights()
    assert load_bundle(start).working_px == 96
    names = "sites.training=[test1, test2]"
    options = TrainingOptions(weights=start, device="cpu")
    train_classifier(examples, tmp_path / "out", few_films(names), options)
    ((training, config),) = fitted
    assert training.images.shape[2:] == (2, 4, 96, 96) and config.resolution_schedule == [(96, 0)]
