"""Comments and other insertions in compressed images, which could hold any text."""

from __future__ import annotations

import struct

_JPEG_2000_START = b"\xff\x4f\xff\x51"

_ENCODERS = (b"Created by OpenJPEG", b"Kakadu-", b"Lavc", b"CREATOR: ")
"""How encoders sign what they write."""

_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})

_HARMLESS = frozenset({0xE0, 0xE8, 0xEE})
"""Second bytes of APP0 (JFIF), APP8 (SPIFF) and APP14 (Adobe), which hold numbers alone."""

LONGEST_HARMLESS = 64
"""Bytes of such a segment; a longer one holds a picture or a text."""


def has_comment(codestream: bytes) -> bool:
    """Whether JPEG, JPEG-LS or JPEG 2000 data hold a comment or an application segment that could be text.

    Sources: ITU-T T.81 B.2.4.5 and B.2.4.6, T.800 A.9.2.
    """
    if codestream[:4] == _JPEG_2000_START:
        return _jpeg_2000(codestream)
    if codestream[4:8] == b"jP  ":
        return True
    return codestream[:2] == b"\xff\xd8" and _jpeg(codestream)


def _jpeg(codestream: bytes) -> bool:
    at = 2
    while at + 4 <= len(codestream):
        if codestream[at] != 0xFF:
            at += 1
            continue
        kind = codestream[at + 1]
        if kind in (0x00, 0xFF) or kind in _ALONE or kind < 0xC0:
            at += 2 if kind != 0xFF else 1
            continue
        if kind == 0xD9:
            return bool(codestream[at + 2 :].strip(b"\0"))
        (length,) = struct.unpack(">H", codestream[at + 2 : at + 4])
        text = codestream[at + 4 : at + 2 + length]
        if kind == 0xFE and not text.startswith(_ENCODERS):
            return True
        if 0xE0 <= kind <= 0xEF and (kind not in _HARMLESS or length > LONGEST_HARMLESS):
            return True
        at += 2 + length
    return False


def _jpeg_2000(codestream: bytes) -> bool:
    at = 2
    while at + 4 <= len(codestream) and codestream[at] == 0xFF and codestream[at + 1] != 0x90:
        (length,) = struct.unpack(">H", codestream[at + 2 : at + 4])
        text = codestream[at + 6 : at + 2 + length]
        if codestream[at + 1] == 0x64 and not text.startswith(_ENCODERS):
            return True
        at += 2 + length
    return False
