"""Check of weights that a training begins with, before any work is done."""

from __future__ import annotations

from pathlib import Path

from osteolens.errors import WeightsError


def check_start(path: Path, or_folder: bool = False) -> Path:
    """Check that weights to begin with can be opened, before a cohort is read; returns their path.

    Args:
        path: safetensors of a run.
        or_folder: whether a folder of weights is taken too.

    Raises:
        WeightsError: no such file, or no safetensors.
    """
    expected = "expected safetensors of a run" + (", or a folder of weights" if or_folder else "")
    if or_folder and path.is_dir():
        return path
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {expected}")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            return path
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error}); {expected}") from error
