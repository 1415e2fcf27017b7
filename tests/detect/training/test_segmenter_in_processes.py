"""A segmenter that two processes train on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("segmentation_models_pytorch")

from detect.training.body_crops import STORED_PX, CropStore
from detect.training.config import SegmenterTraining
from detect.training.segmenter import fit_segmenter
from osteolens.errors import ConfigError
from osteolens.training.precision import PrecisionChoice
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def discs(count: int) -> CropStore:
    """Grey discs on black."""
    y, x = np.mgrid[:STORED_PX, :STORED_PX] - STORED_PX / 2
    masks = np.stack([(np.hypot(y, x) < 40 + k).astype(np.uint8) * 255 for k in range(count)])
    return CropStore(np.stack((masks // 2 + 40, masks), 1), np.full((count, 4), np.nan, np.float32), "discs")


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    found, losses, lines = {}, {}, dict[int, list[str]]()
    for count in (1, 2):
        out, lines[count] = tmp_path / str(count), []
        config = SegmenterTraining(epochs=2, batch=4, precision=PrecisionChoice.FLOAT32, processes=count)
        watch = Watch(notify=lines[count].append)
        found[count] = fit_segmenter(discs(7), discs(3), out, config, RunOptions(device="cpu", seed=3), watch)
        document = json.loads((out / "metrics.json").read_text("utf-8"))
        losses[count] = [row["loss"] for row in document["history"]]
    assert losses[2] == pytest.approx(losses[1], rel=0.1) and found[2]["dice"] == pytest.approx(
        found[1]["dice"], abs=0.2
    )
    assert len(lines[1]) == len(lines[2])
    assert {path.name for path in (tmp_path / "1").iterdir()} == {path.name for path in (tmp_path / "2").iterdir()}
    again = RunOptions(device="cpu", seed=3, resume=True)
    with pytest.raises(ConfigError, match="made with setting processes 2, now 1; give"):
        fit_segmenter(discs(7), discs(3), tmp_path / "2", config.model_copy(update={"processes": 1}), again)


def test_more_processes_than_crops_are_told(tmp_path: Path) -> None:
    config = SegmenterTraining(processes=3)
    with pytest.raises(ConfigError, match="3 processes share a batch of 2 crops; give fewer processes"):
        fit_segmenter(discs(2), discs(2), tmp_path, config, RunOptions(device="cpu"))
