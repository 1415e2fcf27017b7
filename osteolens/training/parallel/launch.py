"""Starts the processes of a shared training, passes on what the first one tells, and ends all when one dies."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, cast

import numpy as np

from osteolens.errors import OsteoLensError
from osteolens.processes import available_cores, end_with_parent, spawn_context
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch

Fit = Callable[[RunOptions, Watch], dict[str, float]]
"""A function of an installed module, or a partial of one, that trains and returns metrics."""

LONGEST_WAIT = timedelta(days=1)
"""Time that processes wait for the first one while it evaluates; a death is noticed at once."""

OTHERS_SECONDS = 3.0
"""Time to see which process died, after another one has lost its connection to it."""


def fit_in_processes(fit: Fit, devices: Sequence[str], options: RunOptions, watch: Watch) -> dict[str, float]:
    """Run a fit in one process a device, each in the group that `this_group` gives; returns what the first returns.

    Processes meet through a file in a temporary folder, and talk through the loopback interface alone.

    Args:
        fit: trains.
        devices: of each process.
        options: of the run; each process gets its own device.
        watch: told what the first process tells.

    Raises:
        OsteoLensError: what a process raised, or that one died.
    """
    ForkingPickler.register(np.memmap, _reduced)
    context = spawn_context()
    processes: list[SpawnProcess] = []
    ears: list[Connection] = []
    with tempfile.TemporaryDirectory(prefix="osteolens-") as folder:
        try:
            for rank, device in enumerate(devices):
                ear, mouth = context.Pipe(duplex=False)
                own = replace(options, device=device)
                arguments = (fit, rank, len(devices), Path(folder), own, watch.on_step is not None, mouth)
                process = context.Process(target=_child, args=arguments, daemon=True)
                process.start()
                mouth.close()
                processes.append(process)
                ears.append(ear)
            return _watched(processes, ears, watch)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()


def _watched(processes: Sequence[SpawnProcess], ears: Sequence[Connection], watch: Watch) -> dict[str, float]:
    """Pass on what processes tell until the first one's metrics are there and all have ended."""
    tell: dict[str, Callable[[Any], None]] = {"notify": watch.notify, "on_epoch": watch.on_epoch}
    if watch.on_step is not None:
        tell["on_step"] = watch.on_step
    result: dict[str, float] = {}
    heard = list(ears)
    while heard:
        for ready in wait(heard):
            ear = cast("Connection", ready)
            try:
                kind, value = ear.recv()
            except (EOFError, OSError):
                heard.remove(ear)
                process = processes[ears.index(ear)]
                process.join()
                if process.exitcode:
                    raise _death(processes, "") from None
                continue
            if kind == "raised":
                raise value
            if kind == "failed":
                raise _death(processes, f"process {ears.index(ear) + 1} of {len(ears)} failed: {value}")
            if kind == "result":
                result = value
            else:
                tell[kind](value)
    return result


def _death(processes: Sequence[SpawnProcess], otherwise: str) -> OsteoLensError:
    """One line on the process that died; on what another one met where none did."""
    until = time.monotonic() + OTHERS_SECONDS * bool(otherwise)
    while not (dead := [k for k, process in enumerate(processes) if process.exitcode]) and time.monotonic() < until:
        time.sleep(0.05)
    if dead:
        first = min(dead, key=lambda k: processes[k].exitcode or 0)  # one that was killed, if any
        code = processes[first].exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        otherwise = f"process {first + 1} of {len(processes)} {how}"
    return OsteoLensError(f"{otherwise}; the training has ended; go on from its last finished epoch with --resume")


def _child(fit: Fit, rank: int, size: int, folder: Path, options: RunOptions, steps: bool, mouth: Connection) -> None:
    """One process of a training."""
    import torch
    from torch import distributed

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    end_with_parent()
    on_gpu = options.device != "cpu"
    if on_gpu:
        torch.cuda.set_device(options.device)
    else:
        torch.set_num_threads(max(1, available_cores() // size))
    if rank:
        logging.disable()
    if (loopback := _loopback()) is not None:
        os.environ.update(GLOO_SOCKET_IFNAME=loopback, NCCL_SOCKET_IFNAME=loopback)
    try:
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            init_method=(folder / "group").as_uri(),
            rank=rank,
            world_size=size,
            timeout=LONGEST_WAIT,
        )
        metrics = fit(options, _watch_of(mouth, steps) if rank == 0 else Watch())
        if rank == 0:
            mouth.send(("result", metrics))
        distributed.destroy_process_group()
    except OsteoLensError as error:
        mouth.send(("raised", error))
    except (RuntimeError, OSError, MemoryError) as error:  # of torch; others show their traceback
        mouth.send(("failed", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"))
        os._exit(0)  # it has told; its connections to the others may never close


def _watch_of(mouth: Connection, steps: bool) -> Watch:
    """Tells the process that started this one."""
    return Watch(
        notify=lambda line: mouth.send(("notify", line)),
        on_epoch=lambda row: mouth.send(("on_epoch", dict(row))),
        on_step=(lambda step: mouth.send(("on_step", step))) if steps else None,
    )


def _loopback() -> str | None:
    """Name of the loopback interface; None where the system has none by the usual names."""
    names = {name for _, name in socket.if_nameindex()} if hasattr(socket, "if_nameindex") else set()
    return next((name for name in ("lo", "lo0") if name in names), None)


def _reduced(array: np.memmap[Any, Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A memory-mapped file is opened anew in another process; a part of one is copied."""
    if isinstance(array.base, mmap.mmap) and array.filename is not None:
        return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape)
    return np.asarray, (np.array(array),)
