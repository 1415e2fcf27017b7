"""Several processes of this machine that screen side by side."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Queue

import cv2

from cohort.study import Study
from osteolens.errors import OsteoLensError
from osteolens.processes import spawn_context
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.stored_study import StoredStudy
from pipeline.screening.workers.settings import WorkerSettings
from pipeline.screening.workers.worker import StudyWorker


class Process:
    """A process, and the studies that it holds, the one in hand first."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Start it."""
        context = spawn_context()
        self.connection, theirs = context.Pipe()
        self.held: deque[int] = deque()
        self._process = context.Process(target=_serve, args=(theirs, settings), daemon=False)
        self._process.start()
        theirs.close()

    def give(self, number: int, study: Study) -> None:
        """Hand over a study; a process that has ended is noticed when its answer is awaited."""
        self.held.append(number)
        with suppress(OSError):
            self.connection.send(study)

    def take(self) -> StoredStudy | OsteoLensError | None:
        """Its next answer.

        Raises:
            EOFError: it has ended.
        """
        answer: StoredStudy | OsteoLensError | None = self.connection.recv()
        return answer

    def end(self) -> str:
        """End it if it still runs; its exit code."""
        self.connection.close()
        if self.held:
            self._process.kill()
        self._process.join()
        return f"exit code {self._process.exitcode}"


class Processes:
    """Starts processes and waits for them."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Take the settings of one process."""
        self._settings = settings

    def start(self) -> Process:
        """Start one."""
        return Process(self._settings)

    def answered(self, busy: Sequence[Process], seconds: float) -> Sequence[Process]:
        """Those that have an answer or have ended."""
        spoken = wait([process.connection for process in busy], seconds)
        return [process for process in busy if process.connection in spoken]


def _serve(connection: Connection, settings: WorkerSettings) -> None:
    """Screen what the connection brings, until it closes; the parent alone hears signals."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(max(1, settings.config.threads))
    coming: Queue[tuple[Study, Future[LoadedStudy]] | None] = Queue()
    try:
        with StudyWorker(settings) as worker:
            connection.send(None)  # ready
            threading.Thread(target=_receive, args=(connection, worker, coming), daemon=True).start()
            while (held := coming.get()) is not None:
                connection.send(worker.screen(*held))
    except (BrokenPipeError, ConnectionResetError):
        return
    except OsteoLensError as error:
        connection.send(error)


def _receive(
    connection: Connection, worker: StudyWorker, coming: Queue[tuple[Study, Future[LoadedStudy]] | None]
) -> None:
    """Take studies as they come, so that whoever sends them never waits, and start to read each."""
    try:
        while True:
            study = connection.recv()
            coming.put((study, worker.read(study)))
    except (EOFError, OSError):
        coming.put(None)
