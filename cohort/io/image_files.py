"""Which files of a folder are images, and what their headers say; many are read by several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

from cohort.io.dicom.read import DICOM_SUFFIXES, NO_HEADER, Header, read_header
from cohort.io.radiograph import PLAIN_SUFFIXES, format_of, unknown_format
from cohort.io.tables.words import named_patient
from cohort.io.view_names import study_key, view_from_path
from cohort.io.walk import Skipped
from cohort.spine import View
from osteolens.errors import ReadError
from osteolens.processes import available_cores, spawn_context
from osteolens.progress import Progress, silent

MANY = 4000
"""Files from which further processes pay for their start, which takes as long as a few thousand headers."""

MOST_PROCESSES = 16
"""Processes that read headers; the disk sets the pace beyond."""

A_SHARE = 250
"""Files that a process takes at a time."""

_ASIDE = (".csv", ".json", ".txt", ".md", ".yaml", ".yml", ".xml", ".html", ".pdf", ".partial", ".onnx", ".safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """One image file before it belongs to a study.

    Attributes:
        path: of the file.
        key: of the study that it belongs to.
        patient_id: by the header or the path; empty where the header names none.
        view: AP or lateral, or None.
        header: of a DICOM file.
    """

    path: Path
    key: str
    patient_id: str
    view: View | None
    header: Header


def described_files(files: Sequence[Path], root: Path, progress: Progress = silent) -> Iterator[ImageFile | Skipped]:
    """What each file is, in their order.

    Args:
        files: below the root.
        root: folder that is read.
        progress: told after each share of the files.
    """
    name = root.resolve().name or "study"
    done = 0
    for done, file in enumerate(_described_by_all_cores(files, root, name), start=1):
        yield file
        if done % A_SHARE == 0 or done == len(files):
            progress(done, len(files))


def _described_by_all_cores(files: Sequence[Path], root: Path, name: str) -> Iterator[ImageFile | Skipped]:
    done, processes = 0, min(available_cores(), MOST_PROCESSES)
    if len(files) >= MANY and processes > 1 and not multiprocessing.current_process().daemon:
        relative = [path.relative_to(root) for path in files]
        try:
            with ProcessPoolExecutor(processes, spawn_context(), _leave_signals) as pool:
                for file in pool.map(described, files, relative, repeat(name), chunksize=A_SHARE):
                    yield file
                    done += 1
        except BrokenProcessPool:  # one of them lacked memory; the rest is read here
            pass
    for path in files[done:]:
        yield described(path, path.relative_to(root), name)


def _leave_signals() -> None:
    """The parent alone hears a stop from the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def described(path: Path, relative: Path, root_name: str) -> ImageFile | Skipped:
    """Study key, patient, view and header of one file, or why it is no image.

    Args:
        path: of the file.
        relative: path from the folder that is read.
        root_name: name of that folder.
    """
    suffix = path.suffix.lower()
    if suffix in _ASIDE or path.name.upper() == "DICOMDIR":
        return Skipped(path, "no image file")
    path_key = study_key(relative, root_name)
    try:
        kind = format_of(path)
    except OSError as error:
        return Skipped(path, f"cannot be opened ({error.strerror})")
    alone = ImageFile(path=path, key=str(relative), patient_id=str(relative), view=None, header=NO_HEADER)
    if kind is None:
        return alone if suffix in (*PLAIN_SUFFIXES, *DICOM_SUFFIXES) else Skipped(path, unknown_format(path))
    if kind == "DICOM":
        return _dicom(alone, path_key, view_from_path(relative))
    return replace(alone, key=path_key, patient_id=path_key, view=view_from_path(relative))


def _dicom(alone: ImageFile, path_key: str, view: View | None) -> ImageFile | Skipped:
    """A DICOM object by its header; one that cannot be read stays alone."""
    try:
        header = read_header(alone.path)
    except ReadError:
        return alone
    if header.no_radiograph is not None:
        return Skipped(alone.path, f"holds {header.no_radiograph}, no radiograph")
    key = header.study_uid or path_key
    return replace(
        alone, key=key, patient_id=named_patient(header.patient_id) or "", view=header.view or view, header=header
    )
