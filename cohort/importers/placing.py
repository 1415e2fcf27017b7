"""Drawn shapes onto their images: pixels, levels and views, each level once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePath

from cohort.exporters.manifest import ExportedImage, read_manifest
from cohort.importers.drawn import (
    NO_IMAGE,
    NO_LABEL,
    Contents,
    Corners,
    Drawing,
    Drawings,
    DrawnImage,
    LeftOut,
    plain_stem,
    study_of,
)
from cohort.importers.geometry import (
    Canvas,
    Picture,
    Polygon,
    Shape,
    canvas_of,
    fault_of,
    is_rectangle,
    is_turned_rectangle,
    overlap_with,
    read_picture,
)
from cohort.importers.level_names import names_a_body, read_level
from cohort.importers.one_a_level import Placed, by_level
from cohort.importers.options import ImportOptions
from cohort.importers.sources.documents import images_under, without_suffix
from cohort.importers.sources.image_folders import ImageFolders
from cohort.io.dicom.read import looks_like_dicom, read_header
from cohort.io.digest import sha256_of
from cohort.io.view_names import view_from_path, view_from_text
from cohort.roi_rule import roi_boxes
from cohort.spine import VertebralLevel, View
from osteolens.errors import ReadError

TURNED = "turned boxes became the upright boxes around them"

TO_CONFIRM = "levels named by the detector, to be confirmed by a reader"


@dataclass(slots=True, kw_only=True)
class _Source:
    """What holds for all images of a source."""

    folders: ImageFolders
    options: ImportOptions
    exported: Mapping[str, ExportedImage]
    only_label: str | None
    listed: list[LeftOut] = field(default_factory=list)

    def is_body(self, label: str) -> bool:
        """Whether a label without level stands for a vertebral body."""
        return names_a_body(label) or label == self.only_label


def drawn_contents(read: Drawings, folders: ImageFolders, options: ImportOptions) -> Contents:
    """Images with levels and a view; every other image of the source and every other shape with the reason why not.

    Args:
        read: what the documents hold.
        folders: images outside them are not taken.
        options: what the user says of the source.

    Raises:
        ReadError: a damaged list of what was exported.
    """
    labels = {shape.label for drawing in read.drawings for shape in drawing.shapes}
    source = _Source(
        folders=folders,
        options=options,
        exported=read_manifest(folders.folders),
        only_label=labels.pop() if len(labels) == 1 else None,
        listed=list(read.left_out),
    )
    images: list[DrawnImage] = []
    ordered = sorted(read.drawings, key=lambda drawing: str(drawing.image))
    groups = [(path, list(group)) for path, group in groupby(ordered, key=lambda drawing: drawing.image)]
    for number, (path, drawings) in enumerate(groups, start=1):
        source.listed += [item for drawing in drawings for item in drawing.left_out]
        try:
            image = _drawn_image(path, drawings, source)
        except ReadError as error:
            source.listed.append(LeftOut(path, str(error)))
        else:
            images += [] if image is None else [image]
        options.progress(number, len(groups))
    known = {drawing.image for drawing in read.drawings} | {item.path for item in source.listed}
    bare = [path for path in images_under(folders.root) if path not in known]
    source.listed += [LeftOut(path, NO_LABEL) for path in bare]
    return Contents(images=images, left_out=source.listed)


def _drawn_image(path: Path, drawings: Sequence[Drawing], source: _Source) -> DrawnImage | None:
    if not source.folders.holds(path):
        raise ReadError(NO_IMAGE)
    shapes = [shape for drawing in drawings for shape in drawing.shapes]
    if not shapes:
        if not any(drawing.left_out for drawing in drawings):
            raise ReadError(NO_LABEL)
        return None
    stem = next((drawing.study_stem for drawing in drawings if drawing.study_stem), "")
    relative = source.folders.relative(path)
    relative = relative.with_name(f"{stem}{relative.suffix}") if stem else relative
    root = source.folders.root.resolve().name
    exported = source.exported.get(plain_stem(relative).casefold())
    view = _view(PurePath(root) / relative, shapes, path) if exported is None else exported.view
    picture = read_picture(path)
    spacings = source.options.spacings_mm
    given = spacings.get(path.name.casefold()) or spacings.get(without_suffix(path.name).casefold())
    picture = replace(picture, spacing_mm=picture.spacing_mm or given)
    notes: list[str] = []
    by_reader: dict[str, list[Placed]] = {}
    to_confirm = False
    for drawing in drawings:
        canvas = canvas_of(picture, drawing.stated_size, [shape.points for shape in drawing.shapes], drawing.relative)
        placed, is_named = _levelled(path, view, _in_pixels(path, drawing, canvas, source, notes), source)
        to_confirm |= is_named
        by_reader.setdefault(drawing.reader or source.options.reader, []).extend(placed)
        notes += [canvas.note] if canvas.note and canvas.note not in notes else []
    drawn = {reader: by_level(path, placed, source.listed) for reader, placed in by_reader.items()}
    drawn = {reader: both for reader, both in drawn.items() if any(both)}
    if not drawn:
        return None
    boxes, outlines = list(drawn.values())[-1]
    if len(drawn) > 1:
        notes.append("several readers; rois.csv has the boxes of the last one")
    image = DrawnImage(
        path=path,
        study=study_of(relative, root) if exported is None else exported.study_uid,
        view=view,
        boxes=boxes,
        outlines=outlines,
        readings={reader: _reading(*both, picture) for reader, both in drawn.items() if reader},
        note="; ".join([*notes, *([TO_CONFIRM] if to_confirm else [])]),
        spacing_mm=picture.spacing_mm,
        size=picture.size,
        to_confirm=to_confirm,
    )
    return image if exported is None else _of_original(image, exported, picture, source)


def _of_original(image: DrawnImage, exported: ExportedImage, picture: Picture, source: _Source) -> DrawnImage:
    """The image that an exported picture was made of, where the user's folder holds it; else the picture.

    Raises:
        ReadError: the picture has another size than was exported.
    """
    if picture.upright != exported.size:
        raise ReadError(
            f"the picture has {picture.upright[0]} x {picture.upright[1]} pixels, exported were {exported.size[0]} x "
            f"{exported.size[1]}; draw on the picture as it was exported"
        )
    if exported.is_as_exported(image.boxes) and not image.outlines:
        image = replace(image, note="; ".join(filter(None, [image.note, "boxes are OsteoLens' own, as exported"])))
    places = [folder / PurePath(exported.original) for folder in source.folders.further]
    originals = [place for place in places if source.folders.holds(place) and sha256_of(place) == exported.sha256]
    if not originals:
        note = "the picture of 8 bits is stored; give --images the folder that was screened to store its film"
        return replace(image, note="; ".join(filter(None, [image.note, note])))
    return replace(image, path=originals[0])


def _view(relative: PurePath, shapes: Sequence[Shape], path: Path) -> View:
    """The view that the name of an image, its folders or its labels spell, else its DICOM header."""
    by_label = {view for shape in shapes if (view := view_from_text(shape.label)) is not None}
    by_name = view_from_path(relative.with_name(f"{plain_stem(relative)}.x"))
    if by_name is not None and by_label == {view for view in View if view is not by_name}:
        raise ReadError(f"its name says {by_name}, its labels say {next(iter(by_label))}; make them agree")
    if by_name is None and not by_label and looks_like_dicom(path):
        by_name = read_header(path).view
    if by_name is None and len(by_label) != 1:
        raise ReadError("neither its name, its folder, its labels nor its header tell AP from lateral")
    return by_name or by_label.pop()


def _in_pixels(
    path: Path, drawing: Drawing, canvas: Canvas, source: _Source, notes: list[str]
) -> list[tuple[Shape, Polygon]]:
    """Shapes that enclose something inside the image, in its pixels; the others are listed."""
    placed: list[tuple[Shape, Polygon]] = []
    for shape in drawing.shapes:
        points = canvas.to_pixels(shape.points)
        reason = fault_of(points)
        if reason is None and overlap_with(points, canvas.picture.size) < 0.5:
            columns, rows = canvas.picture.size
            where = ", ".join(f"{value:.0f}" for value in (*points.min(0), *points.max(0)))
            reason = f"it lies outside its image of {columns} x {rows} pixels ({where})"
        if reason is not None:
            source.listed.append(LeftOut(path, reason, shape.label))
            continue
        is_box = not shape.is_outline or (shape.is_of_one_kind and is_turned_rectangle(points))
        if is_box and len(points) > 2 and not is_rectangle(points) and TURNED not in notes:
            notes.append(TURNED)
        placed.append((replace(shape, is_outline=not is_box), points))
    return placed


def _levelled(
    path: Path, view: View, placed: Sequence[tuple[Shape, Polygon]], source: _Source
) -> tuple[list[Placed], bool]:
    """Shapes with the level that their label spells, or, where none does, that a model gives to each body; and which.

    What has no level is listed.
    """
    read = [(shape, points, read_level(shape.label)) for shape, points in placed]
    named = [Placed(shape=s, points=p, level=name.level) for s, p, name in read if name.level is not None]
    namer = source.options.name_levels
    bodies = [(s, p) for s, p, name in read if name.level is None and source.is_body(s.label)]
    if namer is not None and bodies and not named:
        found = namer(path, view, [points for _, points in bodies])
        for (shape, points), level in zip(bodies, found.levels, strict=True):
            if level is None:
                reason = found.reason or "no level that the detector knows (T11 to S1)"
                source.listed.append(LeftOut(path, reason, shape.label))
            else:
                named.append(Placed(shape=shape, points=points, level=level))
        read = [item for item in read if item[2].level is None and not source.is_body(item[0].label)]
    else:
        namer = None
    for shape, _, name in read:
        if name.level is None:
            source.listed.append(LeftOut(path, name.reason, shape.label, True))
    return named, namer is not None and bool(named)


def _reading(
    boxes: Mapping[VertebralLevel, Corners], outlines: Mapping[VertebralLevel, Polygon], picture: Picture
) -> dict[VertebralLevel, Corners]:
    """ROIs of one reader."""
    by_rule = {box.level: box.corners for box in roi_boxes(outlines, picture.spacing_mm)} if outlines else {}
    return {**by_rule, **boxes}
