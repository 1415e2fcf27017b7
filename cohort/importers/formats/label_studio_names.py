"""File names of Label Studio, which puts eight signs before the name of every picture that is uploaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from cohort.importers.sources.documents import is_file, load_json, without_suffix
from osteolens.errors import ReadError

_HASHED = re.compile(r"[0-9a-f]{8}-(?=.)")


def stem_without_hash(path: PurePath) -> str:
    """The stem of a picture's name as it was uploaded."""
    return _HASHED.sub("", without_suffix(path.name), count=1)


def is_of_label_studio(document: Mapping[str, object]) -> bool:
    """Whether the COCO document, or the notes beside YOLO labels, say that Label Studio wrote them."""
    info = document.get("info")
    return isinstance(info, dict) and str(info.get("contributor", "")).strip().lower() == "label studio"


def is_of_label_studio_folder(folder: Path) -> bool:
    """Whether a folder of YOLO labels holds the notes of Label Studio."""
    notes = folder / "notes.json"
    try:
        return is_file(notes) and is_of_label_studio(load_json(notes, "notes of Label Studio"))
    except ReadError:
        return False
