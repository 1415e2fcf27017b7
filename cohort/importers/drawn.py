"""Images with what was drawn on them: levels and views from the words of labels and file names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cohort.dicom import view_from_text
from cohort.errors import ReadError
from cohort.index import Skipped
from cohort.roi import roi_boxes
from cohort.spine import VertebraBox, VertebralLevel, View

_LEVEL = re.compile(r"(?<![A-Za-z0-9])(T1[0-2]|L[1-5]|S1)(?![0-9])", re.IGNORECASE)

Polygon = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One image with what was drawn on it.

    Attributes:
        path: the image.
        study: name of the study's folder.
        view: AP or lateral.
        boxes: ROIs taken as drawn.
        outlines: bodies whose ROI follows from the rule.
    """

    path: Path
    study: str
    view: View
    boxes: Mapping[VertebralLevel, tuple[float, float, float, float]] = field(default_factory=dict)
    outlines: Mapping[VertebralLevel, Polygon] = field(default_factory=dict)

    @property
    def rois(self) -> tuple[VertebraBox, ...]:
        """Every ROI of this image; a drawn box wins over one from an outline."""
        by_rule = {box.level: box for box in roi_boxes(self.outlines, None)} if self.outlines else {}
        drawn = {level: VertebraBox(level, *corners) for level, corners in self.boxes.items()}
        return tuple({**by_rule, **drawn}.values())


def level_of(text: str) -> VertebralLevel | None:
    """The level that a category's name spells (`L1`, `AP_L1`, `l3 lateral`), or None."""
    found = _LEVEL.search(re.sub(r"[_\-./]+", " ", text))
    return VertebralLevel(found.group(1).upper()) if found else None


def study_of(path: Path) -> str:
    """Name of an image's study: its stem without the view's letters, or its folder."""
    words = re.sub(r"[_\-. ]+", " ", path.stem).split()
    kept = [word for word in words if view_from_text(word) is None]
    return "_".join(kept) or path.parent.name


def drawn_images(
    shapes: Mapping[Path, Sequence[tuple[str, Polygon, bool]]], root: Path
) -> tuple[list[DrawnImage], list[Skipped]]:
    """Images with levels and a view; the others with the reason why not."""
    images, skipped = [], []
    for path, own in shapes.items():
        view = view_from_text(path.stem) or view_from_text(path.parent.name)
        view = view or next((v for name, _, _ in own if (v := view_from_text(name)) is not None), None)
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            skipped.append(Skipped(path, "the image is missing or lies outside the source"))
            continue
        if view is None:
            skipped.append(Skipped(path, "neither its name, its folder nor its labels tell AP from lateral"))
            continue
        boxes, outlines = {}, {}
        for name, points, is_outline in own:
            level = level_of(name)
            if level is None:
                skipped.append(Skipped(path, f"label {name!r} names no vertebral level"))
            elif is_outline:
                outlines[level] = points
            else:
                low, high = points.min(0), points.max(0)
                boxes[level] = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        images.append(DrawnImage(path, study_of(path), view, boxes, outlines))
    return images, skipped


def only_file(folder: Path, pattern: str) -> Path:
    """The file itself, or the one of a folder that a pattern fits.

    Raises:
        ReadError: none fits, or several do.
    """
    if folder.is_file():
        return folder
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(found) != 1:
        raise ReadError(f"{folder}: found {len(found)} files {pattern}, expected one; name the file itself")
    return found[0]
