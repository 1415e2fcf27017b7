"""Small PNG, JPEG and TIFF files that the fuzzer begins with."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from tests.fuzz.dicom_seeds import film


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int = 6) -> Image.Exif:
    """An EXIF block that turns the image."""
    found = Image.Exif()
    found[0x0112], found[0x010E], found[0x011A] = orientation, "film", 72.0
    return found


def plain_seeds() -> dict[str, bytes]:
    """Files by name."""
    eight = film(8).astype(np.uint8)
    grey, deep, colour = Image.fromarray(eight), Image.fromarray(film(16)), Image.fromarray(eight).convert("RGB")
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "x" * 40)
    told.add_text("Note", "y" * 400, zip=True)
    told.add_itxt("Title", "z", "en", "z")
    found = {
        "grey.png": _saved(grey, "PNG", pnginfo=told, dpi=(300, 150)),
        "deep.png": _saved(deep, "PNG"),
        "palette.png": _saved(grey.quantize(32), "PNG", transparency=3),
        "colour.png": _saved(colour, "PNG", exif=exif()),
        "alpha.png": _saved(colour.convert("LA"), "PNG"),
        "one-bit.png": _saved(grey.convert("1"), "PNG"),
        "grey.jpg": _saved(grey, "JPEG", exif=exif(), dpi=(100, 200)),
        "colour.jpg": _saved(colour, "JPEG", exif=exif(8), comment=b"film"),
        "progressive.jpg": _saved(grey, "JPEG", progressive=True, optimize=True),
        "cmyk.jpg": _saved(colour.convert("CMYK"), "JPEG"),
        "deep.tif": _saved(deep, "TIFF"),
        "deep-lzw.tif": _saved(deep, "TIFF", compression="tiff_lzw", dpi=(300, 300), exif=exif(3)),
        "deflate.tif": _saved(grey, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": _saved(colour, "TIFF", compression="jpeg"),
        "packbits.tif": _saved(grey, "TIFF", compression="packbits"),
        "fax.tif": _saved(grey.convert("1"), "TIFF", compression="group4"),
        "float.tif": _saved(Image.fromarray(film(12).astype(np.float32)), "TIFF"),
        "integer.tif": _saved(Image.fromarray(film(12).astype(np.int32)), "TIFF"),
        "palette.tif": _saved(grey.quantize(16), "TIFF"),
        "pages.tif": _saved(grey, "TIFF", save_all=True, append_images=[grey]),
    }
    return found
