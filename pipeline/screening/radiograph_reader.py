"""Radiographs read in a process of its own, which is stopped when a file takes too long or too much memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from cohort.io.digest import sha256_of
from cohort.io.radiograph import read_radiograph
from cohort.study import Radiograph, Study
from osteolens.errors import OsteoLensError, StudyError
from osteolens.processes import confine, spawn_context

MEMORY_BYTES = 3 * 2**30
"""Memory that a reading process may take beyond what it starts with; the largest image that is read needs about 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """One image file.

    Attributes:
        sha256: digest of its bytes, empty where they cannot be read.
        radiograph: the image, or None.
        reason: why it could not be read.
    """

    sha256: str
    radiograph: Radiograph | None = None
    reason: str = ""


def read_file(path: Path) -> ReadFile:
    """Read an image and take its digest; whatever is wrong with it becomes a reason."""
    digest = digest_of(path)
    try:
        return ReadFile(sha256=digest, radiograph=read_radiograph(path))
    except OsteoLensError as error:
        return ReadFile(sha256=digest, reason=str(error))


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


Reader = Callable[[Path], ReadFile]
"""What reads a file: this process, or one that can be stopped."""


class RadiographReader:
    """A process that reads one file after another and is replaced when it has to be stopped."""

    def __init__(self, seconds: float) -> None:
        """Start it.

        Args:
            seconds: that one file may take.
        """
        self._seconds = seconds
        self._pool = ProcessPool(max_workers=1, initializer=confine, initargs=(MEMORY_BYTES,), context=spawn_context())

    def __enter__(self) -> RadiographReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def __call__(self, path: Path) -> ReadFile:
        """Read one file; a time-out or a dead process is a reason like any other."""
        try:
            file: ReadFile = self._pool.schedule(read_file, args=(path,), timeout=self._seconds).result()
        except TooLong:
            reason = f"{path.name}: reading took more than {self._seconds:g} s and was stopped; expected a radiograph"
        except ProcessExpired as error:
            reason = f"{path.name}: the process that read it ended (exit code {error.exitcode}); expected a radiograph"
        except MemoryError:
            reason = f"{path.name}: reading takes more than {MEMORY_BYTES / 2**30:.0f} GiB; expected a radiograph"
        else:
            return file
        return ReadFile(sha256=digest_of(path), reason=reason)


@dataclass(frozen=True, slots=True)
class LoadedStudy:
    """A study with its pixels, the images that could not be read, with the reason, and the digest of every file."""

    study: Study
    radiographs: tuple[Radiograph, ...]
    unread: tuple[tuple[Path, str], ...]
    digests: Mapping[Path, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a study without pixels.

        Raises:
            StudyError: none of its images could be read.
        """
        if not self.radiographs:
            raise StudyError("; ".join(reason for _, reason in self.unread) or "the study has no image")


def read_images(study: Study, read: Reader = read_file) -> LoadedStudy:
    """Read all images of a study as far as they can be read."""
    files = [(path, read(path)) for _, path in study.images]
    radiographs = tuple(study.with_spacing(file.radiograph) for _, file in files if file.radiograph is not None)
    unread = tuple((path, file.reason) for path, file in files if file.radiograph is None)
    return LoadedStudy(study, radiographs, unread, {path: file.sha256 for path, file in files})


def read_study(study: Study) -> LoadedStudy:
    """Likewise; raises StudyError where none of its images can be read."""
    (read := read_images(study)).check()
    return read
