"""Check of a torch device by its name, before any work is done."""

from __future__ import annotations

import re

from osteolens.errors import ConfigError


def check_device(name: str, auto: bool = True, numbers: bool = False) -> None:
    """Check that a device is known and that this machine has it.

    Args:
        name: cpu, cuda, cuda:1 and the like.
        auto: whether `auto` is one too.
        numbers: whether GPU numbers are, such as 0,1.

    Raises:
        ConfigError: it is unknown, or there is no GPU.
    """
    if name == "cpu" or (auto and name == "auto"):
        return
    if not re.fullmatch(r"cuda(:\d+)?", name) and not (numbers and re.fullmatch(r"\d+(,\d+)*", name)):
        more = (", auto" if auto else "") + (", GPU numbers such as 0,1" if numbers else "")
        raise ConfigError(f"device {name!r} is unknown; expected cpu or cuda{more}")
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: torch finds no GPU here; choose cpu, or install the GPU's driver")
