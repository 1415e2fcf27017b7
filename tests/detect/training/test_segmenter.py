"""The segmenter's training: its start is epoch 0, another run is not gone on with, and few crops are enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("segmentation_models_pytorch")

from detect.segmenter import TARGETS
from detect.training.body_crops import STORED_PX, CropStore
from detect.training.config import SegmenterTraining
from detect.training.segmenter import fit_segmenter
from detect.training.segmenter_network import bodies_taken
from osteolens.config import load_config
from osteolens.errors import ConfigError, ReadError, WeightsError
from osteolens.training.precision import PrecisionChoice
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

PLAIN = SegmenterTraining(epochs=1, batch=2, precision=PrecisionChoice.FLOAT32)
CPU = RunOptions(device="cpu")


def crops(count: int, name: str = "crops", filled: bool = True) -> CropStore:
    """Grey discs on black."""
    y, x = np.mgrid[:STORED_PX, :STORED_PX] - STORED_PX / 2
    masks = np.stack([(np.hypot(y, x) < 40 + k).astype(np.uint8) * 255 * filled for k in range(count)])
    targets = np.full((count, 4), np.nan, np.float32)
    return CropStore(np.stack((masks // 2 + 40, masks), 1), targets, name)


def test_a_start_that_nothing_beats_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    first = fit_segmenter(crops(1), crops(2), tmp_path / "first", PLAIN, CPU)
    assert first["epoch"] == 1, "one crop is enough to train on"
    start = RunOptions(device="cpu", start_from=tmp_path / "first" / "segmenter.safetensors")
    wild, wrong = PLAIN.model_copy(update={"lr": 0.1}), crops(2)
    wrong.planes[:, 1] = 255 * (wrong.planes[:, 1] == 0)
    kept = fit_segmenter(wrong, crops(2), tmp_path / "second", wild, start, Watch(notify=lines.append))
    assert kept["epoch"] == 0 and kept["dice"] == pytest.approx(first["dice"], abs=1e-6)
    assert any("no epoch beat the start, so the start is kept: dice" in line for line in lines)
    assert (tmp_path / "second" / "segmenter.safetensors").read_bytes() == start.start_from.read_bytes()  # type: ignore[union-attr]
    document = json.loads((tmp_path / "second" / "metrics.json").read_text("utf-8"))
    assert [row["epoch"] for row in document["history"]] == [0, 1]
    assert document["run"]["precision"]["name"] == "float32" and document["run"]["threads"] >= 1
    pictures = ("training_crops.png", "validation_crops.png", "curves.png", "curves.svg", "history.csv")
    assert all((tmp_path / "second" / name).is_file() for name in pictures)
    for config, options, message in (
        (PLAIN, start, r"setting lr 0\.1, now None"),
        (wild, RunOptions(device="cpu", start_from=start.start_from, seed=1), "seed 0, now 1"),
        (wild, CPU, "another weights to start from"),
    ):
        again = RunOptions(device="cpu", seed=options.seed, start_from=options.start_from, resume=True)
        with pytest.raises(ConfigError, match=f"the run to go on with was made with {message}; give"):
            fit_segmenter(crops(2), crops(2), tmp_path / "second", config, again)
    with pytest.raises(ConfigError, match="another training; give"):
        same = RunOptions(device="cpu", start_from=start.start_from, resume=True)
        fit_segmenter(crops(2, "corrected"), crops(2), tmp_path / "second", wild, same)
    with pytest.raises(WeightsError, match="not the weights of a segmenter with the encoder resnet18"):
        other = PLAIN.model_copy(update={"encoder": "resnet18"})
        fit_segmenter(crops(2), crops(2), tmp_path / "third", other, start)


class Looks(nn.Module):
    """Calls a body what is brighter in its middle than at its corner by some margin, or everything."""

    def __init__(self, everything: bool = False, margin: float = 0.2) -> None:
        super().__init__()
        self.everything, self.margin = everything, margin

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        half = images.shape[-1] // 2
        excess = images[:, 0, half, half] - images[:, 0, 0, 0] - self.margin
        return images, torch.stack([torch.ones_like(excess) if self.everything else excess] * len(TARGETS), 1)


def test_bodies_are_taken_that_look_like_bodies_and_whose_negative_does_not() -> None:
    assert bodies_taken(Looks(), crops(3), 2) == 1.0
    assert bodies_taken(Looks(margin=2.0), crops(3), 2) == 0.0, "no bodies"
    assert bodies_taken(Looks(everything=True), crops(3), 2) == 0.0, "the negatives are as likely"
    assert bodies_taken(Looks(), crops(3, filled=False), 2) == 0.0


def test_a_segmenter_that_would_reject_good_studies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for taken, told in ((0.5, 1), (0.9, 0)):
        lines: list[str] = []
        monkeypatch.setattr("detect.training.segmenter.bodies_taken", lambda *_, taken=taken: taken)
        out = tmp_path / str(told)
        found = fit_segmenter(crops(2), crops(2), out, PLAIN, CPU, Watch(notify=lines.append))
        assert found["bodies_taken"] == taken
        assert json.loads((out / "metrics.json").read_text("utf-8"))["validation"]["bodies_taken"] == taken
        assert sum("50 % of the bodies of validation" in line and "not_lumbar" in line for line in lines) == told


def test_validation_without_a_body_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no crop of the validation studies shows a body"):
        fit_segmenter(crops(2), crops(2, filled=False), tmp_path, PLAIN, CPU)


def test_an_encoder_that_is_not_offered_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"setting 'encoder' is 'resnet9', expected .*timm-mobilenetv3_small_100"):
        load_config(SegmenterTraining, None, ["encoder=resnet9"])


def test_a_start_is_trained_at_a_lower_rate_unless_one_is_given() -> None:
    assert SegmenterTraining().rate(fine_tuned=False) == 2e-3 > SegmenterTraining().rate(fine_tuned=True)
    assert SegmenterTraining(lr=0.01).rate(fine_tuned=True) == 0.01
