"""The processes that share a training: which one this is, and what they agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Value = TypeVar("Value")

Mean = Callable[["Tensor", "Tensor"], "Tensor"]
"""A mean from totals and counts."""


@dataclass(frozen=True, slots=True)
class Group:
    """Processes that take the same steps, each on its part of every batch.

    Attributes:
        rank: number of this process, from 0; the first one evaluates, writes and notifies.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process evaluates, writes and notifies."""
        return self.rank == 0

    def part_of(self, order: npt.NDArray[np.int64], batch: int, least: int = 1) -> tuple[npt.NDArray[np.int64], int]:
        """The part of this process of all batches, and how many items of a batch it takes.

        Args:
            order: of all items.
            batch: items a step, of all processes together.
            least: items of a batch that each process needs; a last batch with fewer is left out.
        """
        over = len(order) % batch
        kept = order[: len(order) - over] if over < least * self.size else order
        parts = [kept[start : start + batch][self.rank :: self.size] for start in range(0, len(kept), batch)]
        return np.concatenate(parts) if parts else kept, len(range(self.rank, batch, self.size))

    def average_gradients(self, network: nn.Module) -> None:
        """Have all processes hold the mean of their gradients, and of the running statistics of batch norm.

        A parameter without a gradient counts as zero where another process has one.

        Args:
            network: after its backward pass.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        parameters = [one for one in network.parameters() if one.requires_grad]
        buffers = [one for one in network.buffers() if one.is_floating_point()]
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters] + buffers
        known = torch.tensor([float(one.grad is not None) for one in parameters], device=parts[0].device)
        flat = torch.cat([*(part.detach().float().flatten() for part in parts), known])
        distributed.all_reduce(flat)
        sizes = [*(part.numel() for part in parts), len(known)]
        *averages, counts = torch.split(flat / self.size, sizes)
        for part, average in zip(parts, averages, strict=True):
            part.copy_(average.view(part.shape))
        for one, part, count in zip(parameters, parts, counts.tolist(), strict=False):
            one.grad = part if count else None

    def mean(self, total: Tensor, count: Tensor) -> Tensor:
        """A mean over the batches of all processes, of which the mean of the processes' gradients is the gradient.

        Args:
            total: summed over this process's part, any shape.
            count: what it is divided by, of this part and of the same shape; without a gradient.
        """
        if self.size == 1:
            return plain_mean(total, count)
        from torch import distributed

        count = count.detach().float().clone()
        distributed.all_reduce(count)
        return plain_mean(total * self.size, count)

    def mean_of(self, value: float, device: torch.device) -> float:
        """The mean of a number that each process has."""
        if self.size == 1:
            return value
        import torch
        from torch import distributed

        shared = torch.tensor(value, dtype=torch.float32, device=device)
        distributed.all_reduce(shared)
        return float(shared) / self.size

    def after_the_first(self, work: Callable[[], Value]) -> Value:
        """What a function gives in each process; the first one calls it before the others do."""
        if self.size == 1:
            return work()
        from torch import distributed

        value = work() if self.is_first else None
        distributed.barrier()
        value = value if self.is_first else work()
        distributed.barrier()
        return cast("Value", value)

    def broadcast(self, value: Value) -> Value:
        """The first process's value."""
        if self.size == 1:
            return value
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]


ALONE = Group()


def plain_mean(total: Tensor, count: Tensor) -> Tensor:
    """A total by its count; zero where nothing was counted."""
    return total / count.clamp(min=1e-6)


def this_group() -> Group:
    """The processes that this one trains with; itself alone where it was not started by `fit_in_processes`."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return Group(distributed.get_rank(), distributed.get_world_size())
    return ALONE
