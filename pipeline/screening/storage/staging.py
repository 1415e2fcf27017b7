"""A folder of a store on the local disk: fetched file by file, resumed after a stop, removed when its run is done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cohort.io.dicom.read import MAX_FILE_BYTES
from cohort.io.folder import CohortIndex, index_cohort
from cohort.io.walk import MARKER, Skipped
from osteolens.atomic import cannot_write, make_folder
from osteolens.errors import ConfigError, OutputError, ReadError
from osteolens.progress import Progress, silent
from pipeline.screening.output.run_record import locked
from pipeline.screening.rerun.headers import KnownHeaders
from pipeline.screening.storage.listing import Listing, StoredFile, listed, too_large
from pipeline.screening.storage.store import Store, is_address

FOLDER = "staging"
"""Folder of what is fetched, in the folder of results."""

JOURNAL, INCOMING = "fetched.jsonl", "incoming"
"""Size and version of each fetched file, one a line; and the file that is being fetched."""

CHUNK_BYTES = 4 * 2**20

RESERVE_BYTES = 256 * 2**20
"""That stay free on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFolder:
    """A folder that is screened.

    Attributes:
        path: of the folder, or of an image.
        address: that it was fetched from, without credentials; None for what lies here.
        left_out: files of the store that were not fetched, and why.
        staging: folder to remove when the run has finished.
    """

    path: Path
    address: str | None = None
    left_out: tuple[Skipped, ...] = ()
    staging: Path | None = None

    def index(self, exclude: Path | None = None, progress: Progress = silent) -> CohortIndex:
        """Its studies, as `index_cohort` finds them.

        Args:
            exclude: folder of results, which is left out; headers that an earlier run into it has read are not read
                again.
            progress: told after files of a folder.

        Raises:
            ConfigError: the folder to leave out is this one.
            ReadError: it does not exist, or its table cannot be read.
        """
        if exclude is not None and exclude.resolve() == self.path.resolve():
            raise ConfigError(f"{exclude} is the input folder; choose a folder of its own for the results")
        headers = None if exclude is None else KnownHeaders(exclude, self.path)
        index = index_cohort(self.path, exclude=exclude, progress=progress, headers=headers)
        return replace(index, skipped=(*index.skipped, *self.left_out), address=self.address)

    def remove(self) -> None:
        """Remove what was fetched."""
        if self.staging is not None:
            for path in self.staging.iterdir():
                _remove(path)
            self.staging.rmdir()


@contextmanager
def opened(source: str | Path, out: Path, progress: Progress = silent) -> Iterator[StagedFolder]:
    """A folder, image or manifest of this machine as it is, or what `staged` fetches from an address.

    Args:
        source: path or address.
        out: folder of results.
        progress: told after each file that is fetched.

    Raises:
        OsteoLensError: as `staged`.
    """
    if not is_address(source):
        yield StagedFolder(path=Path(source))
        return
    with staged(str(source), out, progress) as folder:
        yield folder


@contextmanager
def staged(address: str, out: Path, progress: Progress = silent) -> Iterator[StagedFolder]:
    """Fetch a folder of a store into `out/staging`, which is held meanwhile; a folder of this machine is used as it is.

    A file that stands with the size and version that the store tells is not fetched again.

    Args:
        address: such as `s3://bucket/films`.
        out: folder of results.
        progress: told after each file.

    Raises:
        MissingExtra: fsspec is not installed.
        ConfigError: the scheme is unknown, or its package is not installed.
        ReadError: nothing lies there, or the store fails.
        OutputError: the disk has too little room or cannot be written, or another run fetches into it.
    """
    store = Store(address)
    if store.is_local:
        yield StagedFolder(path=Path(store.path))
        return
    staging = out / FOLDER
    make_folder(staging)
    if not (staging / MARKER).exists() and any(staging.iterdir()):
        raise OutputError(f"{staging}: holds files of others; films of {store.told} go there: choose another --out")
    with locked(staging):
        listing = listed(store)
        own = staging / hashlib.sha256(store.told.encode()).hexdigest()[:12]
        try:
            for path in staging.iterdir():
                if path not in (own, staging / MARKER):
                    _remove(path)
            root = own / "films" / listing.root
            root.mkdir(parents=True, exist_ok=True)
            _remove_unlisted(root, listing)
            _make_empty(root, listing)
        except OSError as error:
            raise cannot_write(staging, error) from error
        _fetch(store, [file for file in listing.files if file.path], root, own, progress)
        left_out = tuple(Skipped(root / name, reason) for name, reason in sorted(listing.left_out))
        yield StagedFolder(path=root, address=store.told, left_out=left_out, staging=staging)


def _fetch(store: Store, files: Sequence[StoredFile], root: Path, own: Path, progress: Progress) -> None:
    journal = own / JOURNAL
    before = _journal(journal)
    missing = [file for file in files if not _stands(file, root, before)]
    _check_room(store, missing, own)
    done = len(files) - len(missing)
    progress(done, len(files))
    try:
        with journal.open("a", encoding="utf-8") as lines:
            lines.write("\n")  # ends a line that a killed run left half written
            for file in missing:
                size = _fetch_one(store, file, own / INCOMING)
                target = root / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                (own / INCOMING).replace(target)
                lines.write(json.dumps([file.name, size, file.version]) + "\n")
                lines.flush()
                done += 1
                progress(done, len(files))
    except OSError as error:
        raise cannot_write(own, error) from error


def _fetch_one(store: Store, file: StoredFile, incoming: Path) -> int:
    """Fetch a file; its size in bytes.

    Raises:
        ReadError: the store fails, or the file is not as it was listed.
        OSError: the disk cannot be written.
    """
    size = 0
    with store.open(file.path) as stream, incoming.open("wb") as target:
        while True:
            with store.errors("a file was read"):
                chunk = stream.read(CHUNK_BYTES)
            size += len(chunk)
            if size > MAX_FILE_BYTES:
                raise ReadError(f"{store.told}: a file {too_large(size)}; it was listed without a size")
            target.write(chunk)
            if not chunk:
                break
    if file.size is not None and size != file.size:
        raise ReadError(
            f"{store.told}: a file holds {size:,} bytes, expected the {file.size:,} of the listing; it changed "
            "meanwhile or the connection ended: run the same command to go on"
        )
    return size


def _check_room(store: Store, missing: Sequence[StoredFile], own: Path) -> None:
    needed = sum(file.size or 0 for file in missing)
    free = shutil.disk_usage(own).free
    if missing and needed + RESERVE_BYTES > free:
        raise OutputError(
            f"{own}: {store.told} needs {needed / 1e9:.2f} GB here, but {free / 1e9:.2f} GB are free, of which "
            f"{RESERVE_BYTES / 1e9:.2f} GB stay so; choose another --out, or screen a part of it"
        )


def _journal(path: Path) -> dict[str, tuple[int, str]]:
    """Size and version of what an earlier run has fetched, by name; lines that are no such are left out."""
    known: dict[str, tuple[int, str]] = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            name, size, version = json.loads(line)
            known[str(name)] = (int(size), str(version))
        except (ValueError, TypeError):
            continue
    return known


def _stands(file: StoredFile, root: Path, before: dict[str, tuple[int, str]]) -> bool:
    if not file.version or file.size is None or before.get(file.name) != (file.size, file.version):
        return False
    try:
        status = (root / file.name).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == file.size


def _remove_unlisted(root: Path, listing: Listing) -> None:
    """Remove what an earlier run fetched and the store does not hold any more, and every link."""
    files = {file.name for file in listing.files}
    folders = set(listing.folders)
    folders |= {"/".join(parts[:n]) for name in files for parts in [name.split("/")] for n in range(1, len(parts))}
    for above, below, names in os.walk(root):
        for name in [*below, *names]:
            path = Path(above) / name
            known = folders if path.is_dir() and not path.is_symlink() else files
            if path.is_symlink() or path.relative_to(root).as_posix() not in known:
                _remove(path)
        below[:] = [name for name in below if (Path(above) / name).is_dir()]


def _make_empty(root: Path, listing: Listing) -> None:
    for name in listing.folders:
        (root / name).mkdir(parents=True, exist_ok=True)
    for file in listing.files:
        if not file.path:
            (root / file.name).parent.mkdir(parents=True, exist_ok=True)
            (root / file.name).write_bytes(b"")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
