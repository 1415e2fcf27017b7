"""Devices are checked by name before any work is done."""

from __future__ import annotations

import random

import numpy as np
import pytest

from osteolens.errors import ConfigError
from osteolens.training.device import check_device, computed_on, devices_of, seed_everything, torch_device


def test_a_cpu_is_always_there() -> None:
    check_device("cpu")
    check_device("auto")


def test_an_unknown_device_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"device 'tpu' is unknown; expected cpu or cuda, auto$"):
        check_device("tpu")
    with pytest.raises(ConfigError, match=r"device 'auto' is unknown; expected cpu or cuda$"):
        check_device("auto", auto=False)
    with pytest.raises(ConfigError, match="device '0,1': one device is expected here; only segmenter and classifier"):
        check_device("0,1")
    with pytest.raises(ConfigError, match="device '0,0' names a GPU twice"):
        check_device("0,0", several=True)
    with pytest.raises(ConfigError, match="device '0,' is unknown"):
        check_device("0,", several=True)


@pytest.mark.train
def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:1"):
        with pytest.raises(ConfigError, match=f"device '{name}': torch finds no GPU here; choose cpu"):
            check_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(ConfigError, match=r"device 'cuda:2': this machine has cuda:0 to cuda:1$"):
        check_device("cuda:2")
    check_device("0,1", several=True)
    with pytest.raises(ConfigError, match=r"device 'cuda:2': this machine has cuda:0 to cuda:1$"):
        check_device("1,2", several=True)
    with pytest.raises(ConfigError, match="processes 3: this machine has 2 GPUs; give fewer"):
        devices_of("cuda", 3)
    assert devices_of("cuda", 2) == ("cuda:0", "cuda:1")


@pytest.mark.train
def test_each_process_has_a_device() -> None:
    pytest.importorskip("torch")
    assert devices_of("0,1") == devices_of("cuda:0,1") == devices_of("0,1", 2) == ("cuda:0", "cuda:1")
    assert devices_of("cpu") == ("cpu",) and devices_of("cpu", 3) == ("cpu",) * 3 and devices_of("auto") == ("auto",)
    with pytest.raises(ConfigError, match="device '0,1' are 2 GPUs, and processes is 3; give one of both"):
        devices_of("0,1", 3)
    with pytest.raises(ConfigError, match="device 'cuda:1' is one GPU, and processes is 2; give cuda, or numbers"):
        devices_of("cuda:1", 2)


@pytest.mark.train
def test_a_seed_and_an_epoch_tell_what_is_drawn() -> None:
    torch = pytest.importorskip("torch")

    def drawn(seed: int, epoch: int) -> tuple[float, float, float]:
        seed_everything(seed, epoch)
        return random.random(), float(np.random.rand()), float(torch.rand(1))  # noqa: NPY002

    assert drawn(1, 2) == drawn(1, 2) and len({drawn(1, 2), drawn(1, 3), drawn(2, 2), drawn(2, 1)}) == 4
    assert torch_device("cpu").type == "cpu" and computed_on(torch.device("cpu"))["threads"] == torch.get_num_threads()
