"""Digests of what a cache was made from; a cache whose digest differs is made anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cohort.io.annotations import Rois
from cohort.spine import VertebralLevel, View
from cohort.study import Study
from osteolens.atomic import write_whole

RECIPE = 1
"""Number that changes with how images are read or crops are cut, so that caches of an older program are made anew."""


def digest_of_parts(*parts: object) -> str:
    """SHA-256 of plain values, the recipe included."""
    text = json.dumps([RECIPE, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def state_of_images(studies: Iterable[Study]) -> list[tuple[str, str, str, int, int]]:
    """(study, view, name, bytes, time of change in ns) of every image; a file that is gone has zeros."""
    states = []
    for study in studies:
        for view, path in study.images:
            try:
                status = path.stat()
                size, changed = status.st_size, status.st_mtime_ns
            except OSError:
                size, changed = 0, 0
            states.append((study.study_uid, str(view), path.name, size, changed))
    return states


def state_of_rois(rois: Rois, studies: Iterable[Study]) -> list[tuple[str, str, str, tuple[float, ...]]]:
    """Every box of some studies."""
    study_uids = {study.study_uid for study in studies}
    return [
        (uid, view.value, box.level.value, box.corners)
        for (uid, view), boxes in sorted(rois.items())
        if uid in study_uids
        for box in boxes
    ]


def state_of_outlines(
    outlines: Mapping[tuple[str, View], Mapping[VertebralLevel, npt.NDArray[np.float64]]],
) -> list[tuple[str, str, str, str]]:
    """A digest of every outline."""
    return [
        (uid, view.value, level.value, hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest())
        for (uid, view), by_level in sorted(outlines.items())
        for level, points in sorted(by_level.items())
    ]


def is_made_from(note: Path, digest: str) -> bool:
    """Whether a cache's note carries this digest."""
    try:
        return note.read_text("ascii").strip() == digest
    except (OSError, UnicodeDecodeError):
        return False


def note_made_from(note: Path, digest: str) -> None:
    """Write a cache's note."""
    write_whole(note, digest + "\n")
