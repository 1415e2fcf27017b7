"""Every file below a folder, and every one that is not followed, with its reason."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

MARKER = ".osteolens-results"
"""A file of this name marks a folder of results, which is not screened."""

MAX_DEPTH = 64
"""Folders within folders that are followed."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that became part of no study."""

    path: Path
    reason: str


def files_below(root: Path, exclude: Path | None = None) -> tuple[list[Path], list[Skipped]]:
    """Regular files below a folder but outside `exclude`, sorted by path, and what was left out. Links are followed.

    A folder that a link leads to a second time is not followed again, so loops end.
    """
    files: list[Path] = []
    skipped: list[Skipped] = []
    seen: set[tuple[int, int]] = set()
    waiting = [(root, 0)]
    apart = None if exclude is None else exclude.resolve()
    while waiting:
        folder, depth = waiting.pop()
        if apart is not None and folder.resolve() == apart:
            continue
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            skipped.append(Skipped(folder, f"the folder cannot be read ({error.strerror})"))
            continue
        if (status.st_dev, status.st_ino) in seen:
            skipped.append(Skipped(folder, "a link to a folder that is read already"))
            continue
        seen.add((status.st_dev, status.st_ino))
        if depth and is_results({entry.name for entry in entries}):
            skipped.append(Skipped(folder, "results of an earlier run"))
            continue
        if depth > MAX_DEPTH:
            skipped.append(Skipped(folder, f"more than {MAX_DEPTH} folders deep"))
            continue
        below = []
        for entry in entries:
            path = folder / entry.name
            kind = _kind(path)
            if entry.name.startswith("."):
                if entry.name != MARKER:
                    skipped.append(Skipped(path, "hidden: its name begins with a dot"))
            elif kind == "folder":
                below.append((path, depth + 1))
            elif kind == "file":
                files.append(path)
            else:
                skipped.append(Skipped(path, kind))
        waiting += reversed(below)
    return sorted(files), skipped


def is_results(names: set[str]) -> bool:
    """Whether a folder that holds these names is one of results."""
    return MARKER in names or {"run.json", "predictions.csv", "studies"} <= names


def _kind(path: Path) -> str:
    """file, folder, or why it is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "no regular file (a pipe, socket or device)"
