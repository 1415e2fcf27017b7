"""ultralytics without network, telemetry or settings of the user, for as long as one training lasts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

log = logging.getLogger(__name__)

LOGGERS = ("sync", "clearml", "comet", "dvc", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
PRIVATE: dict[str, object] = {**dict.fromkeys(LOGGERS, False), "api_key": ""}
"""Settings of ultralytics that send or log a training elsewhere, switched off."""


@contextmanager
def private_ultralytics(out: Path) -> Iterator[None]:
    """Train with ultralytics offline, with its messages on stderr and for -v alone; the environment and its settings
    are afterwards as they were.

    ultralytics reads its environment when it is first imported, and keeps its settings in a file of the user, which
    every change through its own interface rewrites. So its settings file lies in the run folder where this imports it
    first, and changes are made in memory alone.

    Args:
        out: run folder.
    """
    private = {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
        "YOLO_CONFIG_DIR": str(out.resolve()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(_cores()),  # ultralytics sets 1 where it is not set
    }
    with _environment(private), redirect_stdout(sys.stderr):
        from ultralytics import settings
        from ultralytics.utils.events import events

        former, was_enabled = {name: settings[name] for name in PRIVATE if name in settings}, events.enabled
        dict.update(settings, {name: PRIVATE[name] for name in former})
        events.enabled = False
        try:
            with _messages_on_stderr():
                yield
        finally:
            dict.update(settings, former)
            events.enabled = was_enabled


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _messages_on_stderr() -> Iterator[None]:
    from ultralytics.utils import LOGGER

    level = LOGGER.level
    LOGGER.setLevel(logging.INFO if log.isEnabledFor(logging.INFO) else logging.ERROR)
    former = {handler: handler.stream for handler in LOGGER.handlers if type(handler) is logging.StreamHandler}
    for handler in former:
        handler.stream = sys.stderr
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        for handler, stream in former.items():
            handler.stream = stream


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
