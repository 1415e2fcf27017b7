"""PNG, JPEG and TIFF into Radiograph; `read_radiograph` takes every kind of image file."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from cohort.io.dicom.attributes import brief
from cohort.io.dicom.read import (
    DICOM_SUFFIXES,
    MAX_FILE_BYTES,
    MAX_PIXELS,
    looks_like_dicom,
    read_dicom,
)
from cohort.io.grey import grey_of, radiograph_range
from cohort.io.view_names import view_from_path
from cohort.study import Radiograph, SpacingSource
from osteolens.errors import NotRadiograph, OsteoLensError, ReadError

PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "TIFF": (".tif", ".tiff")}
"""Formats of plain images; Pillow opens nothing else."""

_MARKS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\x00": "TIFF", b"MM\x00*": "TIFF"}
"""How files of these formats begin."""

_SUFFIXES = {
    **{s: kind for kind, suffixes in FORMATS.items() for s in suffixes},
    **dict.fromkeys(DICOM_SUFFIXES, "DICOM"),
}

UNEVEN = 0.01
"""Difference of the resolutions across and along, of the larger, from which pixels are not square."""

MAX_SIDE = 65_535
"""Pixels along a side; DICOM and JPEG hold no more."""

MAX_DEFLATE_RATIO = 1032
"""Most bytes that deflate unpacks from one. Source: zlib technical details, maximum compression factor."""

_LEAST_BITS = {"RGB": 24, "RGBA": 32, "LA": 16, "I;16": 16, "I": 16, "L": 2}
"""Bits a pixel that a PNG of a mode stores at least; any other stores one."""

_WHITE_IS_ZERO, _PHOTOMETRIC, _ORIENTATION = 0, 262, 274
_LYING = (5, 6, 7, 8)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""Transpose that turns an image of an EXIF orientation upright. Pillow's function fails for damaged EXIF blocks.

Source: Exif 2.32, tag 0112.
"""

_DAMAGES = (
    OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, AttributeError, OverflowError, EOFError,
    MemoryError, RuntimeError, AssertionError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises for a broken file; they have no common base."""


def read_radiograph(path: Path | str, with_full_range: bool = False) -> Radiograph:
    """Any supported file as a radiograph; the content decides the format, not the name.

    Args:
        path: DICOM, PNG, JPEG or TIFF.
        with_full_range: whether a DICOM image before its display window is kept too; training needs it.

    Raises:
        NotRadiograph: readable, but not one grey radiograph.
        ReadError: unreadable.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ReadError(f"{path.name}: no such file")
        if path.stat().st_size == 0:
            raise ReadError(f"{path.name}: the file is empty; expected an image")
        image_format = format_of(path)
        if image_format is None:
            raise ReadError(f"{path.name}: {unknown_format(path)}")
        radiograph = read_dicom(path, with_full_range) if image_format == "DICOM" else read_plain_image(path)
        if _SUFFIXES.get(path.suffix.lower(), image_format) != image_format:
            note = f"the file is named {path.suffix} and holds {image_format}"
            radiograph = replace(radiograph, notes=(note, *radiograph.notes))
        return radiograph
    except OsteoLensError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # decoders in other languages panic past Exception
        raise ReadError(f"{path.name}: cannot be read ({type(error).__name__}: {brief(error)})") from error


def format_of(path: Path) -> str | None:
    """DICOM, PNG, JPEG or TIFF by the content, or None.

    Raises:
        OSError: the file cannot be opened.
    """
    if looks_like_dicom(path):
        return "DICOM"
    with path.open("rb") as stream:
        start = stream.read(16)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    return None


def unknown_format(path: Path) -> str:
    """Why a file is no image, for a message; it depends on the suffix."""
    if path.suffix.lower() in (*PLAIN_SUFFIXES, *DICOM_SUFFIXES):
        return f"the content is no {path.suffix.lower().lstrip('.')} image; expected DICOM, PNG, JPEG or TIFF"
    return "neither DICOM (no DICM mark, no group 0008 at its start) nor PNG, JPEG or TIFF"


def read_plain_image(path: Path) -> Radiograph:
    """An 8- or 16-bit grey image, turned upright by its EXIF orientation; bright is taken as dense bone. A photograph
    of a film may be tinted; its borders, labels and rulers do not set the scale of greys.

    Raises:
        NotRadiograph: colour, several frames or larger than the cap.
        ReadError: empty, truncated or of another format.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ReadError(f"{path.name}: {size / 2**20:.0f} MiB, expected at most {MAX_FILE_BYTES / 2**20:.0f} MiB")
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            path.open("rb") as stream,  # Pillow scrambles some turned TIFFs that it opens by name
            Image.open(stream, formats=tuple(FORMATS)) as image,
        ):
            _check_size(image, size, path.name)
            if image.format != "MPO" and _has_more_frames(image):
                raise NotRadiograph(f"{path.name}: several frames, expected a single radiograph")
            negative = _white_is_zero(image)
            aspect = _aspect(image)
            plain = image.mode not in ("P", "PA", "LA", "1", "CMYK", "YCbCr")
            turned = _orientation(image) in _LYING
            image.load()  # a TIFF turns itself and forgets its orientation
            turn = _TURNS.get(_orientation(image))
            upright = image if turn is None else image.transpose(turn)
            pixels = np.asarray(upright if plain else upright.convert("RGB"))
    except OsteoLensError:
        raise
    except UnidentifiedImageError as error:
        raise ReadError(
            f"{path.name}: damaged, or a kind of pixels that is not read; save it as grey of 8 or 16 bits"
        ) from error
    except (*_DAMAGES, Image.DecompressionBombError) as error:
        raise ReadError(f"{path.name}: cannot be read as an image ({brief(error) or type(error).__name__})") from error
    bits = 8 * pixels.dtype.itemsize
    values = pixels.astype(np.float32)
    notes: list[str] = []
    if not np.isfinite(values).all():
        raise ReadError(f"{path.name}: pixel values are not finite")
    if pixels.dtype == np.int32 and pixels.min() < 0:
        raise ReadError(f"{path.name}: cells of 32 bits that are negative or too large; save it as grey of 16 bits")
    if values.ndim == 3:
        values, notes = grey_of(values, path.name)
    if aspect != 1.0:
        values = _squared(values, 1 / aspect if turned else aspect)
        notes.append("pixels are not square; boxes are in pixels of the squared image")
    low, high = radiograph_range(values)
    values = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
    shown = np.ascontiguousarray(1 - values if negative else values, np.float32)
    view = view_from_path(path.relative_to(path.parents[1]) if len(path.parents) > 1 else path)
    return Radiograph(
        pixels=shown,
        pixel_spacing_mm=None,
        spacing_source=SpacingSource.NONE,
        view=view,
        path=path,
        bits=bits,
        notes=tuple(notes),
    )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where it is absent or the block is damaged."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _DAMAGES:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _check_size(image: Image.Image, file_bytes: int, name: str) -> None:
    """Check the stated size of an image against the limits, and a PNG's against its bytes, before it is decoded.

    Raises:
        NotRadiograph: too many pixels, in all or along a side.
        ReadError: a PNG of more rows than its bytes can hold; a reader would fill them with black.
    """
    shape = f"{image.height} x {image.width} pixels"
    if image.width * image.height > MAX_PIXELS:
        raise NotRadiograph(f"{name}: {shape}, expected at most {MAX_PIXELS:,} in all")
    if max(image.size) > MAX_SIDE:
        raise NotRadiograph(f"{name}: {shape}, expected at most {MAX_SIDE:,} along a side")
    least_bytes = image.width * image.height * _LEAST_BITS.get(image.mode, 1) / 8
    if image.format == "PNG" and least_bytes > MAX_DEFLATE_RATIO * file_bytes:
        raise ReadError(f"{name}: {file_bytes:,} bytes cannot hold {shape}; the file is cut off; copy it again, whole")


def _has_more_frames(image: Image.Image) -> bool:
    """Whether a second frame exists; the others are not counted, since that would read all of a hostile file."""
    try:
        image.seek(1)
    except EOFError:
        return False
    finally:
        image.seek(0)
    return True


def _white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF of more than 8 bits stores white as zero, which Pillow inverts for 8 bits alone."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode not in ("L", "1", "LA", "P")


def _aspect(image: Image.Image) -> float:
    """Height of a stored pixel over its width, 1 where it is square or unknown."""
    tags = getattr(image, "tag_v2", {})
    info = (tags[282], tags[283]) if 282 in tags and 283 in tags else None
    resolution = info or image.info.get("dpi") or image.info.get("jfif_density") or image.info.get("aspect") or (1, 1)
    across, along = (float(value) for value in resolution)
    if not (np.isfinite(across) and np.isfinite(along)) or min(across, along) <= 0:
        return 1.0
    aspect = across / along
    return aspect if abs(aspect - 1) > UNEVEN and 0.25 <= aspect <= 4 else 1.0


def _squared(values: npt.NDArray[np.float32], aspect: float) -> npt.NDArray[np.float32]:
    """Resampled so that pixels are square; the finer direction stays."""
    rows, columns = values.shape
    size = (columns, round(rows * aspect)) if aspect > 1 else (round(columns / aspect), rows)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
