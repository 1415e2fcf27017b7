"""Changes of compressed images that keep to their format: marker segments, RLE headers, PNG chunks, TIFF entries."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence

from tests.fuzz.byte_mutators import BYTE_MUTATORS, HOSTILE_INTEGERS, Mutator, hostile_bytes, put

_ALONE = frozenset({0x01, 0x4F, *range(0xD0, 0xD9)})
_LAST = frozenset({0xDA, 0x93})

_KINDS = b"tEXt zTXt iTXt eXIf pHYs gAMA iCCP PLTE tRNS acTL fcTL fdAT sRGB cHRM IEND IHDR IDAT XXXX".split()
_TAGS = (
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 284, 317, 320, 322, 323, 338, 339, 347, 530, 34665, 34853,
    37724,
)  # fmt: skip
_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 16, 99)


def segments(raw: bytes) -> list[tuple[int, int]]:
    """Start and end of every marker segment of a JPEG, JPEG-LS or JPEG 2000 codestream, up to its pixels."""
    found, at = [], 0
    while at + 2 <= len(raw) and raw[at] == 0xFF:
        kind = raw[at + 1]
        size = 2 if kind in _ALONE or kind == 0x93 else 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        found.append((at, min(at + size, len(raw))))
        at += size
        if kind in _LAST:
            break
    return found


def marker_segment(raw: bytes, rng: random.Random) -> bytes:
    """A field of one segment, or the segment itself: away, twice, or elsewhere."""
    places = segments(raw)
    if not places:
        return rng.choice(BYTE_MUTATORS)(raw, rng)
    start, end = rng.choice(places)
    what = rng.random()
    if what < 0.6 and end > start + 2:
        size = rng.choice((1, 1, 2, 2, 4))
        return put(raw, rng.randrange(start + 2, end), hostile_bytes(rng, size))
    if what < 0.7:
        return raw[:start] + raw[end:]
    if what < 0.8:
        return raw[:end] + raw[start:end] * rng.choice((1, 2, 100)) + raw[end:]
    if what < 0.9:
        other = rng.choice(places)[0]
        return raw[:other] + raw[start:end] + raw[other:]
    return put(raw, start + 1, bytes([rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xF7, 0xD8, 0xD9, 0xDD, 0xFE, 0x51))]))


def sizes(raw: bytes, rng: random.Random) -> bytes:
    """Rows, columns, samples, bits, tiles and steps where formats keep them."""
    for start, end in segments(raw):
        if raw[start + 1] in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7, 0x51, 0x52, 0x5C) and rng.random() < 0.8:
            at = rng.randrange(start + 4, max(end, start + 5))
            return put(raw, at, rng.choice(HOSTILE_INTEGERS).to_bytes(4, "big")[-rng.choice((1, 2, 4)) :])
    return rle_header(raw, rng)


def rle_header(raw: bytes, rng: random.Random) -> bytes:
    """Number of segments and their offsets, the first 64 bytes of an RLE frame."""
    at = 4 * rng.randrange(4)
    return put(raw, at, struct.pack("<L", rng.choice((*HOSTILE_INTEGERS, len(raw) - 1, len(raw), 63, 65))))


def scan(raw: bytes, rng: random.Random) -> bytes:
    """The entropy-coded part alone."""
    places = segments(raw)
    at = places[-1][1] if places else min(64, len(raw))
    return raw[:at] + rng.choice(BYTE_MUTATORS)(raw[at:], rng)


STREAM_MUTATORS: Sequence[Mutator] = (marker_segment, marker_segment, sizes, scan, scan, rle_header, *BYTE_MUTATORS)


def png_chunks(raw: bytes, rng: random.Random) -> bytes:
    """Chunks with true check sums: changed, away, twice, moved, or new ones of kinds that readers act on."""
    chunks, at = [], 8
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        chunks.append((raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(rng.choice((1, 1, 2))):
        k = rng.randrange(len(chunks))
        kind, content = chunks[k]
        what = rng.random()
        if what < 0.3 and content and kind != b"IDAT":
            chunks[k] = kind, put(content, rng.randrange(len(content)), hostile_bytes(rng, rng.choice((1, 2, 4))))
        elif what < 0.45 and kind == b"IDAT":
            plain = zlib.decompressobj().decompress(content) if content[:1] == b"x" else content
            chunks[k] = kind, zlib.compress(rng.choice(BYTE_MUTATORS)(plain, rng))
        elif what < 0.55:
            del chunks[k]
            if not chunks:
                break
        elif what < 0.65:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks[k])
        else:
            chunks.insert(rng.randrange(1, len(chunks) + 1), _png_chunk(rng))
    parts = [
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    ]
    return raw[:8] + b"".join(parts)


def _png_chunk(rng: random.Random) -> tuple[bytes, bytes]:
    kind = rng.choice(_KINDS)
    content = b"".join(hostile_bytes(rng, 4) for _ in range(rng.choice((0, 1, 2, 3, 4, 200))))
    if kind in (b"zTXt", b"iCCP") and rng.random() < 0.5:
        content = b"k\0\0" + zlib.compress(b"x" * rng.choice((10, 10**6, 3 * 10**7)))
    if kind == b"pHYs":
        content = struct.pack(">LLB", rng.choice(HOSTILE_INTEGERS), rng.choice(HOSTILE_INTEGERS), rng.choice((0, 1, 9)))
    if kind == b"IHDR":
        wide, tall = rng.choice((0, 1, 48, 20000, 2**31 - 1)), rng.choice((0, 1, 64, 20000, 2**31))
        content = struct.pack(">LLBBBBB", wide, tall, rng.choice((1, 8, 16, 3)), rng.choice((0, 2, 3, 6, 7)), 0, 0, 1)
    return kind, content


def tiff_entries(raw: bytes, rng: random.Random, start: int = 0) -> bytes:
    """Tag, type, count or value of one entry of the first directory, or where directories lie."""
    order = "<" if raw[start : start + 2] == b"II" else ">"
    if len(raw) < start + 8:
        return raw
    at = start + struct.unpack(f"{order}L", raw[start + 4 : start + 8])[0]
    if len(raw) < at + 2:
        return raw
    count = struct.unpack(f"{order}H", raw[at : at + 2])[0]
    for _ in range(rng.choice((1, 1, 2, 3))):
        entry = at + 2 + 12 * rng.randrange(max(count, 1))
        field, size = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 4), (8, 2)))
        value = rng.choice(HOSTILE_INTEGERS) if rng.random() < 0.8 else rng.randrange(len(raw))
        if field == 0:
            value = rng.choice(_TAGS)
        if field == 2:
            value = rng.choice(_TYPES)
        raw = put(raw, entry + field, struct.pack(f"{order}{'H' if size == 2 else 'L'}", value % 2 ** (8 * size)))
    if rng.random() < 0.15:
        where = rng.choice((start + 4, at + 2 + 12 * count))
        raw = put(raw, where, struct.pack(f"{order}L", rng.choice((at - start, 0, 8, len(raw) - 1, 2**32 - 1))))
    return raw


def jpeg_exif(raw: bytes, rng: random.Random) -> bytes:
    """Entries of the EXIF block, or densities of the JFIF one."""
    at = raw.find(b"Exif\0\0")
    if at < 0 or rng.random() < 0.2:
        at = raw.find(b"JFIF\0")
        return (
            put(raw, at + 7, hostile_bytes(rng, 1) + hostile_bytes(rng, 2) + hostile_bytes(rng, 2)) if at > 0 else raw
        )
    return tiff_entries(raw, rng, at + 6)


def plain_mutator(raw: bytes, rng: random.Random) -> bytes:
    """A change that keeps to the format of a plain image."""
    if raw[:4] == b"\x89PNG":
        return png_chunks(raw, rng)
    if raw[:2] in (b"II", b"MM"):
        return tiff_entries(raw, rng)
    return rng.choice((jpeg_exif, marker_segment, sizes, scan))(raw, rng)


PLAIN_MUTATORS: Sequence[Mutator] = (plain_mutator,)
