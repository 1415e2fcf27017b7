"""Values that were read from files, each beside the state of its file, kept among the results for the next run."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from osteolens.atomic import write_whole
from osteolens.file_state import FileState

T = TypeVar("T")

FORMAT = 2
"""Changes with what the records hold, or with the code that a value comes from."""

MOST_BYTES = 2**29
"""Largest record that is read; a film takes some 900 bytes of one."""


class Record(Generic[T]):
    """Values by name. One is given back only where the state of its file is that of before the value was read.

    The first line of the file holds the format, the version of the program and the SHA-256 of the rest; each further
    line holds a name, a state and a value. A record that is damaged, or of another format or version, counts as empty.
    """

    def __init__(self, out: Path, name: str, kind: Any) -> None:
        """Read the record.

        Args:
            out: folder of results.
            name: of the record.
            kind: type of the values.
        """
        self._path = record_path(out, name)
        self._line = TypeAdapter(tuple[str, tuple[int, int, int, int], kind])
        self._content = _content(self._path)
        self._before: dict[str, tuple[tuple[int, ...], T, bytes]] = {}
        self._now: dict[str, bytes] = {}
        lines = self._content.splitlines()
        try:
            entries = TypeAdapter(list[tuple[str, tuple[int, int, int, int], kind]]).validate_json(
                b"[" + b",".join(lines) + b"]"
            )
            self._before = {
                name: (state, value, line) for (name, state, value), line in zip(entries, lines, strict=True)
            }
        except (ValueError, RecursionError):
            self._content = b""

    def get(self, name: str, state: FileState | None) -> T | None:
        """The value of a file in this state, or None; it stays in the record.

        Args:
            name: of the file.
            state: of the file now.
        """
        entry = self._before.get(name)
        if entry is None or entry[0] != state:
            return None
        self._now[name] = entry[2]
        return entry[1]

    def put(self, name: str, state: FileState | None, value: T) -> None:
        """Note a value. One that would come back as another, such as NaN, or a file without a state, is not noted.

        Args:
            name: of the file.
            state: of the file before the value was read from it.
            value: to give back.
        """
        self._now.pop(name, None)
        self._before.pop(name, None)
        if state is None:
            return
        entry = (name, tuple(state), value)
        try:
            line = self._line.dump_json(entry)  # type: ignore[arg-type]
            if repr(self._line.validate_json(line)) == repr(entry):
                self._now[name] = line
        except ValueError:
            return

    def write(self, finished: bool = True) -> None:
        """Write the record, unless it is as it was.

        Args:
            finished: whether every file was asked for; else those that were not stay in the record.

        Raises:
            OutputError: it cannot be written.
        """
        kept = {} if finished else {name: line for name, (_, _, line) in self._before.items()}
        lines = {**kept, **self._now}
        content = b"".join(lines[name] + b"\n" for name in sorted(lines))
        if content == self._content:
            return
        write_whole(self._path, _head(content) + content)
        self._content = content


def record_path(out: Path, name: str) -> Path:
    """File of a record among the results."""
    return out / f"known_{name}.jsonl"


def _head(content: bytes) -> bytes:
    head = {"format": FORMAT, "osteolens": version("osteolens"), "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(head).encode() + b"\n"


def _content(path: Path) -> bytes:
    """Lines of a record below its head, none of one that is not whole, or is of another program."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return b""
        head, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return b""
    return content if head + b"\n" == _head(content) else b""
