"""Fits that processes share, of modules that these can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

from classify.training.config import ClassifierTraining
from classify.training.loss import classifier_loss
from detect.training.segmenter_network import mask_loss, target_loss
from osteolens.errors import ConfigError
from osteolens.training.parallel.group import Group, this_group
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch

BATCH = 8


class Targets:
    """Of a part of a batch."""

    def __init__(self, part: torch.Tensor) -> None:
        self.labels, self.t_scores = part % 3, part / 4


def step(group: Group) -> dict[str, torch.Tensor]:
    """Gradients of one step of both losses on this process's part of a batch, of layers without batch norm."""
    torch.manual_seed(0)
    part = torch.from_numpy(group.part_of(np.arange(BATCH), BATCH)[0])
    images = torch.rand(BATCH, 1, 16, 16)[part]
    masks = (torch.rand(BATCH, 1, 16, 16) > 0.5).float()[part]
    masks[part < 3] = 0
    known = torch.rand(BATCH, 4)
    known[1:4] = torch.nan
    network = nn.ModuleDict(
        {"mask": nn.Conv2d(1, 1, 3, padding=1), "losses": nn.Linear(256, 4), "kinds": nn.Linear(256, 3)}
    )
    network["idle"] = nn.Linear(2, 2)
    network["of_one"] = nn.Linear(256, 2)
    flat = images.flatten(1)
    config = ClassifierTraining(label_smoothing=0.1)
    classes = classifier_loss(np.array([0, 0, 0, 1, 2]), config, "cpu", group.mean)
    loss = mask_loss(network["mask"](images), masks, group.mean)
    loss = loss + target_loss(network["losses"](flat), known[part], group.mean)
    scores = network["of_one"](flat) if bool((part == 0).any()) else torch.zeros(len(part), 2)
    loss = loss + classes((network["kinds"](flat), scores), Targets(part))
    loss.backward()  # type: ignore[no-untyped-call]
    group.average_gradients(network)
    assert network["idle"].weight.grad is None, "what no process used has no gradient"
    return {name: one.grad for name, one in network.named_parameters() if one.grad is not None}


def gradients(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """Saves the gradients of each process."""
    group = this_group()
    torch.save(step(group), out / f"{group.rank}.pt")
    watch.notify(f"process {group.rank}")
    return {"rank": float(group.rank)}


def listening(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """Counts sockets of this process that listen to others than this machine."""
    distributed.barrier()
    own = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text("ascii").splitlines()[1:]
    ]
    mine = [line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in own]
    return {"mine": len(mine), "beyond": sum(address != "0100007F" for address in mine)}


def dies(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """The second process is killed while the first one waits for it."""
    if this_group().rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()
    return {}


def refuses(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """The second process refuses while the first one waits for it."""
    if this_group().rank == 1:
        raise ConfigError("the loss is no number any more")
    distributed.barrier()
    return {}


def breaks(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """The first process meets what nobody foresaw."""
    if this_group().is_first:
        raise RuntimeError("shapes differ\nby much")
    distributed.barrier()
    return {}


def errs(out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """The second process has an error of the program."""
    if not this_group().is_first:
        raise TypeError("an error of the program")
    distributed.barrier()
    return {}


def mapped(images: np.ndarray, out: Path, options: RunOptions, watch: Watch) -> dict[str, float]:
    """What a process sees of an array."""
    return {"mapped": float(isinstance(images, np.memmap)), "sum": float(images.sum())}
