"""What follows the length of a training: its learning rate, and weights averaged over its last steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn
    from torch.optim.swa_utils import AveragedModel

AVERAGED_FRACTION = 0.1
"""Fraction of all steps of a training over which weights are averaged."""


def one_cycle(fraction: float, floor: float = 0.0) -> float:
    """Learning rate at a fraction of a training, as a fraction of its peak: a tenth rises, the rest falls as a cosine.

    Args:
        fraction: of the steps that are done, 0 to 1.
        floor: what is added while it falls, so that the last steps still learn.

    Source: Smith and Topin 2019 (super-convergence), with the cosine of Loshchilov and Hutter 2017.
    """
    if fraction < 0.1:
        return 0.04 + 0.96 * fraction / 0.1
    return 0.5 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9)) + floor


def average_decay(step: int, steps: int) -> float:
    """Decay of the average at a step: (1 + step) / (10 + step) until it reaches what suits the length of the run.

    Source: the warm-up of TensorFlow's ExponentialMovingAverage(num_updates).

    Args:
        step: number of steps averaged before, from 0.
        steps: of the whole training.
    """
    limit = 1 - 1 / max(2.0, AVERAGED_FRACTION * steps)
    return min(limit, (1 + step) / (10 + step))


def averaged(network: nn.Module, steps: int) -> AveragedModel:
    """A copy of a network that follows its average over about the last tenth of all steps.

    Args:
        network: to average, buffers included.
        steps: of the whole training.
    """
    from torch.optim.swa_utils import AveragedModel

    @torch.no_grad()
    def follow(ours: Sequence[Tensor], theirs: Sequence[Tensor], step: Tensor | int) -> None:
        decay = average_decay(int(step), steps)
        for mine, one in zip(ours, theirs, strict=True):
            if mine.is_floating_point():
                mine.lerp_(one.to(mine.dtype), 1 - decay)
            else:
                mine.copy_(one)

    copy = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    copy.n_averaged += 1  # the first step moves the start instead of replacing it
    return copy


def blended(ended: Mapping[str, Tensor], start: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Tensors on the line between where a training ended and where it began; whole numbers are those of its end.

    Args:
        ended: state of a finished network.
        start: state that its training began with, of the same names and shapes.
        share: of the start, 0 to 1.

    Source: Wortsman et al. 2022 (WiSE-FT, robust fine-tuning).
    """
    return {
        name: torch.lerp(value, start[name].to(value), share) if value.is_floating_point() else value.clone()
        for name, value in ended.items()
    }
