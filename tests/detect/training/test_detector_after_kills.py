"""A training that is killed at any moment goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ultralytics")

import torch

from osteolens.training.run_state import read_state
from tests import ROOT

pytestmark = pytest.mark.train

MOMENTS = "7+5"
"""Files before which a training is killed: the state of the second epoch, then, gone on, the ONNX graph."""


def test_a_killed_training_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.detect.training.kills", str(tmp_path), MOMENTS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"segmenter", "detector"}
    for stage, runs in found.items():
        check(tmp_path / stage, runs, f"{stage}.safetensors")


def check(place: Path, runs: dict[str, Any], weights: str) -> None:
    """Every run that was killed ended as the undisturbed one."""
    expected = [*numbers(runs.pop("undisturbed")["metrics"]), *numbers(metrics_of(place / "undisturbed"))]
    tensors = [*tensors_of(read_state(place / "undisturbed" / "state.safetensors"))]
    assert len(expected) > 12 and len(tensors) > 1000 and set(runs) == {MOMENTS}
    for moment, run in runs.items():
        assert run["killed"] == [True, True], moment
        folder = place / moment
        assert [*numbers(run["metrics"]), *numbers(metrics_of(folder))] == pytest.approx(expected, abs=1e-6), moment
        for one, other in zip(tensors_of(read_state(folder / "state.safetensors")), tensors, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
        assert not list(folder.glob(".state*")), "no half of a state is left"
        assert (folder / weights).read_bytes() == (place / "undisturbed" / weights).read_bytes()


def metrics_of(folder: Path) -> object:
    """Epochs and settings of a run."""
    document = json.loads((folder / "metrics.json").read_text("utf-8"))
    return [document["history"], document["validation"]]


def numbers(value: object) -> Iterator[float]:
    """Numbers of a document in its order, times left out."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from () if name == "minutes" else numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, (int, float)):
        yield float(value)


def tensors_of(value: object) -> Iterator[torch.Tensor]:
    """Tensors of a state in its order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_of(one)
