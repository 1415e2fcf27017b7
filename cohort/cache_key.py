"""Digests of what a cache was made from; a cache whose digest differs is made anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cohort.io.annotations import Rois
from cohort.io.digest import sha256_of
from cohort.spine import VertebralLevel, View
from cohort.study import Study
from osteolens.atomic import write_whole
from osteolens.processes import available_cores

RECIPE = 3
"""Number that changes with how images are read or crops are cut, so that caches of an older program are made anew."""


def digest_of_parts(*parts: object) -> str:
    """SHA-256 of plain values, the recipe included."""
    text = json.dumps([RECIPE, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def state_of_images(studies: Iterable[Study]) -> list[tuple[str, str, str, str]]:
    """(study, view, name, SHA-256 of the content) of every image; nothing for the content of a file that is gone.

    Size and time of change do not tell: a corrected image that was copied with its time stamp has the same.
    """
    images = [(study.study_uid, str(view), path) for study in studies for view, path in study.images]
    with ThreadPoolExecutor(available_cores()) as pool:
        contents = pool.map(_content, [path for *_, path in images])
        return [(uid, view, path.name, content) for (uid, view, path), content in zip(images, contents, strict=True)]


def _content(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""


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
    studies: Iterable[Study],
) -> list[tuple[str, str, str, str]]:
    """A digest of every outline of some studies."""
    study_uids = {study.study_uid for study in studies}
    return [
        (uid, view.value, level.value, hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest())
        for (uid, view), by_level in sorted(outlines.items())
        if uid in study_uids
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
