"""A reader's file: a line for each change, only ever added to; the last line of a study is what holds."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter, ValidationError

from osteolens.atomic import cannot_write, make_folder
from osteolens.errors import OutputError, ReadError
from pipeline.review.options import READER, ReviewOptions
from pipeline.review.readings.corrections import CorrectionRequest, PredictionsShown, Saved
from pipeline.review.readings.states import Readings, SavedStudies

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # systems without POSIX locks go without
    fcntl = None

log = logging.getLogger(__name__)

_LINE: TypeAdapter[Saved | PredictionsShown] = TypeAdapter(Saved | PredictionsShown)

SUFFIX = ".jsonl"

MOST_FILE_BYTES = 2**30
MOST_LINE_BYTES = 2**20


class ReadingLog:
    """The open file of one reader and round."""

    def __init__(self, descriptor: int, path: Path, options: ReviewOptions) -> None:
        """Read what was saved before; `opened` makes it.

        Raises:
            ReadError: the file is no reader's file.
        """
        self._descriptor, self._path, self._options = descriptor, path, options
        self._lock = threading.Lock()
        self._readings = read_readings_file(path)
        self._elsewhere = shown_to(path.parent, options.reader)
        self._visits: dict[str, float] = {}
        self._is_torn = _is_torn(path)

    @property
    def states(self) -> SavedStudies:
        """What holds of each study that was saved; in a reader study what was said while predictions were hidden."""
        readings = self.readings
        return readings.blind if self._options.reader_study else readings.last

    @property
    def _states(self) -> SavedStudies:
        return self._readings.blind if self._options.reader_study else self._readings.last

    @property
    def readings(self) -> Readings:
        """Everything that the file holds."""
        with self._lock:
            return self._readings.copy()

    def state(self, study_uid: str) -> Saved | None:
        """What holds of one study, None where nothing was saved."""
        with self._lock:
            return self._states.get(study_uid)

    def visited(self, study_uid: str) -> None:
        """A study is opened: its seconds are counted from zero again."""
        with self._lock:
            saved = self._states.get(study_uid)
            self._visits[study_uid] = 0.0 if saved is None else saved.seconds_read

    def predictions_shown(self) -> None:
        """Have it on the disk, before predictions are shown for the first time, that they are.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
        """
        with self._lock:
            if self._readings.shown is None:
                options = self._options
                self._add(PredictionsShown(time=_now(), reader=options.reader, round=options.round))

    def save(self, study_uid: str, request: CorrectionRequest) -> Saved:
        """Add a line, and have it on the disk before anything is told.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
        """
        with self._lock:
            earlier = self._states.get(study_uid)
            saved = Saved(
                time=_now(),
                reader=self._options.reader,
                round=self._options.round,
                study_uid=study_uid,
                seconds=request.seconds,
                seconds_in_all=round(self._visits.get(study_uid, 0.0) + request.seconds, 1),
                hidden_predictions=self._options.reader_study,
                shown_before=(self._elsewhere or self._readings.shown) is not None,
                before=None if earlier is None else earlier.state,
                state=request.state,
            )
            self._add(saved)
            return saved

    def _add(self, saved: Saved | PredictionsShown) -> None:
        """One more line, on the disk.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
        """
        text = saved.model_dump_json().encode("utf-8", "backslashreplace")
        line = b"\n" * self._is_torn + text + b"\n"
        self._is_torn = True
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._is_torn = False
        self._readings.add(saved, text)


@contextmanager
def opened(folder: Path, options: ReviewOptions) -> Iterator[ReadingLog]:
    """Hold the file of a reader for one server.

    Args:
        folder: of the readers' files.
        options: reader and round.

    Raises:
        OutputError: another server holds it, or it cannot be written.
        ReadError: it is no reader's file.
    """
    make_folder(folder)
    path = folder / f"{options.name}{SUFFIX}"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(
                    f"{path}: another server writes for the reader {options.name}; end it, or give another --reader"
                ) from error
        yield ReadingLog(descriptor, path, options)
    finally:
        os.close(descriptor)


def read_readings_file(path: Path) -> Readings:
    """What a reader's file holds; lines that are damaged are counted in the log and left out.

    Raises:
        ReadError: no regular file, too large, or not one line of it can be read.
    """
    readings = Readings()
    damaged = lines = 0
    try:
        if not path.is_file() or path.stat().st_size > MOST_FILE_BYTES:
            raise ReadError(f"{path}: is no reader's file; expected lines of JSON, at most {MOST_FILE_BYTES:,} bytes")
        with path.open("rb") as stream:
            while line := stream.readline(MOST_LINE_BYTES):
                if not line.strip():
                    continue
                lines += 1
                try:
                    readings.add(_LINE.validate_json(line), line.strip())
                except ValidationError:
                    damaged += 1
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}); expected a reader's file") from error
    if lines and damaged == lines:
        raise ReadError(f"{path}: none of {lines} lines can be read; expected a reader's file; set it aside")
    if damaged:
        log.warning("%s: %d of %d lines are damaged and were left out", path.name, damaged, lines)
    return readings


def all_readings(folder: Path) -> dict[str, Readings]:
    """What every reader's file of a folder holds, by reader (`name` or `name.2`).

    Raises:
        ReadError: a file that is no reader's.
    """
    readings = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        name = path.name.removesuffix(SUFFIX)
        if READER.fullmatch(name.removesuffix(".2")) and not path.is_symlink():
            readings[name] = read_readings_file(path)
    return readings


def readings_of(folder: Path, reader: str, round_: int) -> Readings:
    """What a reader's file of one round holds; nothing where there is none.

    Raises:
        ReadError: a file that is no reader's.
    """
    path = folder / f"{ReviewOptions(reader=reader, round=round_).name}{SUFFIX}"
    return read_readings_file(path) if path.is_file() and not path.is_symlink() else Readings()


def shown_to(folder: Path, reader: str) -> datetime | None:
    """When predictions of a folder were first shown to a reader, in any round; None where they never were.

    Raises:
        ReadError: a file that is no reader's.
    """
    moments = [readings_of(folder, reader, round_).shown for round_ in (1, 2)]
    return min((moment for moment in moments if moment is not None), default=None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _is_torn(path: Path) -> bool:
    """Whether the last line of a file has no end, as after a power cut."""
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
