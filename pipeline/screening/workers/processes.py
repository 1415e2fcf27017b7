"""Several processes that screen side by side; results come in the order of the studies, whoever screened them."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Queue

import cv2

from cohort.study import Study
from osteolens.errors import OsteoLensError, StudyError
from osteolens.processes import spawn_context
from pipeline.screening.output.objects import object_writers
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.stored_study import StoredStudy, store_failure
from pipeline.screening.workers.settings import WorkerSettings
from pipeline.screening.workers.worker import StudyWorker, screen_here

POLL_SECONDS = 0.2
"""Between two looks for a stop while no result comes."""

TRIES = 2
"""Times that a study may end the process that screens it, which may also lack memory, before it counts as failed."""


def screen_studies(
    studies: Sequence[Study], settings: WorkerSettings, processes: int, stop: threading.Event
) -> Iterator[StoredStudy]:
    """Screen studies and write their results until a stop is asked for.

    Args:
        studies: to screen.
        settings: of one process.
        processes: that share the studies; one is this one.
        stop: set when a stop is asked for; what is in hand is finished.

    Yields:
        a result for each study, in their order.

    Raises:
        WeightsError: weights that are missing, altered or of another version.
        MissingExtra: a package that the settings need is not installed.
        OutputError: results cannot be written.
        StudyError: a process ended before it could screen.
    """
    if processes == 1:
        yield from screen_here(studies, settings, stop)
        return
    run = _Run(studies, settings, processes)
    try:
        yield from run.results(stop)
    finally:
        run.end()


class _Process:
    """A process, and the studies that it holds, the one in hand first."""

    def __init__(self, settings: WorkerSettings) -> None:
        context = spawn_context()
        self.connection, theirs = context.Pipe()
        self.held: deque[int] = deque()
        self.is_ready = False
        self._process = context.Process(target=_serve, args=(theirs, settings), daemon=False)
        self._process.start()
        theirs.close()

    def give(self, number: int, study: Study) -> None:
        """Hand over a study; a process that has ended is noticed when its answer is awaited."""
        self.held.append(number)
        with suppress(OSError):
            self.connection.send(study)

    def end(self) -> int | None:
        """End it if it still runs; its exit code."""
        self.connection.close()
        if self.held:
            self._process.kill()
        self._process.join()
        return self._process.exitcode


class _Run:
    """Studies over several processes."""

    def __init__(self, studies: Sequence[Study], settings: WorkerSettings, count: int) -> None:
        self._studies, self._settings = studies, settings
        self._waiting = deque(range(len(studies)))
        self._finished: dict[int, StoredStudy] = {}
        self._tries: dict[int, int] = {}
        self._processes = [_Process(self._settings) for _ in range(count)]

    def results(self, stop: threading.Event) -> Iterator[StoredStudy]:
        """Results in the order of the studies."""
        for number in range(len(self._studies)):
            while number not in self._finished:
                if not stop.is_set():
                    self._hand_out()
                busy = {process.connection: process for process in self._processes if process.held}
                if not busy:
                    return
                for connection in wait(list(busy), POLL_SECONDS):
                    assert isinstance(connection, Connection)
                    self._take(busy[connection])
            yield self._finished.pop(number)

    def end(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.end()

    def _hand_out(self) -> None:
        for depth in range(1, self._settings.config.read_ahead + 2):
            for process in self._processes:
                if self._waiting and len(process.held) < depth:
                    number = self._waiting.popleft()
                    process.give(number, self._studies[number])

    def _take(self, process: _Process) -> None:
        """Take an answer, or replace a process that has ended."""
        try:
            answer = process.connection.recv()
        except (EOFError, OSError):
            self._replace(process)
            return
        if isinstance(answer, OsteoLensError):
            raise answer
        if answer is None:
            process.is_ready = True
        else:
            self._finished[process.held.popleft()] = answer

    def _replace(self, process: _Process) -> None:
        """Start a process in place of one that has ended; without it where it ended while it started.

        Raises:
            StudyError: no process is left.
        """
        code = process.end()
        self._processes.remove(process)
        held = list(process.held)
        if process.is_ready:
            if self._is_failed(held[0]):
                self._fail(held.pop(0), f"the process that screened it ended (exit code {code}), {TRIES} times")
            self._processes.append(_Process(self._settings))
        self._waiting.extendleft(reversed(held))
        if not self._processes:
            raise StudyError(
                f"every process that screens ended while it loaded the models (exit code {code}); expected 2 GiB of "
                "memory for each: try --jobs 1"
            )

    def _is_failed(self, number: int) -> bool:
        """Whether a study has ended the process that held it too often."""
        self._tries[number] = self._tries.get(number, 0) + 1
        return self._tries[number] >= TRIES

    def _fail(self, number: int, reason: str) -> None:
        settings, unread = self._settings, LoadedStudy(self._studies[number], (), ())
        writers = object_writers(settings.config, settings.out)
        self._finished[number] = store_failure(
            unread, reason, settings.identifiers, settings.root, settings.out, writers
        )


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
