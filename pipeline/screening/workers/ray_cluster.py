"""Studies over the machines of a Ray cluster, or over one that is started here and ends with the run."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cohort.study import Study
from osteolens.errors import ConfigError, OsteoLensError
from osteolens.extras import require
from osteolens.inference.choices import Device
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.stored_study import StoredStudy
from pipeline.screening.workers.ray_actor import ScreeningActor
from pipeline.screening.workers.returned import ReturnedStudy, keep_returned, needed_files
from pipeline.screening.workers.settings import BYTES_A_PROCESS, STUDIES_A_PROCESS, WorkerSettings, number_of_processes

if TYPE_CHECKING:
    import ray

STORE_BYTES = 256 * 2**20
"""Shared memory of a cluster that is started here; it holds results on their way, a few MB for each worker."""

CLOSE_SECONDS = 5.0
"""Time that an idle worker has to remove its private folder."""

_ON_GPU = {Device.CUDA, Device.TENSORRT}


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A connected cluster.

    Attributes:
        count: workers of a run.
        threads: of each; 0 where they share the cores of this machine.
        scratch: folder for private files of the workers; None is that of each machine's system.
    """

    count: int
    threads: int
    scratch: Path | None


@contextmanager
def connected(config: ScreeningConfig, studies: int) -> Iterator[RayCluster]:
    """Connect to the cluster of the settings, or start one on this machine that ends with the context.

    Args:
        config: settings.
        studies: to screen.

    Raises:
        MissingExtra: Ray is not installed.
        ConfigError: the cluster cannot be reached or started, or lacks the GPUs that the settings need.
    """
    require("process --engine ray", "ray", extra="cluster")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not config.ray_address:  # read at import: Ray binds to the loopback interface where it has one machine alone
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    if ray.is_initialized():
        yield _joined(config, studies)
        return
    with tempfile.TemporaryDirectory(prefix="ol-", ignore_cleanup_errors=True) as folder:
        try:
            yield _entered(config, studies, Path(folder))
        finally:
            ray.shutdown()


def _entered(config: ScreeningConfig, studies: int, folder: Path) -> RayCluster:
    try:
        return _started(config, studies, folder) if not config.ray_address else _reached(config, studies)
    except (OSError, RuntimeError, ValueError) as error:
        where = config.ray_address or "a cluster of this machine"
        raise ConfigError(f"--engine ray: {where} cannot be reached or started ({error})") from error


def _started(config: ScreeningConfig, studies: int, folder: Path) -> RayCluster:
    """A cluster of this machine, whose logs and sockets lie in a private folder."""
    import ray

    count = number_of_processes(config, studies)
    _init(
        address="local",
        num_cpus=count,
        include_dashboard=False,
        object_store_memory=STORE_BYTES,
        _temp_dir=str(folder / "ray"),
    )
    addresses = {node["NodeManagerAddress"] for node in ray.nodes()}
    if addresses != {"127.0.0.1"}:
        raise ConfigError(
            f"--engine ray: the cluster of this machine listens on {', '.join(sorted(addresses))}, expected 127.0.0.1; "
            "Ray was imported before the run: set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before, or give ray_address"
        )
    return RayCluster(min(count, _gpus(config) or count), 0, folder)


def _reached(config: ScreeningConfig, studies: int) -> RayCluster:
    _init(address=config.ray_address)
    return _joined(config, studies)


def _joined(config: ScreeningConfig, studies: int) -> RayCluster:
    """As many workers as the cluster has cores and memory for, and as studies pay for."""
    import ray

    threads, has = config.threads or 1, ray.cluster_resources()
    room = int(has.get("CPU", 0)) // threads
    room = min(room, _gpus(config) or room)
    if not config.jobs:
        room = min(room, int(has.get("memory", 0)) // BYTES_A_PROCESS, studies // STUDIES_A_PROCESS)
    return RayCluster(max(1, min(room, studies, config.jobs or room)), threads, None)


def _init(**options: str | int | bool) -> None:
    """`ray.init`, which takes SIGTERM for itself; a run needs it to stop."""
    import ray

    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _gpus(config: ScreeningConfig) -> int:
    """GPUs of the cluster, of which each worker takes one; 0 where the settings need none.

    Raises:
        ConfigError: they need one, and there is none, so that workers would wait for ever.
    """
    import ray

    if not _uses_gpu(config):
        return 0
    count = int(ray.cluster_resources().get("GPU", 0))
    if not count:
        raise ConfigError(
            "--engine ray: Ray knows of no GPU in the cluster, expected one for each worker; choose --device cpu, or "
            "start Ray on its machines with --num-gpus"
        )
    return count


def _uses_gpu(config: ScreeningConfig) -> bool:
    return bool(_ON_GPU & set(config.inference.devices.values()))


class Actor:
    """A worker of the cluster, and the studies that it holds, the one in hand first."""

    def __init__(self, settings: WorkerSettings, cluster: RayCluster) -> None:
        """Start it; Ray gives it a place when there is one."""
        import ray

        self.held: deque[int] = deque()
        self._settings, self._ended = settings, ""
        groups = {"reading": 1, "screening": 1}
        kind = ray.remote(num_cpus=max(1, cluster.threads), max_restarts=0, concurrency_groups=groups)(ScreeningActor)
        gpus = 1 if _uses_gpu(settings.config) else 0
        self._actor = kind.options(num_gpus=gpus).remote(_anywhere(settings), cluster.scratch, version("osteolens"))
        self._answers: deque[ray.ObjectRef[object]] = deque([self._actor.ready.remote()])

    @property
    def next_answer(self) -> ray.ObjectRef[object]:
        """What it is waited for by."""
        return self._answers[0]

    def give(self, number: int, study: Study) -> None:
        """Hand over a study; a worker that has ended is noticed when its answer is awaited."""
        self.held.append(number)
        there = study.with_paths(Path.absolute)
        earlier = needed_files(study, self._settings.config, self._settings.out)
        self._actor.read.options(concurrency_group="reading").remote(number, there)
        screened = self._actor.screen.options(concurrency_group="screening").remote(number, there, earlier)
        self._answers.append(screened)

    def take(self) -> StoredStudy | OsteoLensError | None:
        """Its next answer; a result is written into the folder of results.

        Raises:
            EOFError: it has ended, or its machine has.
            OutputError: a result cannot be written.
        """
        import ray

        try:
            answer = ray.get(self._answers.popleft())
        except ray.exceptions.RayError as error:
            self._ended = f"{type(error).__name__} of Ray"
            raise EOFError from error
        if isinstance(answer, ReturnedStudy):
            return keep_returned(answer, self._settings.out)
        assert answer is None or isinstance(answer, OsteoLensError)
        return answer

    def end(self) -> str:
        """End it if it still runs; how it ended."""
        import ray

        with suppress(ray.exceptions.RayError):
            if not self.held and not self._ended:
                ray.get(self._actor.close.remote(), timeout=CLOSE_SECONDS)
            ray.kill(self._actor)
        return self._ended


class Actors:
    """Starts workers of a cluster and waits for them."""

    def __init__(self, settings: WorkerSettings, cluster: RayCluster) -> None:
        """Take the settings of one worker, and the cluster."""
        self._settings, self._cluster = settings, cluster

    def start(self) -> Actor:
        """Start one."""
        return Actor(self._settings, self._cluster)

    def answered(self, busy: Sequence[Actor], seconds: float) -> Sequence[Actor]:
        """Those that have an answer or have ended."""
        import ray

        awaited = {actor.next_answer: actor for actor in busy}
        ray.wait(list(awaited), num_returns=1, timeout=seconds)
        ready, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
        return [awaited[answer] for answer in ready]


def _anywhere(settings: WorkerSettings) -> WorkerSettings:
    """The settings with paths that do not depend on the current folder."""
    bundle = settings.bundle
    segmenter = None if bundle.segmenter is None else bundle.segmenter.absolute()
    bundle = replace(
        bundle, detector=bundle.detector.absolute(), classifier=bundle.classifier.absolute(), segmenter=segmenter
    )
    root = None if settings.root is None else settings.root.absolute()
    return replace(settings, bundle=bundle, root=root, out=settings.out.absolute())
