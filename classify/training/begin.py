"""What a training begins with: its processes, its network with the tensors of a start, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric

from classify.network.checkpoint import load_network
from classify.network.densenet import DualChannelDenseNet
from classify.training.config import ClassifierTraining, network_spec
from osteolens.errors import ConfigError
from osteolens.training.device import torch_device

BYTES_A_PIXEL = 3900
"""Memory that a pixel of a crop takes in a step of DenseNet-121, activations and their gradients; measured."""


def fabric_of(config: ClassifierTraining, device: str) -> Fabric:
    """Device and processes of a training, started; each process runs what follows.

    Args:
        config: `devices`, GPUs or processes that share the batches.
        device: "auto", "cpu", "cuda" or "cuda:1".
    """
    kind, _, number = torch_device(device).type, *device.partition(":")[1:]
    devices: int | list[int] = [int(number)] if number and config.devices == 1 else config.devices
    fabric = Fabric(accelerator=kind, devices=devices, strategy="ddp" if config.devices > 1 else "auto")
    fabric.launch()
    return fabric


def new_network(
    config: ClassifierTraining, start: Path | None, notify: Callable[[str], None] = lambda _: None
) -> DualChannelDenseNet:
    """A network of a training with the tensors of a start that fit.

    Args:
        config: settings.
        start: safetensors of another run, or a folder of weights; None for random tensors.
        notify: told where some tensors of the network are not in the start.

    Raises:
        WeightsError: no tensor of the start fits.
    """
    network = DualChannelDenseNet(network_spec(config, config.preprocess))
    if start is not None:
        fitting, total = load_network(network, start, only_fitting=True), len(network.state_dict())
        if fitting < total:
            notify(f"{fitting} of {total} tensors begin with those of {start.name}, the others at random")
    return network.to(memory_format=torch.channels_last)


def check_settings(config: ClassifierTraining, start: Path | None, device: str) -> None:
    """Check settings and start before a cohort is read.

    Args:
        config: settings.
        start: weights to begin with; None for random tensors.
        device: checked name.

    Raises:
        ConfigError: no epoch and nothing to start from, or more GPUs than there are.
        WeightsError: no tensor of the start fits.
    """
    if start is None and not any(epochs for _, epochs in config.resolution_schedule):
        schedule = config.resolution_schedule
        raise ConfigError(f"resolution_schedule {schedule} holds no epoch, and no network is given to start from")
    if torch_device(device).type == "cuda" and config.devices > torch.cuda.device_count():
        raise ConfigError(f"devices {config.devices}: this machine has {torch.cuda.device_count()} GPUs; give fewer")
    new_network(config, start)


def crop_bytes(studies: int, variants: int, config: ClassifierTraining) -> int:
    """Disk that crops of some studies take, and the features of a head."""
    spec = config.preprocess
    return studies * variants * 2 * (spec.crops * spec.size_px**2 + 4 * 8000)


def step_bytes(config: ClassifierTraining) -> int:
    """About how much memory the largest step takes."""
    spec = config.preprocess
    crops = min(config.crops_per_step or spec.crops, spec.crops) * len(config.views)
    sides = [side for side, epochs in config.resolution_schedule if epochs]
    pixels = config.batch * crops * int(np.square(sides).max()) if sides else 0
    return round(1.2e9 + pixels * BYTES_A_PIXEL)
