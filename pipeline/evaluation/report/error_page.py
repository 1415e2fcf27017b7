"""The misclassified studies as a page of their own, with small pictures of their results."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from cohort.spine import View
from osteolens.atomic import write_whole
from pipeline.evaluation.classification.errors import ClassificationError
from pipeline.report_page.page import render

MOST_SHOWN = 80
"""Studies on the page, the worst first; the table of errors holds all."""

PICTURE_PX, JPEG_QUALITY = 520, 75
"""Longest side and quality of a picture on the page."""

MOST_BYTES, MOST_PIXELS = 20_000_000, 40_000_000
"""Of a picture that is read; a larger one is none of ours."""


@dataclass(frozen=True, slots=True)
class ShownError:
    """A misclassified study with its pictures, as data URLs by view."""

    error: ClassificationError
    pictures: dict[str, str]


def write_errors(out: Path, errors: Sequence[ClassificationError], notice: str, overlays: Path | None) -> None:
    """Write errors.html into a folder.

    Args:
        out: folder, which is there.
        errors: misclassified studies, the worst first.
        notice: what kind of data this is, printed at the top.
        overlays: folder of pictures of the results; None shows no picture.

    Raises:
        OutputError: the file cannot be written.
    """
    shown = [ShownError(error, _pictures(overlays, error.study_uid)) for error in errors[:MOST_SHOWN]]
    context = {"shown": shown, "count": len(errors)}
    page = render("pipeline.evaluation.report", "errors", "Misclassified studies", notice, context)
    write_whole(out / "errors.html", page)


def _pictures(overlays: Path | None, study_uid: str) -> dict[str, str]:
    """Pictures of a study by view, those that are there; its identifier was checked when its result was read."""
    if overlays is None:
        return {}
    urls = {view.value: _picture(overlays / f"{study_uid}_{view}.png") for view in View}
    return {view: url for view, url in urls.items() if url is not None}


def _picture(path: Path) -> str | None:
    """A picture made small, as a data URL; None where there is none that can be read."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            small = picture.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    except ImportError:  # ultralytics, once loaded, makes Pillow look for a package of another format
        return None
    small.thumbnail((PICTURE_PX, PICTURE_PX))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
