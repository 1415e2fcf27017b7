"""Work for processes of a test."""

from __future__ import annotations

import os
import time
from pathlib import Path


def sleep_and_note(folder: str) -> None:
    """Leave a file with the number of this process, and sleep."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(3)
