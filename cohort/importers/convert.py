"""One of the known formats into a cohort folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cohort.importers.dicom_sr import read_dicom_sr
from cohort.importers.drawn import Contents, Drawings, LeftOut
from cohort.importers.formats.coco import read_coco
from cohort.importers.formats.cvat import read_cvat
from cohort.importers.formats.label_studio import read_label_studio
from cohort.importers.formats.labelme import read_labelme
from cohort.importers.formats.pascal_voc import read_pascal_voc
from cohort.importers.formats.yolo import read_yolo
from cohort.importers.options import ImportOptions
from cohort.importers.placing import drawn_contents
from cohort.importers.public_sets.buu_lspine import read_buu_lspine
from cohort.importers.public_sets.lumos import read_lumos
from cohort.importers.report import ImportFormat, ImportReport, by_reason
from cohort.importers.sources.image_folders import ImageFolders
from cohort.importers.sources.unpacked import unpacked
from cohort.importers.writing import write_contents
from cohort.io.new_folder import check_new, new_folder
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, ReadError

TOOLS: Mapping[ImportFormat, Callable[[Path, ImageFolders], Drawings]] = {
    ImportFormat.COCO: read_coco,
    ImportFormat.YOLO: read_yolo,
    ImportFormat.LABELME: read_labelme,
    ImportFormat.CVAT: read_cvat,
    ImportFormat.PASCAL_VOC: read_pascal_voc,
    ImportFormat.LABEL_STUDIO: read_label_studio,
}
"""Readers of what labelling tools write."""

OTHERS: Mapping[ImportFormat, Callable[[Path], Contents]] = {
    ImportFormat.BUU_LSPINE: read_buu_lspine,
    ImportFormat.LUMOS: read_lumos,
    ImportFormat.DICOM_SR: read_dicom_sr,
}
"""Readers of sources whose images lie at a known place and whose levels have known names."""

NO_OPTIONS = ImportOptions()


def import_cohort(
    source_format: ImportFormat, source: Path, out: Path, options: ImportOptions = NO_OPTIONS
) -> ImportReport:
    """Read a source in one of the formats and write a cohort folder, whole or not at all.

    Args:
        source_format: of the source.
        source: folder, file, or zip as a tool exports it.
        out: folder to write; new or empty.
        options: where images lie, who drew, and whether anything is written.

    Raises:
        ConfigError: the output folder holds files already or cannot be written, or an option that the format lacks.
        ReadError: nothing of the source can be used; the message gives the reasons.
    """
    check_new(out)
    with unpacked(source) if source_format in TOOLS else _as_it_is(source) as (place, refused):
        contents = _read(source_format, place, options)
        left_out = [*refused, *contents.left_out]
        contents = replace(contents, left_out=[_of_source(item, place, source) for item in left_out])
        if not contents.images:
            raise _nothing(source_format, source, contents.left_out)
        with new_folder(out) if options.writes else _passing_folder() as staging:
            report = write_contents(contents, staging, options)
            if not report.images:
                raise _nothing(source_format, source, report.skipped)
    return report


def _read(source_format: ImportFormat, source: Path, options: ImportOptions) -> Contents:
    if source_format in OTHERS:
        given: dict[str, object] = {
            "images": options.images,
            "level names": options.name_levels,
            "spacings": options.spacings_mm,
        }
        if names := [name for name, value in given.items() if value]:
            raise ConfigError(f"{source_format} takes no {' and no '.join(names)}: the source itself holds them")
        return OTHERS[source_format](source)
    read = TOOLS[source_format]
    if source_format is ImportFormat.YOLO and options.name_levels is not None:
        read = partial(read_yolo, needs_names=False)
    folders = ImageFolders(source, options.images)
    return drawn_contents(read(source, folders), folders, options)


@contextmanager
def _as_it_is(source: Path) -> Iterator[tuple[Path, list[LeftOut]]]:
    yield source, []


def _of_source(item: LeftOut, place: Path, source: Path) -> LeftOut:
    """A file of an unpacked zip by its path in the zip."""
    if place == source or not item.path.is_relative_to(place):
        return item
    return replace(item, path=source / item.path.relative_to(place))


def _nothing(source_format: ImportFormat, source: Path, left_out: Sequence[LeftOut]) -> ReadError:
    """The error of an import that holds no image, with the most frequent reasons and a file for each."""
    reasons = [
        f"{visible(where[0])}: {visible(reason)}" + (f" ({len(where)} times)" if len(where) > 1 else "")
        for reason, where in by_reason(left_out)[:3]
    ]
    why = "; ".join(reasons) or "no file of this format"
    return ReadError(f"{source}: nothing to import as {source_format} ({why})")


@contextmanager
def _passing_folder() -> Iterator[Path]:
    """A folder of the system for temporary files, gone afterwards."""
    with TemporaryDirectory(prefix="osteolens-") as temporary:
        yield Path(temporary)
