"""The node: it receives in its own process, and keeps those that screen and send alive."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess

from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.processes import spawn_context
from pipeline.bundle.load import load_bundle
from pipeline.node.config import NodeConfig
from pipeline.node.films import NodeFolders, take_up
from pipeline.node.monitor import monitored
from pipeline.node.process import without_identifiers
from pipeline.node.queue import StudyQueue
from pipeline.node.retention import delete_old
from pipeline.node.sender import authorization, client_tls, send_results
from pipeline.node.worker import Screening, screening, work
from pipeline.screening.stop import stop_asked

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0
"""Seconds between two starts of a process that ends again and again, at most."""

GRACE_SECONDS = 30.0
"""Time that processes have for the study in hand when the node ends."""


def run_node(config: NodeConfig, level: int = logging.WARNING, load: Screening = screening) -> None:
    """Receive, screen and send until SIGINT or SIGTERM.

    Whatever ends the node or one of its processes, what was received stays on the disk and in the queue, and the next
    start goes on from there.

    Args:
        config: of the node.
        level: of the log.
        load: what screens; another one for tests.

    Raises:
        MissingExtra: a package of the extra `node` is not installed.
        ConfigError: settings that do not go together, or a port that is taken.
        WeightsError: weights that are missing, altered or of another version.
        OutputError: the node's folder cannot be written.
    """
    require("node", "pynetdicom", "dicomweb_client", extra="node")
    _check(config, load)
    from pipeline.node.receiver import Receiver

    folders = NodeFolders(config.folder)
    folders.make()
    with without_identifiers(level), stop_asked() as stop:
        queue = StudyQueue(folders.queue)
        take_up(queue, folders)
        receiver = Receiver(config.receive, queue, folders)
        children = [
            _Child(name=f"worker {k}", start=lambda: _start(work, config, level, load)) for k in range(config.workers)
        ]
        children.append(_Child(name="sender", start=lambda: _start(send_results, config, level)))
        listening = threading.Thread(target=receiver.serve, name="receiver", daemon=True)

        def alive() -> tuple[int, list[str]]:
            dead = [f"{child.name} does not run" for child in children if not child.is_alive]
            deaf = [] if listening.is_alive() else ["the receiver does not listen"]
            full = ["the disk is nearly full"] if receiver.is_full else []
            return len(children) - len(dead), [*dead, *deaf, *full]

        listening.start()
        with monitored((config.http_address, config.http_port), queue, config.folder, alive):
            log.warning("node %s listens on port %d", config.receive.ae_title, config.receive.port)
            _keep_alive(children, stop, lambda: _delete(queue, folders, config), config.retention.every_seconds)
        receiver.close()
        _end(children)
        queue.close()


def _check(config: NodeConfig, load: Screening) -> None:
    """Find what cannot work before anything is received."""
    if config.send.protocol == "stow-rs" and not config.send.url.startswith(("http://", "https://")):
        raise ConfigError(
            f"setting 'send.url' is {config.send.url[:60]!r}; expected https://... for send.protocol stow-rs"
        )
    if config.send.protocol != "none" and load is screening and not config.screening.dicom.objects:
        raise ConfigError(
            "setting 'screening.dicom.objects' is empty, so that nothing could be sent; name sr, sc, gsps"
        )
    client_tls(config.send)
    if config.send.authorization_file is not None:
        authorization(config.send.authorization_file)
    if load is screening:
        load_bundle(config.weights)


@dataclass(slots=True, kw_only=True)
class _Child:
    """A process that is started again when it ends, after a pause that grows while it ends at once."""

    name: str
    start: Callable[[], BaseProcess]
    process: BaseProcess | None = None
    started: float = 0.0
    pause: float = field(default=0.5)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.is_alive()

    def keep(self) -> None:
        """Start it, if it does not run and its pause is over."""
        now = time.monotonic()
        if self.is_alive:
            self.pause = 0.5 if now - self.started > LONGEST_PAUSE else self.pause
            return
        if self.process is not None:
            if now < self.started + self.pause:
                return
            self.pause = min(LONGEST_PAUSE, 2 * self.pause)
            log.warning("%s ended (%s) and is started again", self.name, self.process.exitcode)
        self.process, self.started = self.start(), now


def _start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = spawn_context().Process(target=target, args=arguments)
    process.start()
    return process


def _keep_alive(
    children: list[_Child], stop: threading.Event, delete: Callable[[], None], every_seconds: float
) -> None:
    deleted = float("-inf")
    while not stop.is_set():
        for child in children:
            child.keep()
        if time.monotonic() - deleted >= every_seconds:
            deleted = time.monotonic()
            delete()
        stop.wait(min(0.5, every_seconds))


def _delete(queue: StudyQueue, folders: NodeFolders, config: NodeConfig) -> None:
    try:
        delete_old(queue, folders, config.retention)
    except (OSError, sqlite3.Error) as error:
        log.warning("nothing could be deleted (%s)", type(error).__name__)


def _end(children: list[_Child]) -> None:
    """Let the study in hand be finished, then end what still runs."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in running:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
