"""One loaded set of models with the process that reads for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

from cohort.study import Study
from pipeline.screening.output.objects import object_writers
from pipeline.screening.radiograph_reader import LoadedStudy, RadiographReader, read_images
from pipeline.screening.screener import Screener
from pipeline.screening.stored_study import StoredStudy, screen_study
from pipeline.screening.workers.settings import WorkerSettings


class StudyWorker:
    """Screens one study while the next ones are read."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Load the models and start the reading process.

        Raises:
            WeightsError: weights that are missing, altered or of another version.
            MissingExtra: a package that the settings need is not installed.
        """
        begun = time.perf_counter()
        self._settings = settings
        self._writers = object_writers(settings.config, settings.out)
        self._screener = Screener(settings.bundle, settings.config, settings.manual_rois, settings.root)
        self._reader = RadiographReader(settings.config.read_seconds)
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading")
        self._load_seconds = {"load": time.perf_counter() - begun}

    def __enter__(self) -> StudyWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.shutdown(wait=False, cancel_futures=True)
        self._reader.__exit__(kind, error, trace)

    def read(self, study: Study) -> Future[LoadedStudy]:
        """Start to read a study, after those that were asked for before."""
        return self._reading.submit(read_images, study, self._reader)

    def screen(self, study: Study, loaded: Future[LoadedStudy]) -> StoredStudy:
        """Screen a study and write it; the time of loading is told with the first one.

        Raises:
            OutputError: results cannot be written.
        """
        stored = screen_study(study, loaded, self._screener, self._settings.out, self._writers)
        stored, self._load_seconds = replace(stored, seconds={**self._load_seconds, **stored.seconds}), {}
        return stored


def screen_here(studies: Sequence[Study], settings: WorkerSettings, stop: threading.Event) -> Iterator[StoredStudy]:
    """Screen studies in order in this process, until a stop is asked for.

    Args:
        studies: to screen.
        settings: of the run.
        stop: set when a stop is asked for.

    Raises:
        WeightsError: weights that are missing, altered or of another version.
        OutputError: results cannot be written.
    """
    with StudyWorker(settings) as worker:
        coming = iter(studies)
        waiting: deque[tuple[Study, Future[LoadedStudy]]] = deque()
        while not stop.is_set():
            while len(waiting) <= settings.config.read_ahead and (study := next(coming, None)) is not None:
                waiting.append((study, worker.read(study)))
            if not waiting:
                return
            yield worker.screen(*waiting.popleft())
