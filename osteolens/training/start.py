"""Check of weights that a training begins with, before any work is done."""

from __future__ import annotations

import hashlib
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


def digest_of_start(path: Path) -> str:
    """SHA-256 of a file of weights, or of all safetensors of a folder."""
    digest = hashlib.sha256()
    for part in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        with part.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
