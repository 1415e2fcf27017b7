"""A folder that is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from osteolens.errors import ConfigError


def check_new(out: Path) -> None:
    """Check that a folder does not exist yet, or is empty.

    Raises:
        ConfigError: it is a file, or holds files.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file; name a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: the folder is not empty; choose a new one, so that nothing is mixed")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside the target; it takes the target's name at the end and is removed after an error.

    Raises:
        ConfigError: it cannot be written; nothing is left then.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = out.parent / f".{out.name[:80]}-{uuid4().hex[:8]}.partial"
        staging.mkdir()
        try:
            yield staging
            if out.is_dir():
                out.rmdir()
            staging.replace(out)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{out}: cannot be written ({why}); nothing was left there") from error
