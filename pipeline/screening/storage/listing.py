"""Files below an address, with names that are safe on this machine, and what is left out with its reason."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from cohort.io.dicom.read import MAX_FILE_BYTES
from cohort.io.walk import MARKER, MAX_DEPTH, is_results
from osteolens.documents.text import UNSEEN, visible
from osteolens.errors import ConfigError, ReadError
from pipeline.screening.storage.store import Store, version_of

MOST_FILES = 1_000_000
"""Files and folders of one run; a run holds some 100,000 studies."""

MOST_NAME_BYTES = 255
"""Of one part of a path. Source: NAME_MAX of ext4, xfs and NTFS."""

_FORBIDDEN = '/\\\0:<>"|?*' if os.name == "nt" else "/\\\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a store.

    Attributes:
        name: path from the folder that is screened, with slashes.
        path: in the store; empty for a file whose content nothing reads, which is made empty.
        size: in bytes; None where the store does not say.
        version: what changes with the file; empty where the store does not say.
    """

    name: str
    path: str = ""
    size: int | None = 0
    version: str = ""


@dataclass(slots=True)
class Listing:
    """What lies below an address.

    Attributes:
        root: name of the folder that is screened.
        files: to fetch, and those that are made empty.
        folders: that are empty here: hidden ones.
        left_out: names of what is not fetched, made visible, and why.
    """

    root: str
    files: list[StoredFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def listed(store: Store) -> Listing:
    """Everything below the address of a store, by the rules that hold for a local folder.

    What is hidden and what lies in folders of results is not fetched; it stands in the listing as empty files and
    folders, so that it is told as that of a local folder is.

    Raises:
        ConfigError: a table, or more files than a run takes.
        ReadError: nothing lies there, or the store fails.
    """
    info = store.info()
    if info.get("type") == "file" and not store.path.endswith("/"):  # web servers call folders files
        return _one_file(store, info)
    listing = Listing(_root_name(store.name))
    seen: set[str] = set()
    waiting = [(store.path, "", 0)]
    while waiting:
        folder, above, depth = waiting.pop()
        named = _named(store, folder, above, listing)
        if depth and is_results({name for name, _ in named}):
            listing.files.append(StoredFile(name=f"{above}{MARKER}"))
            continue
        if depth > MAX_DEPTH:
            listing.left_out.append((above.rstrip("/"), f"more than {MAX_DEPTH} folders deep"))
            continue
        for name, entry in named:
            whole = f"{above}{name}"
            if whole in seen:
                listing.left_out.append((visible(whole), "a second file or folder of this name"))
                continue
            seen.add(whole)
            if len(seen) > MOST_FILES:
                raise ConfigError(f"{store.told}: more than {MOST_FILES:,} files; expected fewer: screen a part of it")
            if entry.get("type") == "directory" and not name.startswith("."):
                waiting.append((str(entry["name"]), f"{whole}/", depth + 1))
            else:
                _add(entry, whole, listing)
    return listing


def _one_file(store: Store, info: Mapping[str, Any]) -> Listing:
    """An image that the address itself names."""
    if PurePosixPath(store.name).suffix.lower() == ".csv":
        raise ConfigError(f"{store.told}: a manifest is read from a local file; expected a folder or an image here")
    if reason := unsafe(store.name):
        raise ReadError(f"{store.told}: {reason}; rename it there")
    above = PurePosixPath(store.told.partition("://")[2]).parent.name
    listing = Listing(_root_name(above))
    _add({**info, "name": store.path}, store.name, listing)
    if not listing.files:
        raise ReadError(f"{store.told}: {listing.left_out[0][1]}")
    return listing


def _named(store: Store, folder: str, above: str, listing: Listing) -> list[tuple[str, Mapping[str, Any]]]:
    """Entries of a folder with their names in it, those whose names are safe here."""
    named = []
    for entry in store.entries(folder):
        path = str(entry["name"])
        name = store.name_in(folder, path)
        if path.endswith("/") and entry.get("type") == "file":  # an empty object that stands for a folder
            continue
        if name is None:
            listing.left_out.append((visible(f"{above}{path.lstrip('/')}"), "lies outside the folder that is listed"))
        elif reason := unsafe(name):
            listing.left_out.append((visible(f"{above}{name.lstrip('/')}"), reason))
        else:
            named.append((name, entry))
    return sorted(named, key=lambda pair: pair[0])


def _add(entry: Mapping[str, Any], name: str, listing: Listing) -> None:
    is_hidden = PurePosixPath(name).name.startswith(".")
    if is_hidden and entry.get("type") == "directory":
        listing.folders.append(name)
        return
    if entry.get("type") != "file":
        listing.left_out.append((visible(name), "no regular file"))
        return
    if is_hidden:
        listing.files.append(StoredFile(name=name))
        return
    size = entry.get("size")
    known = size if isinstance(size, int) and size >= 0 else None
    if known is not None and known > MAX_FILE_BYTES:
        listing.left_out.append((visible(name), too_large(known)))
        return
    listing.files.append(StoredFile(name=name, path=str(entry["name"]), size=known, version=version_of(entry)))


def too_large(size: int) -> str:
    """Why a file of so many bytes is not fetched."""
    return f"holds {size:,} bytes, expected at most {MAX_FILE_BYTES:,}"


def unsafe(name: str) -> str | None:
    """Why one part of a path of a store is no name of a file here; None where it is one."""
    if name in ("", ".", "..") or any(character in _FORBIDDEN for character in name):
        return "its name would lead out of its folder"
    if any(unicodedata.category(character) in UNSEEN for character in name):
        return "its name holds control characters"
    if len(os.fsencode(name)) > MOST_NAME_BYTES:
        return f"its name is longer than {MOST_NAME_BYTES} bytes"
    return None


def _root_name(name: str) -> str:
    return "study" if unsafe(name) else name
