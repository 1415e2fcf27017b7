"""Times of calls that take turns, so that what else a machine does meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of a call on some items, several times each.

    Attributes:
        minimum_ms: mean over the items of the shortest time of each.
        median_ms: mean over the items of the median of each.
        rounds: times that each item was timed.
        items: that were timed.
    """

    minimum_ms: float
    median_ms: float
    rounds: int
    items: int


class Clock:
    """Collects times by name and item."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, item: int, milliseconds: float) -> None:
        """A time that was measured elsewhere."""
        self._taken[name][item].append(milliseconds)

    def timed(self, name: str, item: int, call: Callable[[], Result]) -> Result:
        """What a call gives."""
        begun = time.perf_counter()
        result = call()
        self.add(name, item, 1000 * (time.perf_counter() - begun))
        return result

    def timings(self) -> dict[str, Timing]:
        """By name, in the order in which names came."""
        return {
            name: Timing(
                minimum_ms=round(statistics.fmean(min(times) for times in by_item.values()), 3),
                median_ms=round(statistics.fmean(statistics.median(times) for times in by_item.values()), 3),
                rounds=max(len(times) for times in by_item.values()),
                items=len(by_item),
            )
            for name, by_item in self._taken.items()
        }


def interleaved(calls: Mapping[str, Callable[[Item], object]], items: Sequence[Item], rounds: int) -> dict[str, Timing]:
    """Times of several calls on the same items, which take turns; who begins changes from item to item.

    Args:
        calls: by name.
        items: that each call takes.
        rounds: over all items.
    """
    clock, names, turn = Clock(), list(calls), 0
    for name in names:
        calls[name](items[0])  # the first call prepares more than a later one
    for _ in range(rounds):
        for number, item in enumerate(items):
            for step in range(len(names)):
                name = names[(turn + step) % len(names)]
                clock.timed(name, number, partial(calls[name], item))
            turn += 1
    return {name: clock.timings()[name] for name in names}
