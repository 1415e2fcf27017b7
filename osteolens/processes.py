"""Spawned child processes, which inherit no threads and do not run the caller's script again."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

_LOCK = threading.Lock()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, however that ended; a pool's processes would wait
    for tasks for ever."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def confine(memory_bytes: int) -> None:
    """Cap the address space of this process, where the system can; decoders that panic do not speak to the terminal.

    Args:
        memory_bytes: that it may take beyond what it has.
    """
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
    if sys.platform == "win32":
        return
    import resource

    status = Path("/proc/self/statm")
    if not status.is_file():
        return
    most = int(status.read_text("ascii").split()[0]) * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
