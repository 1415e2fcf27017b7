"""One of the known formats into a cohort folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from cohort.importers.dicom_sr import read_dicom_sr
from cohort.importers.documents import copy_file
from cohort.importers.drawn import Contents, DrawnImage, LeftOut
from cohort.importers.formats.coco import read_coco
from cohort.importers.formats.cvat import read_cvat
from cohort.importers.formats.labelme import read_labelme
from cohort.importers.formats.yolo import read_yolo
from cohort.importers.public_sets.buu_lspine import read_buu_lspine
from cohort.importers.public_sets.lumos import gather, read_lumos
from cohort.io.annotations import Rois, write_readings, write_rois
from cohort.io.folder import index_cohort
from cohort.io.safe_names import safe_name
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.writer import write_cohort_csv
from cohort.spine import VertebraBox, View
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, ReadError

NAMED = 5
"""Number of files that a message names; the others are counted."""


class ImportFormat(StrEnum):
    """What can be imported."""

    COCO = "coco"
    YOLO = "yolo"
    LABELME = "labelme"
    CVAT = "cvat"
    BUU_LSPINE = "buu-lspine"
    LUMOS = "lumos"
    DICOM_SR = "dicom-sr"


READERS: Mapping[ImportFormat, Callable[[Path], Contents]] = {
    ImportFormat.COCO: read_coco,
    ImportFormat.YOLO: read_yolo,
    ImportFormat.LABELME: read_labelme,
    ImportFormat.CVAT: read_cvat,
    ImportFormat.BUU_LSPINE: read_buu_lspine,
    ImportFormat.LUMOS: read_lumos,
    ImportFormat.DICOM_SR: read_dicom_sr,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import made of its source.

    Attributes:
        studies: studies of the new cohort folder.
        images: images in it.
        rois: lines of its rois.csv.
        skipped: every file and shape that is not used.
        notes: what a reader should know of the source and of how it was read.
    """

    studies: int
    images: int
    rois: int
    skipped: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Plain values, every file that is not used by name."""
        skipped = [
            {"file": visible(item.path), "label": visible(item.label), "reason": visible(item.reason)}
            for item in self.skipped
        ]
        counts = {"studies": self.studies, "images": self.images, "rois": self.rois}
        return {**counts, "skipped": skipped, "notes": [visible(note) for note in self.notes]}


def import_cohort(source_format: ImportFormat, source: Path, out: Path) -> ImportReport:
    """Read a source in one of the formats and write a cohort folder, whole or not at all.

    Args:
        source_format: of the source.
        source: folder or file to read.
        out: folder to write; new or empty.

    Raises:
        ConfigError: the output folder holds files already or cannot be written.
        ReadError: nothing of the source can be used; the message gives the reasons.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file; name a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: the folder is not empty; choose a new one, so that nothing is mixed")
    contents = READERS[source_format](source)
    if not contents.images:
        raise _nothing(source_format, source, contents.left_out)
    try:
        with _staging_folder(out) as staging:
            report = _write(contents, staging)
            if not report.images:
                raise _nothing(source_format, source, report.skipped)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror or error}); nothing was left there") from error
    return report


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


def _nothing(source_format: ImportFormat, source: Path, left_out: Sequence[LeftOut]) -> ReadError:
    """The error of an import that holds no image, with the most frequent reasons and a file for each."""
    reasons = [
        f"{visible(where[0])}: {visible(reason)}" + (f" ({len(where)} times)" if len(where) > 1 else "")
        for reason, where in by_reason(left_out)[:3]
    ]
    why = "; ".join(reasons) or "no file of this format"
    return ReadError(f"{source}: nothing to import as {source_format} ({why})")


@contextmanager
def _staging_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside the target; it takes the target's name at the end and is removed after an error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name[:80]}-{uuid4().hex[:8]}.partial"
    staging.mkdir()
    try:
        yield staging
        if out.is_dir():
            out.rmdir()
        staging.replace(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(contents: Contents, staging: Path) -> ImportReport:
    left_out = list(contents.left_out)
    places = _store_all(contents.images, staging, left_out)
    gather({path: image.study for path, image in places.items() if image.regroup})
    studies = index_cohort(staging).studies
    drawn_of: dict[str, list[DrawnImage]] = {}
    rois: Rois = {}
    readings: dict[str, Rois] = {}
    for study in studies:
        images_of_study = [(view, places.pop(path)) for view, path in study.images if path in places]
        drawn_of[study.study_uid] = [image for _, image in images_of_study]
        rois |= {(study.study_uid, view): boxes for view, boxes in _rois(images_of_study, left_out).items()}
        for reader, boxes_by_view in _readings(images_of_study).items():
            readings.setdefault(reader, {}).update({(study.study_uid, view): b for view, b in boxes_by_view.items()})
    left_out += [LeftOut(image.path, "the cohort folder does not read it") for image in places.values()]
    if rois:
        write_rois(staging / "rois.csv", rois, decimals=2)
    if len(readings) > 1:
        write_readings(staging / "readers.csv", readings)
    rows = _rows(contents.rows, drawn_of, left_out)
    if rows:
        write_cohort_csv(staging / "cohort.csv", rows)
    images = [image for group in drawn_of.values() for image in group]
    by_note: dict[str, list[str]] = {}
    for image in images:
        if image.note:
            by_note.setdefault(image.note, []).append(image.path.name)
    notes = [*contents.notes, *(f"{note}: {named(paths)}" for note, paths in by_note.items())]
    return ImportReport(
        studies=len(studies),
        images=len(images),
        rois=sum(map(len, rois.values())),
        skipped=tuple(left_out),
        notes=tuple(notes),
    )


def _store_all(images: Sequence[DrawnImage], staging: Path, left_out: list[LeftOut]) -> dict[Path, DrawnImage]:
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
            if image.store is None:
                copy_file(image.path, target)
            else:
                image.store(target)
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
