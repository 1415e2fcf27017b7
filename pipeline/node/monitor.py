"""What the node says of itself: its status, /health, and /metrics in the text format of Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from osteolens.errors import ConfigError, ReadError
from pipeline.node.films import NodeFolders
from pipeline.node.queue import State, StudyQueue

HELP = {
    "received_instances": "instances that were taken",
    "refused_instances": "instances that were refused",
    "refused_associations": "associations that were refused",
    "sent_objects": "DICOM objects that the receiver took",
    "refused_by_receiver": "tries at which the receiver took an object not",
    "unreachable": "tries at which the receiver could not be reached",
}
"""Counters, with what they count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """State of a node's queue.

    Attributes:
        studies: number by state.
        oldest_seconds: time since the last instance of the study that waits longest.
        counters: since the queue was made.
        free_bytes: of the disk.
        reasons: studies that failed or are tried again: name, state, attempts, reason.
    """

    studies: Mapping[str, int]
    oldest_seconds: float
    counters: Mapping[str, float]
    free_bytes: int
    reasons: tuple[tuple[str, str, int, str], ...]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def node_status(folder: Path) -> NodeStatus:
    """State of the queue of a node, whether it runs or not.

    Raises:
        ReadError: there is no queue.
    """
    folders = NodeFolders(folder)
    if not folders.queue.is_file():
        raise ReadError(f"{folder}: no node has run here; expected the folder that its settings name")
    queue = StudyQueue(folders.queue)
    try:
        return status_of(queue, folder)
    finally:
        queue.close()


def status_of(queue: StudyQueue, folder: Path) -> NodeStatus:
    """State of an open queue."""
    return NodeStatus(
        studies={str(state): n for state, n in queue.states().items()},
        oldest_seconds=round(queue.oldest_seconds(), 1),
        counters=queue.counters(),
        free_bytes=shutil.disk_usage(folder).free,
        reasons=tuple((study, str(state), attempts, reason) for study, state, attempts, reason in queue.reasons()),
    )


def metrics_text(status: NodeStatus, processes: int) -> str:
    """Metrics in the text format of Prometheus, version 0.0.4.

    Args:
        status: of the queue.
        processes: that run beside the node's own.
    """
    lines = ["# HELP osteolens_studies studies by state", "# TYPE osteolens_studies gauge"]
    lines += [f'osteolens_studies{{state="{state}"}} {status.studies.get(state, 0)}' for state in State]
    gauges = {
        "oldest_study_seconds": ("time since the last instance of the study that waits longest", status.oldest_seconds),
        "disk_free_bytes": ("free disk space", status.free_bytes),
        "processes": ("processes that screen or send", processes),
        "resident_memory_bytes": ("memory of the process that receives", resident_bytes()),
    }
    for name, (text, value) in gauges.items():
        lines += [f"# HELP osteolens_{name} {text}", f"# TYPE osteolens_{name} gauge", f"osteolens_{name} {value:g}"]
    for name, text in HELP.items():
        total = f"osteolens_{name}_total"
        lines += [f"# HELP {total} {text}", f"# TYPE {total} counter", f"{total} {status.counters.get(name, 0):g}"]
    return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.is_file() else 0


@contextmanager
def monitored(
    address: tuple[str, int], queue: StudyQueue, folder: Path, alive: Callable[[], tuple[int, list[str]]]
) -> Iterator[None]:
    """Answer /health and /metrics.

    Args:
        address: host and port; none where the port is 0.
        queue: of studies.
        folder: of the node.
        alive: number of processes that run, and what is wrong, in words.

    Raises:
        ConfigError: the port is taken.
    """
    if address[1] == 0:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            try:
                status = status_of(queue, folder)
            except (sqlite3.Error, OSError) as error:
                self._answer(503, "application/json", json.dumps({"problems": [type(error).__name__]}))
                return
            processes, problems = alive()
            if self.path == "/health":
                told = {"healthy": not problems, "problems": problems, "studies": dict(status.studies)}
                self._answer(503 if problems else 200, "application/json", json.dumps(told))
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(status, processes))
            else:
                self._answer(404, "text/plain", "expected /health or /metrics\n")

        def _answer(self, code: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            return

    try:
        server = ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise ConfigError(f"http_address, http_port: cannot listen ({error.strerror}); choose a free port") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
