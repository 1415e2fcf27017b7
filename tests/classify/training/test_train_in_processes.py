"""A classifier that two processes train on the CPU."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("segmentation_models_pytorch")

import torch

from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from classify.training.train import fit_classifier
from classify.training.trainer import ClassifierTrainer
from osteolens.errors import ConfigError, OsteoLensError
from osteolens.training.parallel.launch import fit_in_processes
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch
from tests.classify.training.squares import SQUARES, squares

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]

SHARED = {**SQUARES, "resolution_schedule": [(64, 2)], "batch": 4, "head_epochs": 1, "processes": 2}
CPU = RunOptions(device="cpu")


def trained(
    training: CropSet, out: Path, config: ClassifierTraining, options: RunOptions, watch: Watch
) -> dict[str, float]:
    """Trains in one of two processes and saves what it holds then."""
    trainer = ClassifierTrainer(training, training, out, config, options, watch)
    while not trainer.is_over():
        trainer.run_epoch()
    torch.save(trainer.network.state_dict(), out / f"{trainer.group.rank}.pt")
    return {}


def killed_in_epoch_2(
    training: CropSet, out: Path, config: ClassifierTraining, options: RunOptions, watch: Watch
) -> dict[str, float]:
    """As `trained`, but the second process leaves before epoch 2."""
    import os
    import signal

    trainer = ClassifierTrainer(training, training, out, config, options, watch)
    while not trainer.is_over():
        if trainer.done == 1 and trainer.group.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        trainer.run_epoch()
    return {}


LATE = {"trained": "late stages and head", "views": ["AP", "LATERAL"]}


@pytest.mark.parametrize("more", [{}, LATE], ids=["all", "late stages of both views"])
def test_both_processes_hold_the_same_network(tmp_path: Path, more: Mapping[str, object]) -> None:
    config = ClassifierTraining.model_validate({**SHARED, **more})
    training = replace(squares(10, tmp_path / "t"), present=np.ones((10, 2), np.float32))
    fit_in_processes(partial(trained, training, tmp_path, config), ("cpu",) * 2, CPU, Watch())
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(value.equal(second[name]) for name, value in first.items())


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    training, validation = squares(12, tmp_path / "t"), squares(6, tmp_path / "v")
    lines: dict[int, list[str]] = {}
    found = {}
    for count in (1, 2):
        lines[count], rows = [], list[Mapping[str, float]]()
        config = ClassifierTraining.model_validate({**SHARED, "processes": count})
        watch = Watch(notify=lines[count].append, on_epoch=rows.append)
        found[count] = fit_classifier(training, validation, tmp_path / str(count), config, CPU, watch)
        assert [row["epoch"] for row in rows] == [1, 2]
    assert len(lines[1]) == len(lines[2]), "one process alone tells"
    assert found[2].keys() - {"head_weight_decay"} == found[1].keys() - {"head_weight_decay"}
    losses = {}
    for count in (1, 2):
        document = json.loads((tmp_path / str(count) / "metrics.json").read_text("utf-8"))
        losses[count] = [row["loss"] for row in document["history"]]
        assert document["config"]["processes"] == count
    assert losses[2][0] == pytest.approx(losses[1][0], rel=0.2), "but for augmentation and half a batch in batch norm"
    names = [{path.name for path in (tmp_path / str(count)).iterdir()} for count in (1, 2)]
    assert names[0] == names[1] and not [name for name in names[1] if "partial" in name]


@pytest.mark.parametrize("more", [{}, LATE], ids=["all", "late stages of both views"])
def test_a_killed_process_leaves_the_state_of_the_last_epoch(tmp_path: Path, more: Mapping[str, object]) -> None:
    training = replace(squares(8, tmp_path / "t"), present=np.ones((8, 2), np.float32))
    config = ClassifierTraining.model_validate({**SHARED, **more})
    with pytest.raises(OsteoLensError, match=re.escape("process 2 of 2 was killed by SIGKILL; the training has ended")):
        fit = partial(killed_in_epoch_2, training, tmp_path / "run", config)
        (tmp_path / "run").mkdir()
        fit_in_processes(fit, ("cpu",) * 2, CPU, Watch())
    lines: list[str] = []
    resumed = RunOptions(device="cpu", resume=True)
    fit_classifier(training, training, tmp_path / "run", config, resumed, Watch(notify=lines.append))
    assert any(line.startswith("goes on after epoch 1 of 2") for line in lines)
    whole, second = tmp_path / "whole", tmp_path / "run"
    fit_classifier(training, training, whole, config, CPU)
    assert (whole / "best.safetensors").read_bytes() == (second / "best.safetensors").read_bytes()


def test_too_few_patients_for_each_process_are_told(tmp_path: Path) -> None:
    config = ClassifierTraining.model_validate(SHARED)
    with pytest.raises(ConfigError, match="3 studies to train on with crops; expected 4 or more"):
        fit_classifier(squares(3, tmp_path), squares(3, tmp_path), tmp_path / "a", config, CPU)
    small = config.model_copy(update={"batch": 3})
    with pytest.raises(ConfigError, match="batch 3: batch norm needs 2 patients a process, and there are 2"):
        fit_classifier(squares(4, tmp_path), squares(3, tmp_path), tmp_path / "a", small, CPU)
    assert not (tmp_path / "a").exists()
