"""Processes share a training, talk to nobody else, and end together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("segmentation_models_pytorch")

import torch

from osteolens.errors import ConfigError, OsteoLensError
from osteolens.training.parallel.group import ALONE
from osteolens.training.parallel.launch import Fit, fit_in_processes
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch
from tests.osteolens.training.parallel import fits

Metrics = dict[str, float]

pytestmark = [pytest.mark.slow, pytest.mark.train]


def in_two(fit: Fit, watch: Watch | None = None) -> dict[str, float]:
    return fit_in_processes(fit, ("cpu", "cpu"), RunOptions(device="cpu"), watch or Watch())


def test_the_gradients_of_two_halves_are_those_of_the_whole(tmp_path: Path) -> None:
    lines: list[str] = []
    assert in_two(partial(fits.gradients, tmp_path), Watch(notify=lines.append)) == {"rank": 0}
    assert lines == ["process 0"], "the first process alone tells"
    whole, halves = fits.step(ALONE), [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, gradient in whole.items():
        assert halves[0][name].equal(halves[1][name])
        if not name.startswith("of_one"):
            torch.testing.assert_close(halves[0][name], gradient, rtol=1e-4, atol=1e-6)
    assert "of_one.weight" in halves[1], "a parameter that one process used has a gradient in all"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_processes_listen_to_this_machine_alone(tmp_path: Path) -> None:
    found = in_two(partial(fits.listening, tmp_path))
    assert found["mine"] >= 1 and found["beyond"] == 0


@pytest.mark.parametrize(
    ("fit", "kind", "message"),
    [
        (
            fits.dies,
            OsteoLensError,
            r"^process 2 of 2 was killed by SIGKILL; the training has ended; go on .* --resume$",
        ),
        (fits.errs, OsteoLensError, "^process 2 of 2 ended with exit code 1; the training has ended; go on"),
        (fits.refuses, ConfigError, "^the loss is no number any more$"),
        (
            fits.breaks,
            OsteoLensError,
            "^process 1 of 2 failed: RuntimeError: shapes differ; the training has ended; go on",
        ),
    ],
)
def test_a_process_that_ends_ends_the_training(
    fit: Callable[..., Metrics], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        in_two(partial(fit, tmp_path))


def test_a_mapped_file_is_opened_anew(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.arange(24).reshape(4, 6))
    images = np.load(tmp_path / "images.npy", mmap_mode="r+")
    assert in_two(partial(fits.mapped, images, tmp_path)) == {"mapped": 1, "sum": 276}
    assert in_two(partial(fits.mapped, images[1:3], tmp_path)) == {"mapped": 0, "sum": 138}
