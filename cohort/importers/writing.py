"""The contents of a source as the files of a cohort folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cohort.importers.drawn import Contents, DrawnImage, LeftOut
from cohort.importers.geometry import Polygon, Size
from cohort.importers.options import ImportOptions
from cohort.importers.public_sets.lumos import gather
from cohort.importers.report import ImportReport, named
from cohort.importers.sources.documents import copy_file
from cohort.io.annotations import TO_CONFIRM, Rois, write_outlines, write_readings, write_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import PLAIN_SUFFIXES
from cohort.io.safe_names import safe_name
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.writer import write_cohort_csv
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View
from cohort.study import Study
from osteolens.errors import ReadError

DECIMALS = 2
"""Of corners in pixels."""

ROIS, OUTLINES, READERS = "rois.csv", "annotations.json", "readers.csv"

OUTLINES_TO_CONFIRM = "annotations-to-confirm.json"
"""Outlines of the boxes in rois-to-confirm.csv."""


_Stored = tuple[View | None, DrawnImage, Path]
"""An image, its view by its header, and where it was stored."""


@dataclass(slots=True, kw_only=True)
class _Tables:
    """What is drawn on the images of one kind: levels by readers, or levels to be confirmed."""

    rois: Rois = field(default_factory=dict)
    outlines: dict[str, Mapping[VertebralLevel, Polygon]] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)

    def take(self, study: Study, images: Sequence[_Stored], left_out: list[LeftOut]) -> None:
        """Add the images of one study."""
        boxes_by_view = _rois([(view, image) for view, image, _ in images], left_out)
        self.rois |= {(study.study_uid, view): boxes for view, boxes in boxes_by_view.items()}
        for _, image, path in images:
            if image.outlines and image.size is not None and boxes_by_view.get(image.view) == image.rois:
                name = "/".join(path.parts[-2:])
                self.outlines[name], self.sizes[name] = image.outlines, image.size

    def write(self, rois: Path, outlines: Path) -> None:
        """Write the tables that hold something."""
        if self.rois:
            write_rois(rois, self.rois, DECIMALS)
        if self.outlines:
            write_outlines(outlines, self.outlines, self.sizes)


def write_contents(contents: Contents, staging: Path, options: ImportOptions) -> ImportReport:
    """Write images, rois.csv, readers.csv, annotations.json and cohort.csv into an empty folder.

    Without `options.writes` the folder is a passing one, and images in it are links.

    Raises:
        OSError: it cannot be written.
    """
    left_out = list(contents.left_out)
    places = _store_all(contents.images, staging, left_out, options.writes)
    gather({path: image.study for path, image in places.items() if image.regroup})
    studies = index_cohort(staging).studies
    drawn_of: dict[str, list[DrawnImage]] = {}
    confirmed, to_confirm = _Tables(), _Tables()
    readings: dict[str, Rois] = {}
    for study in studies:
        images = [(view, places.pop(path), path) for view, path in study.images if path in places]
        drawn_of[study.study_uid] = [image for _, image, _ in images]
        confirmed.take(study, [item for item in images if not item[1].to_confirm], left_out)
        to_confirm.take(study, [item for item in images if item[1].to_confirm], left_out)
        for reader, boxes in _readings([(v, image) for v, image, _ in images if not image.to_confirm]).items():
            readings.setdefault(reader, {}).update({(study.study_uid, view): b for view, b in boxes.items()})
    left_out += [LeftOut(image.path, "the cohort folder does not read it") for image in places.values()]
    confirmed.write(staging / ROIS, staging / OUTLINES)
    to_confirm.write(staging / TO_CONFIRM, staging / OUTLINES_TO_CONFIRM)
    if len(readings) > 1 or (readings and options.reader):
        write_readings(staging / READERS, {reader: _rounded(rois) for reader, rois in readings.items()})
    rows = _with_spacings(_rows(contents.rows, drawn_of, left_out), drawn_of, left_out)
    if rows:
        write_cohort_csv(staging / "cohort.csv", rows)
    images_in_all = [image for group in drawn_of.values() for image in group]
    return ImportReport(
        studies=len(studies),
        images=len(images_in_all),
        rois=sum(map(len, confirmed.rois.values())),
        by_level=_by_level(confirmed.rois),
        outlines=sum(map(len, (*confirmed.outlines.values(), *to_confirm.outlines.values()))),
        to_confirm=sum(map(len, to_confirm.rois.values())),
        skipped=tuple(left_out),
        notes=(*contents.notes, *_notes(images_in_all)),
        written=options.writes,
    )


def _with_spacings(
    rows: dict[str, CohortRow], drawn_of: Mapping[str, Sequence[DrawnImage]], left_out: list[LeftOut]
) -> dict[str, CohortRow]:
    """Rows with the spacing of plain images, where those of a study agree."""
    for uid, images in drawn_of.items():
        plain = [image for image in images if image.path.suffix.lower() in PLAIN_SUFFIXES]
        spacings = {image.spacing_mm[0] for image in plain if image.spacing_mm is not None}
        if len(spacings) > 1:
            reason = (
                "the images of its study have several pixel spacings; cohort.csv holds one a study, so none is kept"
            )
            left_out.append(LeftOut(plain[0].path, reason))
        elif spacings:
            rows[uid] = replace(rows.get(uid, CohortRow()), pixel_spacing_mm=spacings.pop())
    return rows


def _rounded(rois: Rois) -> Rois:
    return {
        key: tuple(VertebraBox(box.level, *(round(value, DECIMALS) for value in box.corners)) for box in boxes)
        for key, boxes in rois.items()
    }


def _by_level(rois: Rois) -> dict[str, int]:
    counts = Counter(box.level for boxes in rois.values() for box in boxes)
    return {level.value: counts[level] for level in LEVELS if counts[level]}


def _notes(images: Sequence[DrawnImage]) -> list[str]:
    by_note: dict[str, list[str]] = {}
    for image in images:
        if image.note:
            by_note.setdefault(image.note, []).append(image.path.name)
    return [f"{note}: {named(paths)}" for note, paths in by_note.items()]


def _store_all(
    images: Sequence[DrawnImage], staging: Path, left_out: list[LeftOut], writes: bool
) -> dict[Path, DrawnImage]:
    """Write every image; those that cannot be written and second ones of a view are listed."""
    places: dict[Path, DrawnImage] = {}
    taken: set[tuple[str, str]] = set()
    for image in images:
        folder = safe_name(image.study)
        if (folder, image.view) in taken:
            left_out.append(LeftOut(image.path, f"second {image.view} image of study {image.study}"))
            continue
        suffix = image.path.suffix.lower() if image.suffix is None else image.suffix
        target = staging / folder / f"{image.view}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if image.store is not None:
                image.store(target)
            elif writes or image.regroup:
                copy_file(image.path, target)
            else:
                target.symlink_to(image.path.resolve())
        except ReadError as error:
            left_out.append(LeftOut(image.path, str(error)))
            target.unlink(missing_ok=True)
            continue
        taken.add((folder, image.view))
        places[target] = image
    for folder_path in [path for path in staging.iterdir() if not any(path.iterdir())]:
        folder_path.rmdir()
    return places


def _rois(
    images: Sequence[tuple[View | None, DrawnImage]], left_out: list[LeftOut]
) -> dict[View, tuple[VertebraBox, ...]]:
    """Boxes of one study by view: of one image a view, whose header does not give the other view."""
    boxes_by_view: dict[View, tuple[VertebraBox, ...]] = {}
    for view, image in images:
        boxes = image.rois
        if boxes and view is not None and view is not image.view:
            reason = f"its header says {view}, its name or labels say {image.view}; its ROIs are not written"
            left_out.append(LeftOut(image.path, reason))
        elif boxes and image.view in boxes_by_view:
            reason = f"its header makes it a second {image.view} image of a study; its ROIs are not written"
            left_out.append(LeftOut(image.path, reason))
        elif boxes:
            boxes_by_view[image.view] = boxes
    return boxes_by_view


def _readings(
    images: Sequence[tuple[View | None, DrawnImage]],
) -> dict[str, dict[View, tuple[VertebraBox, ...]]]:
    """Boxes of one study by reader and view, where `_rois` takes some of the image."""
    readers = dict.fromkeys(reader for _, image in images for reader in image.readings)
    return {
        reader: _rois([(view, replace(image, boxes=image.readings.get(reader, {}))) for view, image in images], [])
        for reader in readers
    }


def _rows(
    rows: Mapping[str, CohortRow], drawn_of: Mapping[str, Sequence[DrawnImage]], left_out: list[LeftOut]
) -> dict[str, CohortRow]:
    """Rows under the names by which the cohort folder knows their studies; of several that differ none is taken."""
    by_uid = {}
    for uid, images in drawn_of.items():
        names = [name for name in dict.fromkeys(image.study for image in images) if name in rows]
        if any(rows[name] != rows[names[0]] for name in names):
            reason = f"headers make one study of {', '.join(names)}, whose lines differ; none of them is written"
            left_out.append(LeftOut(images[0].path, reason))
        elif names:
            by_uid[uid] = rows[names[0]]
    return by_uid
