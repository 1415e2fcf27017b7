"""Folders of data that are installed beside the code, found from the code itself: a folder of the same name in the
working directory is never taken for them."""

from __future__ import annotations

from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent


def shipped_weights() -> Path:
    """The folder of weights that is installed with OsteoLens."""
    return _HOME / "weights"


def shipped_examples() -> Path:
    """The six simulated studies that are installed with OsteoLens."""
    return _HOME / "examples"
