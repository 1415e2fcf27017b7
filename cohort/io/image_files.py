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
from typing import Protocol

from cohort.io.dicom.read import DICOM_SUFFIXES, NO_HEADER, Header, read_header
from cohort.io.radiograph import PLAIN_SUFFIXES, format_of, unknown_format
from cohort.io.tables.words import named_patient
from cohort.io.view_names import study_key, view_from_path
from cohort.io.walk import Skipped
from cohort.spine import View
from osteolens.errors import ReadError
from osteolens.processes import available_cores, end_with_parent, spawn_context
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


Described = tuple[ImageFile | Skipped, Header | None]
"""What a file is, and its header where it has one."""


class HeaderRecord(Protocol):
    """Headers that an earlier run has read."""

    def get(self, path: Path) -> Header | None:
        """Header of a file that is unchanged since it was read, or None; its state is noted."""

    def add(self, path: Path, header: Header) -> None:
        """Take a header that was read after `get` was asked for it."""

    def write(self) -> None:
        """Keep the headers for the next run, once all files were asked for."""


def described_files(
    files: Sequence[Path], root: Path, progress: Progress = silent, headers: HeaderRecord | None = None
) -> Iterator[ImageFile | Skipped]:
    """What each file is, in their order.

    Args:
        files: below the root.
        root: folder that is read.
        progress: told after each share of the files.
        headers: of an earlier run; the files that it knows are not read.
    """
    name = root.resolve().name or "study"
    known: dict[Path, Header] = {}
    if headers is not None:
        known = {path: header for path in files if (header := headers.get(path)) is not None}
    new = _described_by_all_cores([path for path in files if path not in known], root, name)
    for done, path in enumerate(files, start=1):
        if path in known:
            file, _ = described(path, path.relative_to(root), name, known[path])
        else:
            file, header = next(new)
            if headers is not None and header is not None:
                headers.add(path, header)
        yield file
        if done % A_SHARE == 0 or done == len(files):
            progress(done, len(files))


def _described_by_all_cores(files: Sequence[Path], root: Path, name: str) -> Iterator[Described]:
    done, processes = 0, min(available_cores(), MOST_PROCESSES)
    if len(files) >= MANY and processes > 1 and not multiprocessing.current_process().daemon:
        relative = [path.relative_to(root) for path in files]
        try:
            with ProcessPoolExecutor(processes, spawn_context(), _begin) as pool:
                for file in pool.map(described, files, relative, repeat(name), chunksize=A_SHARE):
                    yield file
                    done += 1
        except BrokenProcessPool:  # one of them lacked memory; the rest is read here
            pass
    for path in files[done:]:
        yield described(path, path.relative_to(root), name)


def _begin() -> None:
    """The parent alone hears a stop from the terminal, and its processes end with it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def described(path: Path, relative: Path, root_name: str, known: Header | None = None) -> Described:
    """Study key, patient, view and header of one file, or why it is no image.

    Args:
        path: of the file.
        relative: path from the folder that is read.
        root_name: name of that folder.
        known: header of the file; without it the file is read.
    """
    suffix = path.suffix.lower()
    if suffix in _ASIDE or path.name.upper() == "DICOMDIR":
        return Skipped(path, "no image file"), None
    alone = ImageFile(path=path, key=str(relative), patient_id=str(relative), view=None, header=NO_HEADER)
    if known is not None:
        return _dicom(alone, relative, root_name, known), known
    try:
        kind = format_of(path)
    except OSError as error:
        return Skipped(path, f"cannot be opened ({error.strerror})"), None
    if kind == "DICOM":
        header = _readable_header(path)
        return alone if header is None else _dicom(alone, relative, root_name, header), header
    if kind is not None:
        path_key = study_key(relative, root_name)
        return replace(alone, key=path_key, patient_id=path_key, view=view_from_path(relative)), None
    return alone if suffix in (*PLAIN_SUFFIXES, *DICOM_SUFFIXES) else Skipped(path, unknown_format(path)), None


def _readable_header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except ReadError:
        return None


def _dicom(alone: ImageFile, relative: Path, root_name: str, header: Header) -> ImageFile | Skipped:
    """A DICOM object by its header."""
    if header.no_radiograph is not None:
        return Skipped(alone.path, f"holds {header.no_radiograph}, no radiograph")
    return ImageFile(
        path=alone.path,
        key=header.study_uid or study_key(relative, root_name),
        patient_id=named_patient(header.patient_id) or "",
        view=header.view or view_from_path(relative),
        header=header,
    )
