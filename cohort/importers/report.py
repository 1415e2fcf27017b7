"""What an import made of its source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cohort.importers.drawn import LABEL_ALONE, NO_IMAGE, NO_LABEL, LeftOut
from osteolens.documents.text import visible

NAMED = 5
"""Number of files that a message names; the others are counted."""


class ImportFormat(StrEnum):
    """What can be imported."""

    COCO = "coco"
    YOLO = "yolo"
    LABELME = "labelme"
    CVAT = "cvat"
    PASCAL_VOC = "pascal-voc"
    LABEL_STUDIO = "label-studio"
    BUU_LSPINE = "buu-lspine"
    LUMOS = "lumos"
    DICOM_SR = "dicom-sr"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import made of its source, or would make of it.

    Attributes:
        studies: studies of the new cohort folder.
        images: images in it.
        rois: lines of its rois.csv.
        by_level: those lines by level.
        outlines: bodies with an outline, in its annotations.json.
        to_confirm: boxes whose level the detector named, in rois-to-confirm.csv.
        skipped: every file and shape that is not used.
        notes: what a reader should know of the source and of how it was read.
        written: whether the folder was written.
    """

    studies: int
    images: int
    rois: int
    by_level: Mapping[str, int] = field(default_factory=dict)
    outlines: int = 0
    to_confirm: int = 0
    skipped: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()
    written: bool = True

    @property
    def unknown_names(self) -> dict[str, int]:
        """Labels that name no vertebral level, the most frequent first, and how often each stands."""
        return dict(Counter(item.label for item in self.skipped if item.names_no_level).most_common())

    @property
    def unmatched(self) -> int:
        """Images without labels and labels without an image."""
        return sum(item.reason.startswith((NO_LABEL, NO_IMAGE, LABEL_ALONE)) for item in self.skipped)

    def as_json(self) -> dict[str, object]:
        """Plain values, every file that is not used by name."""
        skipped = [
            {"file": visible(item.path), "label": visible(item.label), "reason": visible(item.reason)}
            for item in self.skipped
        ]
        counts = {"studies": self.studies, "images": self.images, "rois": self.rois, "by_level": dict(self.by_level)}
        return {
            **counts,
            "outlines": self.outlines,
            "to_confirm": self.to_confirm,
            "unmatched": self.unmatched,
            "unknown_names": {visible(name): count for name, count in self.unknown_names.items()},
            "skipped": skipped,
            "notes": [visible(note) for note in self.notes],
            "written": self.written,
        }


def named(items: Sequence[str]) -> str:
    """Names in a sentence: the first few and a count of the rest."""
    shown = ", ".join(visible(item) for item in items[:NAMED])
    return shown if len(items) <= NAMED else f"{shown} and {len(items) - NAMED} more"


def by_reason(left_out: Sequence[LeftOut]) -> list[tuple[str, list[str]]]:
    """Reasons, the most frequent first, each with where it holds; those that differ in numbers alone are one.

    A place is the file's name and the label of the shape that is meant; of several reasons that are one, the first
    stands for all.
    """
    groups: dict[str, tuple[str, list[str]]] = {}
    for item in left_out:
        where = f"{item.path.name} ({item.label})" if item.label else item.path.name
        groups.setdefault(re.sub(r"\d+", "#", item.reason), (item.reason, []))[1].append(where)
    return sorted(groups.values(), key=lambda pair: -len(pair[1]))
