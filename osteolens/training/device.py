"""Torch devices: their check by name before any work is done, seeds, and what a run was computed on."""

from __future__ import annotations

import platform
import random
import re
from typing import TYPE_CHECKING

import numpy as np

from osteolens.errors import ConfigError

if TYPE_CHECKING:
    import torch


_SEVERAL = re.compile(r"(?:cuda:)?\d+(?:,\d+)+")
"""Several GPUs by their numbers."""


def check_device(name: str, auto: bool = True, several: bool = False) -> None:
    """Check that a device is known and that this machine has it.

    Args:
        name: cpu, cuda, cuda:1 and the like.
        auto: whether `auto` is one too.
        several: whether several GPUs may be named, as in `0,1`.

    Raises:
        ConfigError: it is unknown, or there is no GPU.
    """
    if _SEVERAL.fullmatch(name):
        if not several:
            raise ConfigError(f"device {name!r}: one device is expected here; only segmenter and classifier share GPUs")
        if len(set(devices_of(name))) < len(devices_of(name)):
            raise ConfigError(f"device {name!r} names a GPU twice; expected each once, as in 0,1")
        for one in devices_of(name):
            check_device(one)
        return
    if name == "cpu" or (auto and name == "auto"):
        return
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise ConfigError(f"device {name!r} is unknown; expected cpu or cuda{', auto' if auto else ''}")
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: torch finds no GPU here; choose cpu, or install the GPU's driver")
    count, number = torch.cuda.device_count(), int(name.partition(":")[2] or 0)
    if number >= count:
        known = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise ConfigError(f"device {name!r}: this machine has {known}")


def devices_of(name: str, processes: int = 1) -> tuple[str, ...]:
    """The device of each process that shares a training.

    Args:
        name: checked; `0,1` is a process each on cuda:0 and cuda:1.
        processes: setting; with several, `cuda` is the first so many GPUs, and `cpu` as often.

    Raises:
        ConfigError: both are given and differ, or one GPU is named for several processes, or there are fewer GPUs.
    """
    if _SEVERAL.fullmatch(name):
        devices = tuple(f"cuda:{number}" for number in name.removeprefix("cuda:").split(","))
        if processes not in (1, len(devices)):
            raise ConfigError(
                f"device {name!r} are {len(devices)} GPUs, and processes is {processes}; give one of both"
            )
        return devices
    if processes == 1:
        return (name,)
    device = torch_device(name)
    if device.type == "cpu":
        return ("cpu",) * processes
    if device.index is not None:
        raise ConfigError(f"device {name!r} is one GPU, and processes is {processes}; give cuda, or numbers as in 0,1")
    import torch

    if processes > torch.cuda.device_count():
        raise ConfigError(f"processes {processes}: this machine has {torch.cuda.device_count()} GPUs; give fewer")
    return tuple(f"cuda:{number}" for number in range(processes))


def torch_device(name: str) -> torch.device:
    """The device of a checked name; `auto` is the first GPU where there is one."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def seed_everything(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed Python, numpy and torch for one epoch, so that a run that goes on draws what it would have drawn.

    Args:
        seed: of the run.
        epoch: its number; 0 before the first.
        rank: of this process among those that share the training, which draw apart.
    """
    import torch

    number = int(np.random.SeedSequence([seed, epoch, *([rank] if rank else [])]).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002, libraries draw from it
    torch.manual_seed(number)


def computed_on(device: torch.device) -> dict[str, str | int]:
    """What a run's numbers depend on beside its inputs: device, threads and versions."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
