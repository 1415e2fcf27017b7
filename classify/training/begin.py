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

STRIDE_8 = 3
"""Place of that feature map among those of a branch, whose first is the crop itself."""

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


def frozen_parts(network: DualChannelDenseNet, config: ClassifierTraining) -> list[nn.Module]:
    """Layers of the branches that no epoch changes; they need no gradient from now on.

    Early stages are those before the feature map of stride 8, found by what its gradient reaches, in any backbone.

    Args:
        network: of the training.
        config: `trained`.
    """
    frozen: list[nn.Module] = []
    for branch in (branch for branch in (network.ap, network.lateral) if branch is not None):
        layers = [layer for layer in branch.modules() if list(layer.parameters(recurse=False))]
        if config.trained == "norms and head":
            frozen += [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        if config.trained == "late stages and head":
            parameters = list(branch.parameters())
            reached = _reached_by_stride_8(branch, parameters)
            frozen += [layer for layer in layers if all(id(p) in reached for p in layer.parameters(recurse=False))]
    for layer in frozen:
        layer.requires_grad_(requires_grad=False)
    return frozen


def _reached_by_stride_8(branch: nn.Module, parameters: list[nn.Parameter]) -> set[int]:
    """Identities of the parameters on which a branch's feature map of stride 8 depends."""
    branch.eval()
    device = parameters[0].device
    maps = branch(torch.zeros(1, 1, 64, 64, device=device))[STRIDE_8]
    gradients = torch.autograd.grad(maps.sum(), parameters, allow_unused=True)
    return {id(p) for p, gradient in zip(parameters, gradients, strict=True) if gradient is not None}


def training_mode(network: DualChannelDenseNet, frozen: list[nn.Module]) -> None:
    """Set a network to learn; frozen batch norm goes on with the mean and spread that it has."""
    network.train()
    for layer in frozen:
        layer.eval()


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
