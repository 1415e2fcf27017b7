"""SHA-256 of images that an earlier run has read, by their size and times on the disk, so that a rerun reads none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cohort.study import Study
from osteolens.atomic import write_whole
from osteolens.documents.json_document import read_json
from osteolens.errors import ReadError
from pipeline.screening.assessment import told_path
from pipeline.screening.radiograph_reader import digest_of

NAME = "digests.json"
"""File of the record among the results."""

SETTLED_NS = 3_000_000_000
"""Age that a file's times must have to be trusted: a file system may store them in steps of two seconds."""

MOST_BYTES = 2**30
"""Largest record that is read; an image takes some 200 bytes."""


class FileState(NamedTuple):
    """What the file system says of a file; whatever writes into it, or replaces it, changes its ctime.

    Source: POSIX.1-2017, Base Definitions 4.9 (file times update): no program can set st_ctime.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class KnownDigests:
    """The record of one folder of results.

    A digest is taken from it only where size, both times and inode are those of before the file was read; a file that
    was touched, copied or put back from a backup is read again. Where st_ctime is no time of the last change (Windows),
    every file is.
    """

    def __init__(self, out: Path, root: Path | None) -> None:
        """Read the record; one that cannot be read counts as empty.

        Args:
            out: folder of results.
            root: folder that paths are told from.
        """
        self._path, self._root = out / NAME, root
        self._before = _read(self._path)
        self._states: dict[str, FileState] = {}
        self._digests: dict[str, str] = {}

    def of(self, image: Path) -> str:
        """Digest of an image, empty where it cannot be read."""
        name = told_path(image, self._root)
        state = self._note(name, image)
        if state is not None and name in self._before and self._before[name][0] == state:
            digest = self._before[name][1]
        else:
            digest = digest_of(image)
        self._digests[name] = digest
        return digest

    def note(self, study: Study) -> None:
        """Note the state of a study's images before they are read."""
        for _, image in study.images:
            name = told_path(image, self._root)
            self._note(name, image)
            self._digests.pop(name, None)  # it belongs to the state of before

    def add(self, digests: Mapping[str, str]) -> None:
        """Take the digests of images that were read after their state was noted, by their told paths."""
        self._digests.update(digests)

    def write(self) -> None:
        """Write the record.

        Raises:
            OutputError: it cannot be written.
        """
        lines = [
            f"{json.dumps(name)}: {json.dumps([*map(str, state), digest])}"
            for name, state in sorted(self._states.items())
            if (digest := self._digests.get(name))
        ]
        write_whole(self._path, "{\n" + ",\n".join(lines) + "\n}\n")

    def _note(self, name: str, image: Path) -> FileState | None:
        state = _state(image)
        if state is None:
            self._states.pop(name, None)
        else:
            self._states[name] = state
        return state


def _state(image: Path) -> FileState | None:
    """State of a file whose times tell of every change, else None."""
    if os.name != "posix":
        return None
    try:
        status = image.stat()
    except OSError:
        return None
    if max(status.st_mtime_ns, status.st_ctime_ns) + SETTLED_NS > time.time_ns():
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _read(path: Path) -> dict[str, tuple[FileState, str]]:
    try:
        document = read_json(path, MOST_BYTES) if path.is_file() else {}
        return {str(name): (FileState(*map(int, values[:4])), str(values[4])) for name, values in document.items()}
    except (ReadError, AttributeError, IndexError, TypeError, ValueError):
        return {}
