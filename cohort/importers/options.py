"""How a source of annotations is imported, beside its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.importers.geometry import Polygon
from cohort.spine import VertebralLevel, View
from osteolens.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class NamedBodies:
    """Levels of bodies that were drawn without one, each None where it is unknown, and why."""

    levels: Sequence[VertebralLevel | None]
    reason: str = ""


LevelNamer = Callable[[Path, View, Sequence[Polygon]], NamedBodies]
"""Names the bodies (pixels of the image as it is read) that are drawn on one image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user says of a source.

    Attributes:
        images: folders of the images, where they do not lie with the annotations.
        reader: who drew; the boxes then go into readers.csv under this name too.
        name_levels: names bodies whose labels are no level; such boxes are to be confirmed.
        spacings_mm: (row, column) spacing of plain images by file name, or by its stem.
        writes: whether the cohort folder is written; else it is only told what would be.
        progress: told of every image.
    """

    images: Sequence[Path] = ()
    reader: str = ""
    name_levels: LevelNamer | None = None
    spacings_mm: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    writes: bool = True
    progress: Progress = silent
