"""Whether a file is unchanged since it was looked at, by its size, times and inode, without reading it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

SETTLED_NS = 3_000_000_000
"""Age that a file's times must have to be trusted: a file system may store them in steps of two seconds."""


class FileState(NamedTuple):
    """What the file system says of a file; whatever writes into it, or replaces it, changes its ctime.

    Source: POSIX.1-2017, Base Definitions 4.9 (file times update): no program can set st_ctime.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def file_state(path: Path) -> FileState | None:
    """State of a file whose times tell of every later change.

    None where it does not exist, changed a moment ago, or where st_ctime is no time of the last change (Windows).
    """
    if os.name != "posix":
        return None
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    if not is_settled(max(status.st_mtime_ns, status.st_ctime_ns)):
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def is_settled(since_ns: int) -> bool:
    """Whether a time in nanoseconds since 1970 lies so far back that a later change has another one."""
    return since_ns + SETTLED_NS <= time.time_ns()
