"""Files that once ended a run, hung, filled the memory or said too much: each made here, with what is right to say."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tests.fuzz.dicom_mutators import Element, Parts, file_of, parts_of
from tests.fuzz.dicom_seeds import dicom_seeds
from tests.fuzz.plain_seeds import plain_seeds

READ = ""
"""The file is read."""


def with_element(raw: bytes, tag: tuple[int, int], value: bytes, claimed: int | None = None) -> bytes:
    """A file with another value, and the length that it claims."""
    parts = parts_of(raw)
    body = tuple(replace(e, value=value, claimed=claimed) if e.tag == tag else e for e in parts.body)
    return file_of(replace(parts, body=body))


def with_codestream(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A file with another compressed image."""
    parts = parts_of(raw)
    last = parts.body[-1]
    at = 8 + int.from_bytes(last.value[4:8], "little")
    stream = change(last.value[at + 8 : -8])
    stream += b"\0" * (len(stream) % 2)
    value = last.value[:at] + b"\xfe\xff\x00\xe0" + struct.pack("<L", len(stream)) + stream + last.value[-8:]
    return file_of(replace(parts, body=(*parts.body[:-1], replace(last, value=value))))


def sized(mark: bytes, at: int, size: bytes) -> Callable[[bytes], bytes]:
    """A change of the size that follows a marker."""

    def change(stream: bytes) -> bytes:
        start = stream.index(mark) + at
        return stream[:start] + size + stream[start + len(size) :]

    return change


def postscript() -> bytes:
    """A program that never ends, which Pillow would give to Ghostscript."""
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\n{} loop\nshowpage\n"


def odd_group_length() -> bytes:
    """A group length of three bytes in the file's meta information."""
    parts = parts_of(dicom_seeds()["explicit"])
    return file_of(replace(parts, meta=(replace(parts.meta[0], value=b"\x01\x02\x03", claimed=3), *parts.meta[1:])))


def deep() -> bytes:
    """Sequences within sequences, a thousand deep."""
    parts = parts_of(dicom_seeds()["explicit"])
    inner = b""
    for _ in range(1000):
        inner = b"\x28\x00\x10\x30SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner
    return file_of(replace(parts, body=(*parts.body[:-1], Element((0x28, 0x3010), b"UN", inner), parts.body[-1])))


def bomb(mebibytes: int = 40) -> bytes:
    """A deflated data set of a few ten kilobytes that unpacks to much more."""
    parts: Parts = parts_of(dicom_seeds()["deflated"])
    extra = Element((0x11, 0x1010), b"OB", b"\0" * (mebibytes * 2**20))
    return file_of(replace(parts, body=(extra, *parts.body)))


def png_of(columns: int, rows: int) -> bytes:
    """A header of so many pixels before a few bytes."""
    raw = plain_seeds()["colour.png"]
    head = struct.pack(">LL", columns, rows) + raw[24:29]
    return raw[:16] + head + zlib.crc32(b"IHDR" + head).to_bytes(4, "big") + raw[33:]


def endless_pages() -> bytes:
    """A TIFF whose second page is its first one again."""
    raw = plain_seeds()["deep.tif"]
    at = int.from_bytes(raw[4:8], "little")
    end = at + 2 + 12 * int.from_bytes(raw[at : at + 2], "little")
    return raw[:end] + raw[4:8] + raw[end + 4 :]


def rle_runs() -> bytes:
    """An RLE segment whose runs go on beyond its end."""
    return with_codestream(dicom_seeds()["rle"], lambda stream: stream[:66] + b"\x7f" * (len(stream) - 66))


def damaged_deflate() -> bytes:
    """A deflated data set with a few other bytes."""
    raw = dicom_seeds()["deflated"]
    return raw[:400] + random.Random(0).randbytes(40) + raw[440:]


def odd_exif() -> bytes:
    """A JPEG that lies on its side, and whose EXIF block holds a description that is a number."""
    raw = plain_seeds()["grey.jpg"]
    at = raw.index(b"\x01\x0e\0\x02\0\0\0\x05")
    return raw[:at] + b"\x01\x0e\0\x0b\0\0\0\x01" + raw[at + 8 :]


def broken_look_up_table() -> bytes:
    """A VOI LUT sequence of known length whose item is cut off; the film can be shown without it."""
    parts = parts_of(dicom_seeds()["explicit"])
    item = b"\xfe\xff\x00\xe0\x40\0\0\0\x28\0"
    return file_of(replace(parts, body=(*parts.body[:-1], Element((0x28, 0x3010), b"SQ", item), parts.body[-1])))


def age_as_sequence() -> bytes:
    """A PatientAge whose representation says that it is a sequence."""
    parts = parts_of(dicom_seeds()["explicit"])
    body = tuple(replace(e, vr=b"SQ") if e.tag == (0x10, 0x1010) else e for e in parts.body)
    return file_of(replace(parts, body=body))


def no_palette() -> bytes:
    """A PNG of palette numbers without a palette."""
    raw = plain_seeds()["palette.png"]
    at = raw.index(b"PLTE") - 4
    return raw[:at] + raw[at + 12 + int.from_bytes(raw[at : at + 4], "big") :]


def coloured_palette() -> bytes:
    """Palette numbers in three channels."""
    return with_element(dicom_seeds()["rgb"], (0x28, 4), b"PALETTE COLOR ")


def single_colour() -> bytes:
    """One sample a pixel under the name of three."""
    return with_element(dicom_seeds()["eight-bits"], (0x28, 4), b"RGB ")


def float_cells() -> bytes:
    """A TIFF of numbers that are not finite."""
    raw = plain_seeds()["float.tif"]
    return raw.replace(np.float32(0).tobytes() * 2, np.array([np.nan, np.inf], np.float32).tobytes()) + b""


CORPUS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a modality of four thousand bytes": (
        "modality.dcm",
        lambda: with_element(dicom_seeds()["jpeg-2000"], (8, 0x60), b"DX\x01\x02PN\x04\0A^B ", 4000),
        r"modality\.dcm: holds no image \(DX.{0,40}\)",
    ),
    "runs beyond an RLE segment": ("rle.dcm", rle_runs, r"rle\.dcm: "),
    "damaged deflate": ("deflate.dcm", damaged_deflate, r"deflate\.dcm: not readable as DICOM"),
    "a deflated bomb": ("bomb.dcm", bomb, READ),
    "an odd group length": ("group.dcm", odd_group_length, r"group\.dcm: not readable as DICOM"),
    "sequences a thousand deep": ("deep.dcm", deep, READ),
    "PostScript named PNG": ("loop.png", postscript, r"the content is no png image"),
    "JPEG-LS of 65535 x 65535": (
        "jls.dcm",
        lambda: with_codestream(dicom_seeds()["jpeg-ls"], sized(b"\xff\xf7", 5, b"\xff\xff\xff\xff")),
        r"claims 65535 x 65535 pixels, but Rows and Columns say 64 x 48",
    ),
    "a JPEG of no height": (
        "open.dcm",
        lambda: with_codestream(dicom_seeds()["jpeg"], sized(b"\xff\xc0", 5, b"\0\0")),
        r"claims 0 x 48 pixels",
    ),
    "JPEG 2000 of 20000 x 20000": (
        "j2k.dcm",
        lambda: with_codestream(dicom_seeds()["jpeg-2000"], sized(b"\xff\x51", 6, struct.pack(">LL", 20000, 20000))),
        r"claims 20000 x 20000 pixels",
    ),
    "an infinite weight": (
        "weight.dcm",
        lambda: with_element(dicom_seeds()["explicit"], (0x10, 0x1030), b"1e999"),
        READ,
    ),
    "rows that are no number": (
        "rows.dcm",
        lambda: with_element(dicom_seeds()["explicit"], (0x28, 0x10), b""),
        r"rows\.dcm: holds no image \(DX\)",
    ),
    "EXIF that cannot be written again": ("exif.jpg", odd_exif, READ),
    "a look-up table that is cut off": ("lut.dcm", broken_look_up_table, READ),
    "an age that is a sequence": ("age.dcm", age_as_sequence, READ),
    "a palette image without palette": ("bare.png", no_palette, r"bare\.png: cannot be read as an image \(\w+\)"),
    "colours in one channel": (
        "one.dcm",
        single_colour,
        r"one\.dcm: PhotometricInterpretation RGB with pixels of shape",
    ),
    "palette numbers in three channels": (
        "three.dcm",
        coloured_palette,
        r"three\.dcm: PhotometricInterpretation PALETTE COLOR with pixels of shape \(64, 48, 3\)",
    ),
    "a PNG of 3.6 gigapixels": ("huge.png", lambda: png_of(60000, 60000), r"huge\.png: "),
    "a PNG of two million rows": ("tall.png", lambda: png_of(48, 2_031_680), r"tall\.png: 2031680 x 48 pixels"),
    "a PNG whose bytes cannot hold its pixels": (
        "wide.png",
        lambda: png_of(9000, 9000),
        r"wide\.png: [\d,]+ bytes cannot hold 9000 x 9000 pixels; the file is cut off",
    ),
    "pages without end": ("pages.tif", endless_pages, ".*"),
    "cells that are not finite": ("float.tif", float_cells, ".*"),
}
"""By what is wrong: the file's name, its bytes, and the message; empty where it is read, `.*` where either is right."""
