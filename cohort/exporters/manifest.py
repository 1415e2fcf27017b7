"""Which film and study each exported picture is of, so that what is corrected on it comes back to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cohort.spine import LEVELS, VertebralLevel, View
from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from osteolens.documents.validation import first_problem
from osteolens.errors import ReadError

NAME = "osteolens-export.json"
"""Name of the list beside the pictures."""

MOST_BYTES = 2**28
"""Largest list that is read; a study takes about one kilobyte."""

DECIMALS = 3
"""Of corners in pixels."""

SAME_PX = 0.01
"""Distance of corners below which a box is the exported one; tools write two to six decimals."""

Corners = tuple[float, float, float, float]

_Side = Annotated[int, Field(gt=0, le=65_535)]
_Pixels = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Image(_Part):
    picture: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    study_uid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)]
    view: View
    original: Annotated[str, StringConstraints(max_length=4096)]
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
    columns: _Side
    rows: _Side
    boxes: dict[VertebralLevel, tuple[_Pixels, _Pixels, _Pixels, _Pixels]]


class _Manifest(_Part):
    format: Literal[1]
    what: str
    images: list[_Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedImage:
    """One exported picture.

    Attributes:
        picture: name of its file.
        study_uid: of its study.
        view: of the film.
        original: path of the film from the folder that was screened.
        sha256: of the film; empty where it is unknown.
        size: (columns, rows) of the picture and of the film as it is read.
        boxes: as they were exported.
    """

    picture: str
    study_uid: str
    view: View
    original: str
    sha256: str
    size: tuple[int, int]
    boxes: Mapping[VertebralLevel, Corners]

    def is_as_exported(self, boxes: Mapping[VertebralLevel, Corners]) -> bool:
        """Whether boxes are those that were exported."""
        if set(boxes) != set(self.boxes):
            return False
        pairs = ((a, b) for level, corners in boxes.items() for a, b in zip(corners, self.boxes[level], strict=True))
        return all(abs(a - b) < SAME_PX for a, b in pairs)


def write_manifest(folder: Path, images: Sequence[ExportedImage]) -> None:
    """Write the list of all pictures.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [
        _Image(
            picture=image.picture,
            study_uid=image.study_uid,
            view=image.view,
            original=image.original,
            sha256=image.sha256,
            columns=image.size[0],
            rows=image.size[1],
            boxes={level: image.boxes[level] for level in LEVELS if level in image.boxes},
        )
        for image in images
    ]
    what = "OsteoLens: pictures for correction; `osteolens cohort import` reads this list, keep it beside them"
    write_whole(folder / NAME, _Manifest(format=1, what=what, images=rows).model_dump_json(indent=1) + "\n")


def read_manifest(folders: Sequence[Path]) -> dict[str, ExportedImage]:
    """Every exported picture by the stem of its name, in lower case; empty where no folder holds a list.

    Raises:
        ReadError: a list that is damaged, or a path in it that leads out of its folder.
    """
    by_stem: dict[str, ExportedImage] = {}
    for folder in folders:
        path = folder / NAME
        if not path.is_file():
            continue
        if path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{NAME}: more than {MOST_BYTES // 2**20} MiB; expected the list that an export wrote")
        try:
            manifest = _Manifest.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            problem = first_problem(error) if isinstance(error, ValidationError) else error.strerror
            raise ReadError(f"{NAME}: no list that an export wrote ({visible(str(problem))}); export again") from error
        by_stem |= {_stem(image.picture).casefold(): _exported(image) for image in manifest.images}
    return by_stem


def _stem(picture: str) -> str:
    return PurePosixPath(picture).stem


def _exported(image: _Image) -> ExportedImage:
    original = PurePosixPath(image.original)
    if original.is_absolute() or ".." in original.parts or "\\" in image.original or "\0" in image.original:
        raise ReadError(f"{NAME}: original {visible(image.original)} leads out of its folder; export again")
    return ExportedImage(
        picture=image.picture,
        study_uid=image.study_uid,
        view=image.view,
        original=image.original,
        sha256=image.sha256,
        size=(image.columns, image.rows),
        boxes=image.boxes,
    )
