"""Studies over several workers; results come in the order of the studies, whoever screened them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from cohort.study import Study
from osteolens.errors import OsteoLensError, StudyError
from pipeline.screening.output.objects import object_writers
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.stored_study import StoredStudy, store_failure
from pipeline.screening.workers.settings import WorkerSettings

POLL_SECONDS = 0.2
"""Between two looks for a stop while no result comes."""

TRIES = 2
"""Times that a study may end the worker that screens it, which may also lack memory, before it counts as failed."""


class Worker(Protocol):
    """A process that screens, here or on another machine.

    Attributes:
        held: numbers of the studies that it holds, the one in hand first.
    """

    held: deque[int]

    def give(self, number: int, study: Study) -> None:
        """Hand over a study; a worker that has ended is noticed when its answer is awaited."""

    def take(self) -> StoredStudy | OsteoLensError | None:
        """Its next answer: None once the models are loaded, then a result for each study, or what ends the run.

        Raises:
            EOFError: it has ended.
        """

    def end(self) -> str:
        """End it if it still runs; how it ended."""


W = TypeVar("W", bound=Worker)


class Workers(Protocol[W]):
    """Starts workers of one kind and waits for them."""

    def start(self) -> W:
        """Start one."""

    def answered(self, busy: Sequence[W], seconds: float) -> Sequence[W]:
        """Those that have an answer, or have ended, after so many seconds at most."""


class SharedRun(Generic[W]):
    """Studies over several workers."""

    def __init__(self, studies: Sequence[Study], settings: WorkerSettings, workers: Workers[W], count: int) -> None:
        """Start the workers.

        Args:
            studies: to screen.
            settings: of one worker.
            workers: that are started.
            count: of them.
        """
        self._studies, self._settings, self._kind = studies, settings, workers
        self._waiting = deque(range(len(studies)))
        self._finished: dict[int, StoredStudy] = {}
        self._tries: dict[int, int] = {}
        self._ready: list[W] = []
        self._workers = [workers.start() for _ in range(count)]

    def results(self, stop: threading.Event) -> Iterator[StoredStudy]:
        """Results in the order of the studies.

        Args:
            stop: set when a stop is asked for; what is in hand is finished.

        Raises:
            OsteoLensError: what a worker cannot go on after.
            StudyError: every worker ended before it could screen.
        """
        for number in range(len(self._studies)):
            while number not in self._finished:
                if not stop.is_set():
                    self._hand_out()
                busy = [worker for worker in self._workers if worker.held]
                if not busy:
                    return
                for worker in self._kind.answered(busy, POLL_SECONDS):
                    self._take(worker)
            yield self._finished.pop(number)

    def end(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()

    def _hand_out(self) -> None:
        for depth in range(1, self._settings.config.read_ahead + 2):
            for worker in self._workers:
                if self._waiting and len(worker.held) < depth:
                    number = self._waiting.popleft()
                    worker.give(number, self._studies[number])

    def _take(self, worker: W) -> None:
        """Take an answer, or replace a worker that has ended."""
        try:
            answer = worker.take()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if isinstance(answer, OsteoLensError):
            raise answer
        if answer is None:
            self._ready.append(worker)
        else:
            self._finished[worker.held.popleft()] = answer

    def _replace(self, worker: W) -> None:
        """Start a worker in place of one that has ended; without it where it ended while it started.

        Raises:
            StudyError: no worker is left.
        """
        how = worker.end()
        self._workers.remove(worker)
        held = list(worker.held)
        if worker in self._ready:
            self._ready.remove(worker)
            if self._is_failed(held[0]):
                self._fail(held.pop(0), f"the process that screened it ended ({how}), {TRIES} times")
            self._workers.append(self._kind.start())
        self._waiting.extendleft(reversed(held))
        if not self._workers:
            raise StudyError(
                f"every process that screens ended while it loaded the models ({how}); expected 2 GiB of "
                "memory for each: try --jobs 1"
            )

    def _is_failed(self, number: int) -> bool:
        """Whether a study has ended the worker that held it too often."""
        self._tries[number] = self._tries.get(number, 0) + 1
        return self._tries[number] >= TRIES

    def _fail(self, number: int, reason: str) -> None:
        settings, unread = self._settings, LoadedStudy(self._studies[number], (), ())
        writers = object_writers(settings.config, settings.out)
        self._finished[number] = store_failure(
            unread, reason, settings.identifiers, settings.root, settings.out, writers
        )
