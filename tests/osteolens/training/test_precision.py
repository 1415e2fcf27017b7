"""bfloat16 is chosen where a measured step is faster for it."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("torch")

import torch

from osteolens.training import precision
from osteolens.training.precision import Precision, PrecisionChoice, chosen_precision

pytestmark = pytest.mark.train


@pytest.mark.parametrize(("bfloat16_s", "expected"), [(0.002, "bfloat16"), (0.03, "float32")])
def test_the_faster_step_decides(monkeypatch: pytest.MonkeyPatch, bfloat16_s: float, expected: str) -> None:
    clock = [0.0]

    def step(bfloat16: bool) -> None:
        clock[0] += bfloat16_s if bfloat16 else 0.01

    monkeypatch.setattr(precision, "bfloat16_is_fast", lambda device: True)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    found = chosen_precision(PrecisionChoice.AUTO, torch.device("cpu"), step)
    assert found.name == expected and found.float32_s == pytest.approx(0.01)
    assert f"trains in {expected}: a measured step takes 0.01" in str(found)


def test_a_setting_or_a_cpu_without_bfloat16_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(bfloat16: bool) -> None:
        raise AssertionError("measured")

    cpu = torch.device("cpu")
    assert chosen_precision(PrecisionChoice.BFLOAT16, cpu, step) == Precision("bfloat16")
    assert chosen_precision(PrecisionChoice.FLOAT32, cpu, step).is_bfloat16 is False
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    assert chosen_precision(PrecisionChoice.AUTO, cpu, step) == Precision("float32")
