"""Received instances on the disk: checked, given a name that no tag decides, and entered in the queue."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from osteolens.atomic import make_folder
from osteolens.errors import ReadError
from pipeline.node.queue import State, StudyQueue

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
"""Source: DICOM PS3.5 9.1, form and length of UIDs."""

_PARSE_ERRORS = (ValueError, KeyError, AttributeError, TypeError, OverflowError, NotImplementedError, IndexError)
"""What pydicom raises for a broken data set, beside its own error and those of reading."""

_READ_ERRORS = (*_PARSE_ERRORS, InvalidDicomError, EOFError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Folders of a node.

    Attributes:
        root: that all of it lies in.
    """

    root: Path

    @property
    def queue(self) -> Path:
        """The SQLite file."""
        return self.root / "queue.sqlite"

    @property
    def incoming(self) -> Path:
        """Instances that are being received."""
        return self.root / "incoming"

    @property
    def films(self) -> Path:
        """Received instances, a folder a study."""
        return self.root / "films"

    @property
    def results(self) -> Path:
        """Results, a folder a study, and in it one a claim."""
        return self.root / "results"

    @property
    def deleted(self) -> Path:
        """What is being deleted."""
        return self.root / "deleted"

    def make(self) -> None:
        """Make them, for this user alone.

        Raises:
            OutputError: they cannot be made.
        """
        for folder in (self.root, self.incoming, self.films, self.results, self.deleted):
            make_folder(folder)
            folder.chmod(0o700)


@dataclass(frozen=True, slots=True)
class Identity:
    """UIDs of an instance, each of a valid form."""

    study_uid: str
    sop_instance_uid: str


def is_uid(text: object) -> bool:
    """Whether a text has the form of a UID."""
    return isinstance(text, str) and len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def read_identity(path: Path, sop_class: str, sop_instance: str) -> Identity:
    """UIDs of a received file; only its header is read.

    Args:
        path: DICOM file.
        sop_class: that the sender named.
        sop_instance: that the sender named.

    Raises:
        ReadError: no data set, a UID that is none, or another object than the sender named; without quoting any of it.
    """
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    try:
        with warnings.catch_warnings(action="ignore"):
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
            found = [str(header.get(tag, "")).rstrip("\0 ") for tag in tags]
    except _READ_ERRORS as error:
        raise ReadError(f"the data set cannot be read ({type(error).__name__})") from error
    if not all(is_uid(uid) for uid in found):
        raise ReadError("a UID of the data set has no valid form")
    if (found[0], found[1]) != (sop_class, sop_instance):
        raise ReadError("the data set is another object than its sender named")
    return Identity(study_uid=found[2], sop_instance_uid=found[1])


class StudyFull(ReadError):
    """A study that has as many instances as are taken."""


def keep_film(queue: StudyQueue, folders: NodeFolders, received: Path, identity: Identity, most_instances: int) -> str:
    """Give a received file its place and enter it in the queue; both last when this returns.

    Args:
        queue: that it is entered in.
        folders: of the node.
        received: file on the same disk.
        identity: its UIDs.
        most_instances: of one study.

    Returns:
        name of the study.

    Raises:
        StudyFull: the study has as many instances as are taken.
        OSError: the disk is full or cannot be written.
    """
    study, instance = queue.name_of(identity.study_uid), queue.name_of(identity.study_uid, identity.sop_instance_uid)
    place = folders.films / study
    sync(received)
    with queue.transaction() as database:
        (others,) = database.execute(
            "SELECT count(*) FROM instances WHERE study = ? AND instance != ?", (study, instance)
        ).fetchone()
        if others >= most_instances:
            raise StudyFull(f"the study has {others} instances already")
        size = received.stat().st_size
        place.mkdir(mode=0o700, exist_ok=True)
        received.replace(place / f"{instance}.dcm")
        sync(place)
        sync(folders.films)
        database.execute("INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?)", (study, instance, size, time.time()))
        _enter(database, study)
    return study


def _enter(database: sqlite3.Connection, study: str) -> None:
    now = time.time()
    database.execute(
        """INSERT INTO studies (study, state, changed, received) VALUES (?, ?, ?, ?) ON CONFLICT (study) DO UPDATE SET
        state = excluded.state, changed = excluded.changed, received = excluded.received, claim = NULL, lease = 0,
        attempts = 0, next_try = 0, reason = '', sent = NULL""",
        (study, State.RECEIVED, now, now),
    )


def take_up(queue: StudyQueue, folders: NodeFolders) -> None:
    """When a node starts: studies wait for their quiet time anew, since nothing could arrive while it was down; films
    that no row names are entered; what was half received or half deleted is removed.

    Raises:
        OSError: the disk cannot be written.
    """
    with queue.transaction() as database:
        database.execute("UPDATE studies SET received = ? WHERE state = ?", (time.time(), State.RECEIVED))
        known = {study for (study,) in database.execute("SELECT study FROM studies").fetchall()}
        for place in folders.films.iterdir():
            if place.is_dir() and place.name not in known:
                _enter(database, place.name)
    remove_stale(folders)


def remove_stale(folders: NodeFolders) -> None:
    """Remove what was set aside to be deleted, and half received files that no process can still be writing."""
    for path in folders.incoming.iterdir():
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
    for path in folders.deleted.iterdir():
        shutil.rmtree(path, ignore_errors=True)


STALE_SECONDS = 900
"""Age of a half received file that no process can still be writing."""


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
