"""Devices are checked by name before any work is done."""

from __future__ import annotations

import pytest

from osteolens.errors import ConfigError
from osteolens.training.device import check_device


def test_a_cpu_is_always_there() -> None:
    check_device("cpu")
    check_device("auto")


def test_an_unknown_device_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"device 'tpu' is unknown; expected cpu or cuda, auto$"):
        check_device("tpu")
    with pytest.raises(ConfigError, match=r"device 'auto' is unknown; expected cpu or cuda$"):
        check_device("auto", auto=False)
    with pytest.raises(ConfigError, match="device '0,1' is unknown"):
        check_device("0,1")


@pytest.mark.train
def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:1"):
        with pytest.raises(ConfigError, match=f"device '{name}': torch finds no GPU here; choose cpu"):
            check_device(name)
    with pytest.raises(ConfigError, match="device '0,1': torch finds no GPU"):
        check_device("0,1", numbers=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_device("cuda")
    check_device("0,1", numbers=True)
