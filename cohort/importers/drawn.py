"""Images with what was drawn on them, as documents hold it and as it is imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from cohort.importers.geometry import Polygon, Shape, Size
from cohort.io.tables.rows import CohortRow
from cohort.io.view_names import study_key
from cohort.roi_rule import roi_boxes
from cohort.spine import VertebraBox, VertebralLevel, View

_ROBOFLOW = re.compile(r"(_(jpe?g|png|tiff?|bmp|webp|dcm))?\.rf\.[0-9A-Za-z_-]+$", re.IGNORECASE)

LAYOUT = frozenset(
    {"images", "labels", "train", "val", "valid", "validation", "test", "default", "obj_train_data"}
    | {
        "obj_validation_data",
        "obj_valid_data",
        "obj_test_data",
        "annotations",
        "jpegimages",
        "data",
        "subset",
        "training",
    }
)
"""Folders of data sets whose names are not part of a study's name."""

NO_LABEL, NO_IMAGE = "no label for this image", "the image is missing or lies outside the source"

LABEL_ALONE = "label without image"
"""How the reason begins where a file of labels has no image."""

Corners = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a shape drawn on it, that was not used.

    Attributes:
        path: the image, or the file with the labels.
        reason: why not.
        label: the shape's label; empty for a file.
        names_no_level: whether the label alone is why.
    """

    path: Path
    reason: str
    label: str = ""
    names_no_level: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnImage:
    """One image with what was drawn on it.

    Attributes:
        path: the image.
        study: name of the study's folder.
        view: AP or lateral.
        boxes: ROIs taken as drawn.
        outlines: bodies whose ROI follows from the rule.
        note: what a reader should know of how it was taken.
        suffix: ending of the stored file's name; None keeps the image's.
        store: writes the image at a path; None copies the file.
        readings: boxes of each reader, where the source names several or one.
        regroup: whether the source, not the headers, decides which radiographs are one study.
        spacing_mm: (row, column) spacing, where it is known.
        size: (columns, rows) of the image as it is read; None where no outline needs it.
        to_confirm: whether a model named the levels, so that a reader has to confirm them.
    """

    path: Path
    study: str
    view: View
    boxes: Mapping[VertebralLevel, Corners] = field(default_factory=dict)
    outlines: Mapping[VertebralLevel, Polygon] = field(default_factory=dict)
    note: str = ""
    suffix: str | None = None
    store: Callable[[Path], None] | None = None
    readings: Mapping[str, Mapping[VertebralLevel, Corners]] = field(default_factory=dict)
    regroup: bool = False
    spacing_mm: tuple[float, float] | None = None
    size: Size | None = None
    to_confirm: bool = False

    @property
    def rois(self) -> tuple[VertebraBox, ...]:
        """Every ROI of this image; a drawn box wins over one from an outline."""
        by_rule = {box.level: box for box in roi_boxes(self.outlines, self.spacing_mm)} if self.outlines else {}
        drawn = {level: VertebraBox(level, *corners) for level, corners in self.boxes.items()}
        return tuple({**by_rule, **drawn}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Contents of a source.

    Attributes:
        images: to be written.
        rows: what is known of a study beside its images, by the study's name.
        left_out: files and shapes that are not used.
        notes: what a reader should know of the source.
    """

    images: Sequence[DrawnImage]
    rows: Mapping[str, CohortRow] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()
    notes: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class Drawing:
    """Shapes of one image as a document holds them, in the units of the document.

    Attributes:
        image: the file that the document names; it may be missing.
        stated_size: (columns, rows) that the document gives, or None.
        relative: whether points are fractions of the size.
        shapes: what was drawn.
        left_out: what the format's reader could not take.
        reader: who drew it, where the document says so.
        study_stem: stem of the image's name without what the tool put before it; empty where that is nothing.
    """

    image: Path
    stated_size: Size | None = None
    relative: bool = False
    shapes: list[Shape] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    reader: str = ""
    study_stem: str = ""

    def refuse(self, label: str, reason: str) -> None:
        """List a shape that is not used."""
        self.left_out.append(LeftOut(self.image, reason, label))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """What a tool's documents hold.

    Attributes:
        drawings: one or several for each image.
        left_out: what the format's reader left out.
    """

    drawings: Sequence[Drawing]
    left_out: Sequence[LeftOut] = ()


def plain_stem(path: PurePath) -> str:
    """The name of an image without its suffix and without what Roboflow adds to it (`_jpg.rf.<hash>`)."""
    return _ROBOFLOW.sub("", path.stem)


def study_of(path: PurePath, source: str = "study") -> str:
    """Name of a study: folders and stem of an image's path, without words for views and parts of data sets.

    Args:
        path: relative to its source.
        source: name where nothing else is left, as for `AP.png`.
    """
    folders = [part for part in path.parts[:-1] if part.lower() not in LAYOUT]
    key = study_key(PurePath(*folders, f"{plain_stem(path)}.x"), root=source)
    return "_".join(re.split(r"[\s_/]+", key))


def stated_size(width: object, height: object) -> Size | None:
    """A size that a document gives, or None where it gives none that an image can have."""
    sides = [side for side in (width, height) if isinstance(side, (int, float)) and 0 < side < 10**6]
    return (round(sides[0]), round(sides[1])) if len(sides) == 2 else None
