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


def check_device(name: str, auto: bool = True) -> None:
    """Check that a device is known and that this machine has it.

    Args:
        name: cpu, cuda, cuda:1 and the like.
        auto: whether `auto` is one too.

    Raises:
        ConfigError: it is unknown, or there is no GPU.
    """
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


def torch_device(name: str) -> torch.device:
    """The device of a checked name; `auto` is the first GPU where there is one."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def seed_everything(seed: int, epoch: int) -> None:
    """Seed Python, numpy and torch for one epoch, so that a run that goes on draws what it would have drawn.

    Args:
        seed: of the run.
        epoch: its number; 0 before the first.
    """
    import torch

    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
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
