"""Processes of the node tell errors without their text, and end when work hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipeline.node.films import Identity, NodeFolders, keep_film
from pipeline.node.queue import State, StudyQueue
from tests import ROOT


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)


def test_an_error_is_told_by_kind_and_place() -> None:
    done = run(
        "import logging, threading, warnings; from pipeline.node.process import without_identifiers\n"
        "def thread(): raise KeyError('SECRET')\n"
        "with without_identifiers(10):\n"
        "    logging.getLogger('pydicom').error('SECRET'); warnings.warn('SECRET'); logging.debug('SECRET')\n"
        "    other = threading.Thread(target=thread); other.start(); other.join()\n"
        "    raise ValueError('SECRET')\n"
    )
    assert done.returncode == 1
    assert "ended by KeyError" in done.stderr and "ended by ValueError" in done.stderr
    assert "SECRET" not in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_work_that_hangs_ends_the_process_and_its_study_is_taken_over(tmp_path: Path) -> None:
    folders = NodeFolders(tmp_path / "node")
    folders.make()
    queue = StudyQueue(folders.queue)
    (folders.incoming / "arrived").write_bytes(b"content")
    keep_film(queue, folders, folders.incoming / "arrived", Identity("1.2.3", "1.2.3.1"), 9)
    done = run(
        "import time; from pathlib import Path; from pipeline.node.process import held\n"
        "from pipeline.node.queue import State, StudyQueue\n"
        f"queue = StudyQueue(Path({str(folders.queue)!r})); claim = queue.claim(State.RECEIVED, 0.3)\n"
        "with held(queue, claim, 0.3, 0.5): time.sleep(60)\n"
    )
    assert done.returncode == 1
    claim = next(filter(None, (queue.claim(State.RECEIVED, 10) for _ in iter(int, 1))))
    assert claim.attempts == 2
    queue.close()
