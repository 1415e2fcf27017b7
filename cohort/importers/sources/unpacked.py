"""Annotations that arrive as one zip, as CVAT, Roboflow and Label Studio export them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from cohort.importers.drawn import LeftOut
from cohort.importers.sources.archive import MAX_BYTES_IN_ALL, is_zip, members_of, store_member
from cohort.importers.sources.documents import is_file
from osteolens.documents.text import visible
from osteolens.errors import ReadError

LONGEST_PART, MOST_PARTS = 200, 16
"""Characters of one folder's or file's name, and folders within folders, that a member may have."""


@contextmanager
def unpacked(source: Path) -> Iterator[tuple[Path, list[LeftOut]]]:
    """A folder with the files of a zip, gone afterwards, and those that were refused; any other source as it is.

    Raises:
        ReadError: a zip beyond the limits, or damaged.
    """
    if not is_file(source) or not is_zip(source):
        yield source, []
        return
    left_out: list[LeftOut] = []
    with TemporaryDirectory(prefix="osteolens-") as temporary:
        folder = Path(temporary) / (source.stem or "source")
        folder.mkdir()
        written = 0
        for member in members_of(source):
            place = Path(visible(member.filename)[:LONGEST_PART])
            try:
                target = folder / safe_path(member.filename)
                if target.exists():
                    raise ReadError("stands twice in the zip; the first is taken")
                target.parent.mkdir(parents=True, exist_ok=True)
                store_member(source, member, target)
                written += target.stat().st_size
            except ReadError as error:
                left_out.append(LeftOut(place, str(error)))
            except OSError as error:
                left_out.append(LeftOut(place, f"cannot be unpacked ({error.strerror})"))
            if written > MAX_BYTES_IN_ALL:
                raise ReadError(f"{visible(source.name)}: more than {MAX_BYTES_IN_ALL / 2**30:g} GiB unpacked")
        yield folder, left_out


def safe_path(name: str) -> PurePosixPath:
    """The path of a member below the folder that it is unpacked into.

    Raises:
        ReadError: a name that leads out of the folder, or that no file should have.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    wrong = not parts or path.is_absolute() or len(parts) > MOST_PARTS
    if wrong or any(part == ".." or ":" in part or "\0" in part or len(part) > LONGEST_PART for part in parts):
        raise ReadError("its name leads out of the folder, or is none that a file should have; it is not unpacked")
    return path
