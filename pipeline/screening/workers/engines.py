"""Where the studies of a run are screened: in this process, in several, or on a cluster of Ray."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cohort.study import Study
from pipeline.screening.config import Engine, ScreeningConfig
from pipeline.screening.stored_study import StoredStudy
from pipeline.screening.workers.processes import Processes
from pipeline.screening.workers.run import SharedRun, W
from pipeline.screening.workers.settings import WorkerSettings, number_of_processes
from pipeline.screening.workers.worker import screen_here

if TYPE_CHECKING:
    from pipeline.screening.workers.ray_cluster import RayCluster


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a run screens.

    Attributes:
        count: processes that share the studies, on whatever machines.
        cluster: that they run on, or None for this machine.
    """

    count: int
    cluster: RayCluster | None = None

    def settings_of_one(self, settings: WorkerSettings) -> WorkerSettings:
        """The settings of one of its processes."""
        return settings.of_one(self.count, 0 if self.cluster is None else self.cluster.threads)

    def results(
        self, studies: Sequence[Study], settings: WorkerSettings, stop: threading.Event
    ) -> Generator[StoredStudy]:
        """Screen studies and write their results until a stop is asked for.

        Args:
            studies: to screen.
            settings: of one process.
            stop: set when a stop is asked for; what is in hand is finished.

        Yields:
            a result for each study, in their order.

        Raises:
            WeightsError: weights that are missing, altered or of another version.
            MissingExtra: a package that the settings need is not installed.
            OutputError: results cannot be written.
            StudyError: every process ended before it could screen.
        """
        if self.cluster is not None:
            from pipeline.screening.workers.ray_cluster import Actors

            yield from _shared(SharedRun(studies, settings, Actors(settings, self.cluster), self.count), stop)
        elif self.count == 1:
            yield from screen_here(studies, settings, stop)
        else:
            yield from _shared(SharedRun(studies, settings, Processes(settings), self.count), stop)


def _shared(run: SharedRun[W], stop: threading.Event) -> Generator[StoredStudy]:
    try:
        yield from run.results(stop)
    finally:
        run.end()


@contextmanager
def workplace(config: ScreeningConfig, studies: int) -> Iterator[Workplace]:
    """This machine, or the cluster of the settings, which is left at the end.

    Args:
        config: settings, with a device for each network.
        studies: to screen.

    Raises:
        MissingExtra: Ray is asked for and not installed.
        ConfigError: the cluster cannot be reached or started, or lacks the GPUs that the settings need.
    """
    if config.engine is Engine.LOCAL:
        yield Workplace(number_of_processes(config, studies))
        return
    from pipeline.screening.workers.ray_cluster import connected

    with connected(config, studies) as cluster:
        yield Workplace(cluster.count, cluster)
