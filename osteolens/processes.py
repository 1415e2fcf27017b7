"""Spawned child processes, which inherit no threads and do not run the caller's script again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

_LOCK = threading.Lock()


class _Process(SpawnProcess):
    """A process whose children import our modules alone.

    Python's own spawned processes run the script that started them once more, under another name. A script without
    `if __name__ == "__main__":`, as people write them beside notebooks, would start itself again and again.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        with _without_script():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    """As `multiprocessing.get_context("spawn")`, with these processes."""

    Process = _Process


def spawn_context() -> SpawnContext:
    """A context for process pools; what a pool runs must be a function of an installed module."""
    return _Context()


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the running script from a process that starts."""
    with _LOCK:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script
