"""Size that a compressed image states, read without decoding it, so that a wrong header is rejected first."""

from __future__ import annotations

import struct

_JPEG_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that start a frame of JPEG (SOF0 to SOF15) and JPEG-LS (SOF55)."""

_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Second bytes of the markers without a length."""


def stated_size(codestream: bytes) -> tuple[int, int, int, int] | None:
    """(rows, columns, samples a pixel, bits a sample) of a JPEG, JPEG-LS or JPEG 2000 codestream.

    None where no such marker stands in it: another kind of data, or a damaged one. A height of zero means that the
    codestream leaves it open. Sources: ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1.
    """
    if codestream[:4] == b"\xff\x4f\xff\x51":
        return _jpeg_2000(codestream)
    if codestream[4:8] == b"jP  ":
        start = codestream.find(b"\xff\x4f\xff\x51")
        return _jpeg_2000(codestream[start:]) if start >= 0 else None
    return _jpeg(codestream) if codestream[:2] == b"\xff\xd8" else None


def _jpeg_2000(codestream: bytes) -> tuple[int, int, int, int] | None:
    if len(codestream) < 43:
        return None
    wide, tall, left, top = struct.unpack(">4I", codestream[8:24])
    samples = struct.unpack(">H", codestream[40:42])[0]
    return tall - top, wide - left, samples, (codestream[42] & 0x7F) + 1


def _jpeg(codestream: bytes) -> tuple[int, int, int, int] | None:
    at = 2
    while at + 4 <= len(codestream):
        if codestream[at] != 0xFF:
            return None
        kind = codestream[at + 1]
        if kind == 0xFF:
            at += 1
        elif kind in _ALONE:
            at += 2
        elif kind in _JPEG_SIZES and at + 10 <= len(codestream):
            bits, rows, columns, samples = struct.unpack(">BHHB", codestream[at + 4 : at + 10])
            return rows, columns, samples, bits
        else:
            at += 2 + struct.unpack(">H", codestream[at + 2 : at + 4])[0]
    return None
