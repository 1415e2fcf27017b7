"""A process of the node: quiet about identifiers, ended by a signal or with its parent, holding claims as it works."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from types import TracebackType

from pipeline.node.queue import Claim, StudyQueue
from pipeline.screening.stop import stop_asked

log = logging.getLogger(__name__)

LIBRARIES = ("pynetdicom", "pydicom", "highdicom", "dicomweb_client", "urllib3", "requests")
"""Libraries whose messages may quote headers or UIDs; none of them is written."""


@contextmanager
def without_identifiers(level: int) -> Iterator[None]:
    """Log messages of ours alone, and tell errors that nothing catches by their kind and place, never by their text.

    Args:
        level: of the log; what is below INFO is left out, since it tells texts of errors.

    Raises:
        SystemExit: after an error that nothing caught.
    """
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(max(level, logging.INFO))
    threading.excepthook = tell_of_thread
    with _Told():
        yield


class _Told:
    """Ends the process after an error that nothing caught."""

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, Exception) and kind.__module__ != "osteolens.errors":
            _tell(kind, trace)
            raise SystemExit(1) from None


def tell_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """Tell of a thread that ended by an error."""
    _tell(arguments.exc_type, arguments.exc_traceback)


def _tell(kind: type[BaseException], trace: TracebackType | None) -> None:
    place = ""
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno}"
        trace = trace.tb_next
    log.error("ended by %s (%s)", kind.__name__, place)


@contextmanager
def held(queue: StudyQueue, claim: Claim, lease_seconds: float, most_seconds: float) -> Iterator[None]:
    """Hold a claim while a study is worked on. Work that takes longer than it may ends the whole process, since nothing
    else stops what hangs; the study is begun again by the next process.

    Args:
        queue: of studies.
        claim: to hold.
        lease_seconds: for which it is renewed.
        most_seconds: that the work may take.
    """
    done, begun = threading.Event(), time.monotonic()

    def renew() -> None:
        while not done.wait(lease_seconds / 3):
            if time.monotonic() - begun > most_seconds:
                log.error("study %s takes longer than %g s; the process ends", claim.study, most_seconds)
                os._exit(1)
            try:
                queue.renew(claim, lease_seconds)
            except sqlite3.Error as error:
                log.warning("a claim cannot be renewed (%s)", type(error).__name__)

    keeper = threading.Thread(target=renew, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def work_through(take: Callable[[], Claim | None], do: Callable[[Claim], float], poll_seconds: float) -> None:
    """Work on one study after another until a signal asks to stop, or until the parent process is gone.

    Args:
        take: claims a study, if one waits.
        do: works on it; gives the seconds to wait before the next.
        poll_seconds: to wait where none waits.
    """
    parent = parent_process()
    with stop_asked() as stop:
        while not stop.is_set() and (parent is None or parent.is_alive()):
            claim = take()
            stop.wait(poll_seconds if claim is None else do(claim))
