"""Images with what was drawn on them: levels and views from the words of labels and file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePath

import numpy as np

from cohort.importers.documents import images_under, is_file
from cohort.importers.geometry import Canvas, Polygon, Shape, Size, canvas_of, fault_of, overlap_with, read_picture
from cohort.io.tables.rows import CohortRow
from cohort.io.view_names import study_key, view_from_path, view_from_text
from cohort.roi_rule import roi_boxes
from cohort.spine import VertebraBox, VertebralLevel, View
from osteolens.errors import ReadError

_LEVEL = re.compile(r"(?<![A-Za-z0-9])(T1[0-2]|L[1-5]|S1)(?![0-9])", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<![A-Za-z0-9])(T1[0-2]|L[1-5])(\s*[-/]?\s*[TLS][0-9]|\s*[-/]\s*[0-9])", re.IGNORECASE)
_DISC = re.compile(r"(?<![A-Za-z])(dis[ck]s?|ivd)(?![A-Za-z])", re.IGNORECASE)
_ROBOFLOW = re.compile(r"(_(jpe?g|png|tiff?|bmp|webp|dcm))?\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)

LAYOUT = frozenset({"images", "labels", "train", "val", "valid", "validation", "test", "default", "obj_train_data"})
"""Folders of data sets whose names are not part of a study's name."""

Corners = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a shape drawn on it, that was not used.

    Attributes:
        path: the image, or the file with the labels.
        reason: why not.
        label: the shape's label; empty for a file.
    """

    path: Path
    reason: str
    label: str = ""


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

    @property
    def rois(self) -> tuple[VertebraBox, ...]:
        """Every ROI of this image; a drawn box wins over one from an outline."""
        by_rule = {box.level: box for box in roi_boxes(self.outlines, None)} if self.outlines else {}
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
    """

    image: Path
    stated_size: Size | None = None
    relative: bool = False
    shapes: list[Shape] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def refuse(self, label: str, reason: str) -> None:
        """List a shape that is not used."""
        self.left_out.append(LeftOut(self.image, reason, label))


def level_of(text: str) -> VertebralLevel | None:
    """The one level that a label spells (`L1`, `AP_L1`, `l3 lateral`), or None; discs and pairs of levels are none."""
    spaced = re.sub(r"[_\-./]+", " ", text)
    names = {name.upper() for name in _LEVEL.findall(spaced)}
    if len(names) != 1 or _BETWEEN.search(text) or _DISC.search(spaced):
        return None
    return VertebralLevel(names.pop())


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


def drawn_contents(drawings: Sequence[Drawing], root: Path, left_out: Sequence[LeftOut] = ()) -> Contents:
    """Images with levels and a view; every other image of the source and every other shape with the reason why not.

    Args:
        drawings: one or several for each image.
        root: the source's folder; images outside it are not taken.
        left_out: what the format's reader left out already.
    """
    images: list[DrawnImage] = []
    listed = list(left_out)
    ordered = sorted(drawings, key=lambda drawing: str(drawing.image))
    for path, group in groupby(ordered, key=lambda drawing: drawing.image):
        drawings_of_image = list(group)
        listed += [item for drawing in drawings_of_image for item in drawing.left_out]
        try:
            drawn_image = _drawn_image(path, drawings_of_image, root, listed)
        except ReadError as error:
            listed.append(LeftOut(path, str(error)))
            continue
        if drawn_image is not None:
            images.append(drawn_image)
    known = {drawing.image for drawing in drawings} | {item.path for item in listed}
    listed += [LeftOut(path, "no label for this image") for path in images_under(root) if path not in known]
    return Contents(images=images, left_out=listed)


def _drawn_image(path: Path, drawings: Sequence[Drawing], root: Path, listed: list[LeftOut]) -> DrawnImage | None:
    if not is_file(path) or not path.resolve().is_relative_to(root.resolve()):
        raise ReadError("the image is missing or lies outside the source")
    shapes = [shape for drawing in drawings for shape in drawing.shapes]
    if not shapes:
        if not any(drawing.left_out for drawing in drawings):
            raise ReadError("no label for this image")
        return None
    relative = path.relative_to(root) if path.is_relative_to(root) else PurePath(path.name)
    view = _view(PurePath(root.resolve().name) / relative, shapes)
    picture, notes, placed = read_picture(path), [], []
    for drawing in drawings:
        points = [shape.points for shape in drawing.shapes]
        canvas = canvas_of(picture, drawing.stated_size, points, drawing.relative)
        notes += [canvas.note] if canvas.note and canvas.note not in notes else []
        placed += [
            (shape, polygon)
            for shape in drawing.shapes
            if (polygon := _placed(shape, canvas, path, listed)) is not None
        ]
    boxes, outlines = _by_level(path, placed, listed)
    if not boxes and not outlines:
        return None
    study = study_of(relative, root.resolve().name)
    return DrawnImage(path=path, study=study, view=view, boxes=boxes, outlines=outlines, note="; ".join(notes))


def _view(relative: PurePath, shapes: Sequence[Shape]) -> View:
    """The view that the name of an image, its folders or its labels spell."""
    by_label = {view for shape in shapes if (view := view_from_text(shape.label)) is not None}
    by_name = view_from_path(relative.with_name(f"{plain_stem(relative)}.x"))
    if by_name is not None and by_label == {view for view in View if view is not by_name}:
        raise ReadError(f"its name says {by_name}, its labels say {next(iter(by_label))}; make them agree")
    if by_name is None and len(by_label) != 1:
        raise ReadError("neither its name, its folder nor its labels tell AP from lateral")
    return by_name or by_label.pop()


def _placed(shape: Shape, canvas: Canvas, path: Path, listed: list[LeftOut]) -> Polygon | None:
    """A shape's points in pixels of the image, or None, with its reason listed."""
    reason = None if level_of(shape.label) else "the label names no single vertebral level"
    points = canvas.to_pixels(shape.points)
    reason = reason or fault_of(points)
    if reason is None and overlap_with(points, canvas.picture.size) < 0.5:
        columns, rows = canvas.picture.size
        low, high = points.min(0), points.max(0)
        where = ", ".join(f"{value:.0f}" for value in (*low, *high))
        reason = f"it lies outside its image of {columns} x {rows} pixels ({where})"
    if reason is not None:
        listed.append(LeftOut(path, reason, shape.label))
        return None
    return points


def _corners(points: Polygon) -> Corners:
    low, high = points.min(0), points.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _by_level(
    path: Path, placed: Sequence[tuple[Shape, Polygon]], listed: list[LeftOut]
) -> tuple[dict[VertebralLevel, Corners], dict[VertebralLevel, Polygon]]:
    """Boxes and outlines, at most one of each a level; shapes that are not used are listed."""
    boxes: dict[VertebralLevel, Corners] = {}
    outlines: dict[VertebralLevel, Polygon] = {}
    levels = {level for shape, _ in placed if (level := level_of(shape.label)) is not None}
    for level in sorted(levels):
        candidates = [(shape, points) for shape, points in placed if level_of(shape.label) is level]
        chosen, dropped = _chosen(candidates, level)
        listed += [LeftOut(path, reason, shape.label) for shape, reason in dropped]
        for shape, points in chosen:
            if shape.is_outline:
                outlines[level] = points
            else:
                boxes[level] = _corners(points)
    return boxes, outlines


def _chosen(
    candidates: Sequence[tuple[Shape, Polygon]], level: VertebralLevel
) -> tuple[Sequence[tuple[Shape, Polygon]], list[tuple[Shape, str]]]:
    """The drawing of a level to use, and the others with their reasons; a box and the outline in it go together."""
    if len(candidates) == 1:
        return candidates, []
    boxes, bodies = [p for s, p in candidates if not s.is_outline], [p for s, p in candidates if s.is_outline]
    if len(boxes) == len(bodies) == 1:
        middle = (bodies[0].min(0) + bodies[0].max(0)) / 2
        if ((boxes[0].min(0) <= middle) & (middle <= boxes[0].max(0))).all():
            return candidates, []
    first = candidates[0]
    if all(s.is_outline is first[0].is_outline and np.array_equal(p, first[1]) for s, p in candidates):
        return [first], [(shape, f"{level} is drawn again in the same place") for shape, _ in candidates[1:]]
    ranked = sorted(candidates, key=lambda item: item[0].score or 0.0, reverse=True)
    scores = [shape.score for shape, _ in ranked]
    places = "; ".join(", ".join(f"{value:.0f}" for value in _corners(points)) for _, points in candidates)
    if None not in scores and scores[0] != scores[1]:
        reason = f"{level} is drawn {len(candidates)} times ({places}); the one of score {scores[0]:g} is used"
        return ranked[:1], [(shape, reason) for shape, _ in ranked[1:]]
    reason = f"{level} is drawn {len(candidates)} times ({places}) and none is used; keep one"
    return [], [(shape, reason) for shape, _ in candidates]
