"""Child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

POOL = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from osteolens.processes import end_with_parent, spawn_context
from tests.osteolens.sleepers import sleep_and_note
with ProcessPoolExecutor(2, spawn_context(), end_with_parent) as pool:
    list(pool.map(sleep_and_note, [sys.argv[1]] * 40))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", POOL, str(tmp_path)])
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 2, 60)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    children = [int(path.name) for path in tmp_path.iterdir()]
    until(lambda: not any(is_running(child) for child in children), 20)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.is_file() or status.read_text("ascii").rpartition(")")[2].split()[0] != "Z"


def until(true: object, seconds: float) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
