"""Files that are written whole or not at all, under names of their own that follow no link."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from osteolens.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a temporary file beside the target, then rename it.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}-", suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(raw)
            Path(name).chmod(0o666 & ~_UMASK)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> OutputError:
    """What to tell of a file that cannot be written."""
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
