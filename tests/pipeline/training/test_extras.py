"""Without the extra 'train' a training is refused before anything is read, cropped or rendered."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from osteolens.errors import MissingExtra
from pipeline.reproduction.six_models import reproduce
from pipeline.training.classifier import train_classifier
from pipeline.training.detector import train_detector
from pipeline.training.segmenter import train_segmenter

NEEDED = [
    (train_detector, "train detector", ("torch", "torchvision", "ultralytics", "safetensors", "onnx")),
    (train_segmenter, "train segmenter", ("torch", "segmentation_models_pytorch", "safetensors", "onnx")),
    (
        train_classifier,
        "train classifier",
        ("torch", "segmentation_models_pytorch", "safetensors", "onnx"),
    ),
    (reproduce, "reproduce", ("torch", "segmentation_models_pytorch", "safetensors", "onnx")),
]
CASES = [(train, command, package) for train, command, packages in NEEDED for package in packages]


@pytest.mark.parametrize(("train", "command", "package"), CASES, ids=[f"{c}: {p}" for _, c, p in CASES])
def test_a_missing_package_is_told_before_the_cohort_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Callable[..., object], command: str, package: str
) -> None:
    def without(name: str) -> object:
        return None if name == package else find_spec("json")

    monkeypatch.setattr("osteolens.extras.find_spec", without)
    with pytest.raises(MissingExtra, match=f"{command} needs the package {package.replace('_', '-')}"):
        train([tmp_path / "no such cohort"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
