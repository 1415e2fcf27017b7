"""Files of a study that a worker of another machine wrote, brought into the folder of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.study import Study
from osteolens.atomic import cannot_write, make_folder, write_whole
from osteolens.errors import OutputError
from pipeline.dicom_objects.write import MOST_REPORT_BYTES, report_path
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.output.run_record import study_files
from pipeline.screening.stored_study import StoredStudy

_ORDER = ("overlays", "studies")
"""Folders in the order in which a study's files are written; objects follow the result that they are of."""


@dataclass(frozen=True, slots=True)
class ReturnedStudy:
    """A study with the files that were written of it, by their path in the folder of results."""

    stored: StoredStudy
    files: Mapping[str, bytes]


def needed_files(study: Study, config: ScreeningConfig, out: Path) -> dict[str, bytes]:
    """What a worker needs of an earlier result: its report, which the new one succeeds."""
    path = report_path(study.study_uid, out)
    if not config.dicom.objects or not path.is_file() or path.stat().st_size > MOST_REPORT_BYTES:
        return {}
    return {path.relative_to(out).as_posix(): path.read_bytes()}


def place_files(files: Mapping[str, bytes], out: Path) -> None:
    """Write files below a private folder.

    Raises:
        OutputError: a file cannot be written.
    """
    for name, content in files.items():
        make_folder((out / name).parent)
        write_whole(out / name, content)


def taken_files(study_uid: str, out: Path) -> dict[str, bytes]:
    """The files of a study in a private folder, in the order of writing; they are removed there."""
    present = [path for path in study_files(study_uid, out) if path.is_file()]
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in present}
    for path in present:
        path.unlink()
    return dict(sorted(files.items(), key=lambda item: _rank(item[0])))


def keep_returned(returned: ReturnedStudy, out: Path) -> StoredStudy:
    """Write a study's files in place of those of an earlier result.

    Raises:
        OutputError: a file cannot be written, or is none that a study has.
    """
    uid = returned.stored.row.study_uid
    expected = study_files(uid, out)
    if foreign := sorted({out / name for name in returned.files} - set(expected)):
        raise OutputError(f"study {uid}: a worker returned {foreign[0].name}, which is no file of this study")
    for path in expected:
        if path.relative_to(out).as_posix() not in returned.files:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(path, error) from error
    place_files(returned.files, out)
    return returned.stored


def _rank(name: str) -> int:
    top = name.split("/", maxsplit=1)[0]
    return _ORDER.index(top) if top in _ORDER else len(_ORDER)
