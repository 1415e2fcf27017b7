"""Wrong options of a training are told before a cohort is read."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from osteolens.errors import ConfigError, OutputError, WeightsError
from pipeline.reproduction.six_models import ReproductionOptions, reproduce
from pipeline.training.classifier import train_classifier
from pipeline.training.cohorts import training_cohorts
from pipeline.training.detector import train_detector
from pipeline.training.run import TrainingOptions
from pipeline.training.segmenter import train_segmenter
from tests import EXAMPLES

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra 'train'"),
]

STAGES = (train_detector, train_segmenter, train_classifier)


@pytest.mark.parametrize("train", STAGES)
def test_an_unknown_device_is_told_first(train: Callable[..., object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'tpu' is unknown"):
        train(tmp_path / "no such cohort", tmp_path / "out", options=TrainingOptions(device="tpu"))


@pytest.mark.parametrize("train", STAGES)
def test_a_start_that_is_no_safetensors_is_told_first(train: Callable[..., object], tmp_path: Path) -> None:
    given = TrainingOptions(start_from=EXAMPLES / "cohort.csv")
    with pytest.raises(WeightsError, match=r"cohort\.csv: cannot be read as safetensors .*; expected"):
        train(tmp_path / "no such cohort", tmp_path / "out", options=given)
    given = TrainingOptions(start_from=tmp_path / "nope")
    with pytest.raises(WeightsError, match="nope: no such file; expected"):
        train(tmp_path / "no such cohort", tmp_path / "out", options=given)


def test_options_of_the_six_models_are_checked_first(tmp_path: Path) -> None:
    for options, error, message in (
        (ReproductionOptions(device="tpu"), ConfigError, "device 'tpu' is unknown"),
        (ReproductionOptions(start_from=tmp_path / "nope"), WeightsError, "nope: no such file"),
        (ReproductionOptions(joint_network=EXAMPLES / "rois.csv"), WeightsError, r"rois\.csv: cannot be read"),
    ):
        with pytest.raises(error, match=message):
            reproduce([tmp_path / "no such cohort"], tmp_path / "out", options=options)


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/run: cannot be written"):
        training_cohorts(EXAMPLES, tmp_path / "file" / "run", 0.5, TrainingOptions())
