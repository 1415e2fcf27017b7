"""States of files: what tells of a change, and what is not trusted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from osteolens import file_state as module
from osteolens.file_state import file_state

pytestmark = pytest.mark.skipif(os.name != "posix", reason="times of the last change are those of POSIX")


def test_a_state_tells_of_a_change_that_keeps_size_and_mtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED_NS", -1_000_000_000)
    path = tmp_path / "file"
    path.write_bytes(b"first")
    before, times = file_state(path), path.stat()
    assert before is not None and before == file_state(path)
    time.sleep(0.02)
    path.write_bytes(b"other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = file_state(path)
    assert after is not None and after != before and (after.size, after.mtime_ns) == (before.size, before.mtime_ns)


def test_a_file_of_a_moment_ago_or_none_has_no_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"new")
    assert file_state(tmp_path / "file") is None
    assert file_state(tmp_path / "none") is None and file_state(tmp_path / "a\0b") is None


def test_a_time_in_the_future_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"new")
    os.utime(path, (time.time() + 1000, time.time() + 1000))
    monkeypatch.setattr(module, "SETTLED_NS", 0)
    assert file_state(path) is None
