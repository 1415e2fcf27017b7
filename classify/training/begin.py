"""What a training begins with: its network with the tensors of a start, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from classify.network.checkpoint import load_network
from classify.network.densenet import DualChannelDenseNet
from classify.training.config import ClassifierTraining, network_spec
from osteolens.errors import ConfigError
from osteolens.training.device import devices_of

LEAST = 2
"""Patients of a batch that a process needs, since batch norm compares them."""

BYTES_A_PIXEL = 3900
"""Memory that a pixel of a crop takes in a step of DenseNet-121, activations and their gradients; measured."""


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


def trained_parameters(network: DualChannelDenseNet, config: ClassifierTraining) -> list[nn.Parameter]:
    """Parameters that epochs train; the others need no gradient from now on.

    Args:
        network: of the training.
        config: `trained`.
    """
    for branch in (network.ap, network.lateral):
        for part in () if branch is None or config.trained == "all" else branch.modules():
            if isinstance(part, nn.Conv2d):
                part.requires_grad_(requires_grad=False)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def check_settings(config: ClassifierTraining, start: Path | None, device: str) -> None:
    """Check settings and start before a cohort is read.

    Args:
        config: settings.
        start: weights to begin with; None for random tensors.
        device: checked name.

    Raises:
        ConfigError: no epoch and nothing to start from, shares of a start without both or of another form, no side,
            more GPUs than there are, or too few patients a process.
        WeightsError: no tensor of the start fits.
    """
    if start is None and not any(epochs for _, epochs in config.resolution_schedule):
        schedule = config.resolution_schedule
        raise ConfigError(f"resolution_schedule {schedule} holds no epoch, and no network is given to start from")
    if config.start_shares and (start is None or not any(epochs for _, epochs in config.resolution_schedule)):
        lacking = "no network to start from" if start is None else f"no epoch in {config.resolution_schedule}"
        raise ConfigError(
            f"start_shares {config.start_shares}: there is {lacking}, so nothing can be mixed; leave it out"
        )
    if not config.resolution_schedule:
        side = config.preprocess.size_px
        raise ConfigError(f"resolution_schedule [] names no side; give that of the start, such as [[{side}, 0]]")
    processes = len(devices_of(device, config.processes))
    if config.batch < LEAST * processes:
        raise ConfigError(
            f"batch {config.batch}: batch norm needs {LEAST} patients a process, and there are {processes}"
        )
    told: list[str] = []
    new_network(config, start, told.append)
    if config.start_shares and told:
        raise ConfigError(f"start_shares {config.start_shares}: {told[0]}, so nothing can be mixed; leave it out")


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
    return round(1.2e9 * config.processes + pixels * BYTES_A_PIXEL)
