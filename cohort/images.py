"""PNG, JPEG and TIFF into Radiograph; and one door for every kind of image file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cohort.dicom import MAX_PIXELS, Header, looks_like_dicom, read_dicom, view_from_text
from cohort.errors import NotRadiograph, ReadError
from cohort.grey import GREY_SPREAD, HUE_LEFT_OVER, colour_of, film_range
from cohort.study import Covariates, Radiograph, SpacingSource

PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

NO_HEADER = Header(None, None, None, Covariates(), None, None, None, SpacingSource.NONE)
"""What a plain image says of its patient: nothing."""


def read_radiograph(path: Path, keep_full_range: bool = False) -> tuple[Radiograph, Header]:
    """Any supported file as a radiograph, with what its header says.

    Raises:
        NotRadiograph: readable, but not one grey radiograph.
        ReadError: unreadable.
    """
    if not path.is_file():
        raise ReadError(f"{path.name}: no such file")
    if path.suffix.lower() in PLAIN_SUFFIXES:
        return read_plain_image(path), NO_HEADER
    if path.stat().st_size and not looks_like_dicom(path) and path.suffix:
        raise ReadError(f"{path.name}: neither DICOM nor {', '.join(PLAIN_SUFFIXES)}")
    return read_dicom(path, keep_full_range)


def read_plain_image(path: Path) -> Radiograph:
    """An 8- or 16-bit grey image; bright is taken as dense bone. A photograph of a film may be tinted; its borders,
    labels and rulers do not set the scale of greys.

    Raises:
        NotRadiograph: colour, several frames or larger than the cap.
        ReadError: empty, truncated or of another format.
    """
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name}: the file is empty; expected an image")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NotRadiograph(
                    f"{path.name}: {image.height} x {image.width} pixels, expected at most {MAX_PIXELS:,} in all"
                )
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise NotRadiograph(f"{path.name}: {frames} frames, expected a single radiograph")
            plain = image.mode not in ("P", "PA", "LA", "1", "CMYK", "YCbCr")
            pixels = np.asarray(image if plain else image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ReadError(f"{path.name}: cannot be read as an image ({error})") from error
    bits = 8 * pixels.dtype.itemsize
    values = pixels.astype(np.float32)
    notes = []
    if values.ndim == 3:
        apart, left_over = colour_of(values)
        if left_over > HUE_LEFT_OVER:
            raise NotRadiograph(
                f"{path.name}: colour image (its hue varies by {left_over:.0f} of 255 where its brightness does not), "
                "expected a grey or evenly tinted radiograph"
            )
        if apart > GREY_SPREAD:
            notes.append("the image is tinted; it is read as grey")
        values = values[..., :3].mean(2)
    low, high = film_range(values)
    values = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
    return Radiograph(
        np.ascontiguousarray(values, np.float32),
        None,
        SpacingSource.NONE,
        view_from_text(path.stem),
        path,
        None,
        bits,
        notes=tuple(notes),
    )
