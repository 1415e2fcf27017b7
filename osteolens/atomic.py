"""Files that are written whole or not at all, through a temporary file of a random name beside the target."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from osteolens.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a temporary file beside the target, then rename it.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    with whole_file(path) as unfinished:
        unfinished.write_bytes(raw)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index, whole or not at all.

    Raises:
        OutputError: as `write_whole`.
    """
    write_whole(path, table.to_csv(index=False, lineterminator="\n"))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside the target, for what writes files itself; it takes the target's name at the end.

    After an error the target is as it was, and the temporary file is gone.

    Args:
        path: the target.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}-", suffix=".partial")
        os.close(handle)
        unfinished = Path(name)
        try:
            yield unfinished
            unfinished.chmod(0o666 & ~_UMASK)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are not there yet.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Error for a file that cannot be written, with advice by its cause."""
    if error.errno in _FULL:
        return OutputError(
            f"{path}: the disk is full ({error.strerror}); free space, then run the same command to go on"
        )
    return OutputError(f"{path}: cannot be written ({error.strerror}); choose another folder or mend its rights")


def _umask() -> int:
    """The process's mask of rights, which can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
