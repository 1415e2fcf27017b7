"""Zip files: recognised by content, limited before anything is written; no member's name becomes a path."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from osteolens.documents.text import visible
from osteolens.errors import ReadError

MAX_MEMBERS = 20_000
"""Most members of one archive."""

MAX_BYTES_IN_ALL = 8 * 2**30
"""Most bytes of one archive when unpacked."""

MAX_MEMBER_BYTES = 512 * 2**20
"""Most bytes of one member when unpacked."""

MAX_RATIO = 200
"""Most bytes unpacked from one byte stored; radiographs stay below ten."""

SMALL_BYTES = 2**20
"""Size up to which the ratio does not count."""

UNPACK = "unpack it yourself and import the folder"

_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError, OSError, ValueError,
    KeyError, struct.error, OverflowError,
)  # fmt: skip
"""What zipfile and its decoders raise for a broken archive; they have no common base, and each becomes a ReadError."""


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip with members does, whatever its name."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def members_of(path: Path) -> list[zipfile.ZipInfo]:
    """Files in an archive, folders left out.

    Raises:
        ReadError: no readable zip, or one beyond the caps.
    """
    name = visible(path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except _FAULTS as error:
        raise ReadError(f"{name}: cannot be read as a zip ({visible(error)}); download it again, whole") from error
    if len(members) > MAX_MEMBERS:
        raise ReadError(f"{name}: {len(members):,} members, expected at most {MAX_MEMBERS:,}; {UNPACK}")
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES_IN_ALL:
        raise ReadError(
            f"{name}: {total / 2**30:.1f} GiB unpacked, expected at most {MAX_BYTES_IN_ALL / 2**30:g}; {UNPACK}"
        )
    return members


def fault_of_member(member: zipfile.ZipInfo) -> str | None:
    """Why a member is not unpacked, or None."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a symbolic link in a zip is not followed"
    if member.flag_bits & 0x1:
        return f"is encrypted; {UNPACK}"
    if member.file_size > MAX_MEMBER_BYTES:
        return f"{member.file_size / 2**20:.0f} MiB unpacked, expected at most {MAX_MEMBER_BYTES / 2**20:.0f} MiB"
    if member.file_size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
        return f"unpacks to more than {MAX_RATIO} times its size; no radiograph does"
    return None


def store_member(path: Path, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one member's bytes at a path.

    Raises:
        ReadError: a damaged member, or one beyond the caps.
        OSError: the target cannot be written.
    """
    name = f"{visible(path.name)}/{visible(member.filename)}"
    reason = fault_of_member(member)
    if reason is not None:
        raise ReadError(f"{name}: {reason}")
    with target.open("wb") as stream:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
                shutil.copyfileobj(packed, stream, 2**20)
        except _FAULTS as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ReadError(f"{name}: is damaged ({visible(error)}); download the archive again") from error
        if stream.tell() > MAX_MEMBER_BYTES:
            raise ReadError(f"{name}: more than {MAX_MEMBER_BYTES / 2**20:.0f} MiB unpacked")
