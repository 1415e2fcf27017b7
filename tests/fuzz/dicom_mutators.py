"""Changes of a DICOM file element by element: hostile values, lengths, representations, sequences and codestreams."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.fuzz.byte_mutators import BYTE_MUTATORS, HOSTILE_INTEGERS, Mutator, hostile_bytes
from tests.fuzz.stream_mutators import STREAM_MUTATORS

LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UT", b"UC", b"UR", b"SV", b"UV")
DEFLATED, IMPLICIT, BIG_ENDIAN = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2"
SYNTAXES = (
    IMPLICIT, b"1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED, b"1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{k}".encode() for k in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93, 100, 102, 201, 202, 203)),
    b"1.2.840.10008.1.2.8.1", b"1.2.3", b"", b"\xff" * 64,
)  # fmt: skip

TEXTS = (
    b"", b" ", b"\0", b"NaN", b"nan", b"inf", b"-inf", b"Infinity", b"1e999", b"-1e308", b"1e-320", b"0", b"-0", b"-1",
    b"1,5", b"0.2\\0.4", b"0\\0", b"-1\\-1", b"1e9\\1e-9", b"nan\\nan", b"\\", b"\\" * 2000, b"9" * 18, b"9" * 400,
    b"0x10", b"1 2", b"000Y", b"999Y", b"-12Y", b"00000000", b"99999999", b"20230229", b"=cmd()", b"[/x]\x1b[31m",
    b"\xff\xfe\xfd", b"\x1b$B\x1b(J", "ä\u202e".encode(), b"\xd0", b"A" * 70000, b"INVERSE", b"IDENTITY", b"SIGMOID",
    b"LINEAR_EXACT", b"MONOCHROME1", b"MONOCHROME2", b"RGB", b"YBR_FULL", b"YBR_FULL_422", b"YBR_ICT", b"YBR_RCT",
    b"YBR_PARTIAL_420", b"PALETTE COLOR", b"HSV", b"CMYK", b"H\\L", b"F\\A", b"L", b"L\\F\\H", b"../../etc/passwd",
    b"FOR PROCESSING", b"CT", b"ISO_IR 192", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"GB18030", b"latin-99",
)  # fmt: skip

FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e308, -1e308, 5e-324, -1.0, 1e-9, 1e9)
REPRESENTATIONS = (
    *(b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()),
    b"??", b"\0\0", b"  ", b"ab", b"\xff\xff",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Element:
    """One element: group and element, representation, value, and the length that it claims."""

    tag: tuple[int, int]
    vr: bytes
    value: bytes
    claimed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A file: preamble and mark, group 0002, the data set, and how the data set is written."""

    start: bytes
    meta: tuple[Element, ...]
    body: tuple[Element, ...]
    syntax: bytes


def parts_of(raw: bytes) -> Parts:
    """The parts of a file that this fuzzer wrote itself."""
    start = raw[:132] if raw[128:132] == b"DICM" else b""
    rest, meta = raw[len(start) :], []
    while start and rest[:2] == b"\x02\0":
        element, rest = _element(rest, IMPLICIT[:0])
        meta.append(element)
    syntax = next((e.value.rstrip(b"\0") for e in meta if e.tag == (2, 0x10)), IMPLICIT)
    rest = zlib.decompress(rest, -zlib.MAX_WBITS) if syntax == DEFLATED else rest
    body = []
    while len(rest) >= 8:
        element, rest = _element(rest, syntax)
        body.append(element)
    return Parts(start=start, meta=tuple(meta), body=tuple(body), syntax=syntax)


def file_of(parts: Parts) -> bytes:
    """The file of some parts; what lengths claim need not be true."""
    meta = b"".join(_written(e, b"") for e in parts.meta)
    body = b"".join(_written(e, parts.syntax) for e in parts.body)
    if parts.syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    return parts.start + meta + body


def _element(raw: bytes, syntax: bytes) -> tuple[Element, bytes]:
    order = ">" if syntax == BIG_ENDIAN else "<"
    tag: tuple[int, int] = struct.unpack(f"{order}HH", raw[:4])
    vr = b"" if syntax == IMPLICIT else raw[4:6]
    at, size = (4, 4) if syntax == IMPLICIT else (8, 4) if vr in LONG else (6, 2)
    length = int.from_bytes(raw[at : at + size], "big" if order == ">" else "little")
    at += size
    if length == 2**32 - 1:
        return Element(tag, vr, raw[at:], length), b""
    return Element(tag, vr, raw[at : at + length]), raw[at + length :]


def _written(element: Element, syntax: bytes) -> bytes:
    order: str = ">" if syntax == BIG_ENDIAN else "<"
    long = element.vr in LONG or syntax == IMPLICIT
    value = element.value + b"\0" * (len(element.value) % 2 and element.claimed is None)
    length = len(value) if element.claimed is None else element.claimed
    length = min(length, 2**32 - 1) if long else min(length, 65535)
    head = struct.pack(f"{order}HH", *element.tag)
    if syntax != IMPLICIT:
        head += element.vr + (b"\0\0" if long else b"")
    return head + struct.pack(f"{order}{'L' if long else 'H'}", length) + value


def hostile_value(vr: bytes, value: bytes, rng: random.Random) -> bytes:
    """A value that its representation, or a reader, does not expect."""
    order = rng.choice("<<<>")
    if vr in (b"US", b"SS", b"AT") or (vr == b"" and len(value) == 2):
        count = rng.choice((0, 1, 1, 1, 2, 3, 100))
        return b"".join(struct.pack(f"{order}H", rng.choice(HOSTILE_INTEGERS) % 65536) for _ in range(count))
    if vr in (b"UL", b"SL", b"OL"):
        return struct.pack(f"{order}L", rng.choice(HOSTILE_INTEGERS))[: rng.choice((4, 4, 3, 0))]
    if vr in (b"FL", b"FD", b"OF", b"OD"):
        return struct.pack(f"{order}{'f' if vr[:1] == b'F' else 'd'}", rng.choice(FLOATS[:5]))
    if vr in (b"OB", b"OW", b"UN", b"SQ") or len(value) > 256:
        return rng.choice(BYTE_MUTATORS)(value, rng)
    return rng.choice(TEXTS)


def _changed(parts: Parts, rng: random.Random, change: Element | list[Element], at: int) -> Parts:
    new = change if isinstance(change, list) else [change]
    return replace(parts, body=(*parts.body[:at], *new, *parts.body[at + 1 :]))


def _one(parts: Parts, rng: random.Random) -> tuple[int, Element]:
    at = rng.randrange(len(parts.body))
    return at, parts.body[at]


def values(parts: Parts, rng: random.Random) -> Parts:
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, one = _one(parts, rng)
        parts = _changed(parts, rng, replace(one, value=hostile_value(one.vr, one.value, rng)), at)
    return parts


def image_values(parts: Parts, rng: random.Random) -> Parts:
    """Values of group 0028, which say how the pixels are to be read."""
    places = [k for k, e in enumerate(parts.body) if e.tag[0] in (0x28, 0x2050, 0x6000)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.choice(places)
        one = parts.body[at]
        parts = _changed(parts, rng, replace(one, value=hostile_value(one.vr, one.value, rng)), at)
    return parts


def meta_values(parts: Parts, rng: random.Random) -> Parts:
    """Values of group 0002; often another transfer syntax."""
    if not parts.meta:
        return values(parts, rng)
    at = rng.randrange(len(parts.meta))
    places = [k for k, e in enumerate(parts.meta) if e.tag == (2, 0x10)]
    if rng.random() < 0.6:
        at, value = places[0], rng.choice(SYNTAXES)
    else:
        value = hostile_value(parts.meta[at].vr, parts.meta[at].value, rng)
    new = replace(parts.meta[at], value=value)
    return replace(parts, meta=(*parts.meta[:at], new, *parts.meta[at + 1 :]))


def lengths(parts: Parts, rng: random.Random) -> Parts:
    at, one = _one(parts, rng)
    near = (len(one.value) + rng.choice((-3, -2, -1, 1, 2, 3))) % 2**32
    return _changed(parts, rng, replace(one, claimed=rng.choice((near, *HOSTILE_INTEGERS))), at)


def representations(parts: Parts, rng: random.Random) -> Parts:
    at, one = _one(parts, rng)
    return _changed(parts, rng, replace(one, vr=rng.choice(REPRESENTATIONS)), at) if one.vr else values(parts, rng)


def order(parts: Parts, rng: random.Random) -> Parts:
    """Elements that are missing, stand twice, or elsewhere."""
    at, one = _one(parts, rng)
    what = rng.random()
    if what < 0.5:
        return _changed(parts, rng, [], at)
    if what < 0.7:
        return _changed(parts, rng, [one, replace(one, value=hostile_value(one.vr, one.value, rng))], at)
    other = rng.randrange(len(parts.body))
    return _changed(_changed(parts, rng, parts.body[other], at), rng, one, other)


def tags(parts: Parts, rng: random.Random) -> Parts:
    at, one = _one(parts, rng)
    group = rng.choice((0, 2, 8, 0x10, 0x28, 0x5200, 0x6000, 0x7FE0, 0xFFFE, 0xFFFC, rng.randrange(65536)))
    number = rng.choice((0, 1, 0x10, 0x1000, 0xE000, 0xE00D, 0xE0DD, rng.randrange(65536)))
    return _changed(parts, rng, replace(one, tag=(group, number)), at)


def sequences(parts: Parts, rng: random.Random) -> Parts:
    """Sequences within sequences, with lengths or delimiters, whole or broken off."""
    depth, open_ended = rng.choice((1, 3, 60, 400, 1500)), rng.random() < 0.5
    inner = b""
    tag = rng.choice(((0x28, 0x3010), (0x28, 0x3000), (8, 0x1140), (9, 0x1010)))
    big = ">" if parts.syntax == BIG_ENDIAN else "<"
    for _ in range(depth if open_ended else min(depth, 400)):
        size = 2**32 - 1 if open_ended else len(inner)
        item = struct.pack(f"{big}HHL", 0xFFFE, 0xE000, size) + inner
        item += struct.pack(f"{big}HHL", 0xFFFE, 0xE00D, 0) if open_ended else b""
        whole = item + (struct.pack(f"{big}HHL", 0xFFFE, 0xE0DD, 0) if open_ended else b"")
        inner = _written(Element(tag, b"SQ", whole, 2**32 - 1 if open_ended else None), parts.syntax)
    inner = inner[: rng.randrange(len(inner))] if rng.random() < 0.3 else inner
    at = rng.randrange(len(parts.body))
    wrapped = Element(tag, b"SQ", struct.pack(f"{big}HHL", 0xFFFE, 0xE000, len(inner)) + inner)
    return _changed(parts, rng, [wrapped, parts.body[at]], at)


def many(parts: Parts, rng: random.Random) -> Parts:
    """Thousands of elements, or of values."""
    count = rng.choice((200, 3000))
    if rng.random() < 0.5:
        extra = [Element((0x11, 0x1000 + k), b"LO", b"x") for k in range(count)]
        return _changed(parts, rng, [*extra, parts.body[0]], 0)
    at, one = _one(parts, rng)
    return _changed(parts, rng, replace(one, value=(one.value[:12] + b"\\") * count), at)


def codestream(parts: Parts, rng: random.Random) -> Parts:
    """The compressed or plain pixels themselves, and the items that hold them."""
    places = [k for k, e in enumerate(parts.body) if e.tag[0] == 0x7FE0]
    if not places:
        return values(parts, rng)
    one = parts.body[places[-1]]
    if one.claimed is None or rng.random() < 0.15:
        return _changed(parts, rng, replace(one, value=rng.choice(BYTE_MUTATORS)(one.value, rng)), places[-1])
    at = 16 + int.from_bytes(one.value[4:8], "little") - 8
    head, stream, tail = one.value[:at], one.value[at + 8 : -8], one.value[-8:]
    stream = rng.choice(STREAM_MUTATORS)(stream, rng)
    stream += b"\0" * (len(stream) % 2)
    if rng.random() < 0.1:
        half = rng.randrange(0, len(stream) + 1, 2)
        pieces = [stream[:half], stream[half:]]
    else:
        pieces = [stream]
    value = head
    for piece in pieces:
        claimed = hostile_bytes(rng, 4) if rng.random() < 0.03 else struct.pack("<L", len(piece))
        value += b"\xfe\xff\x00\xe0" + claimed + piece
    return _changed(parts, rng, replace(one, value=value + tail), places[-1])


def frames(parts: Parts, rng: random.Random) -> Parts:
    """Sizes that agree with nothing: rows, columns, bits, samples and frames at once."""
    for tag, choices in {
        (0x28, 0x10): (0, 1, 63, 65, 128, 65535), (0x28, 0x11): (0, 1, 47, 49, 96, 65535),
        (0x28, 0x100): (1, 8, 12, 16, 32, 64), (0x28, 0x101): (0, 1, 8, 12, 16, 17), (0x28, 2): (0, 1, 2, 3, 4),
        (0x28, 0x103): (0, 1, 2, 65535), (0x28, 0x102): (0, 7, 11, 15, 31, 65535),
    }.items():  # fmt: skip
        if rng.random() < 0.35:
            big = ">" if parts.syntax == BIG_ENDIAN else "<"
            for at, one in enumerate(parts.body):
                if one.tag == tag:
                    new = replace(one, value=struct.pack(f"{big}H", rng.choice(choices)))
                    parts = _changed(parts, rng, new, at)
                    break
    return parts


PART_MUTATORS = (
    values, image_values, image_values, meta_values, lengths, representations, order, tags, sequences, many, codestream,
    codestream, codestream, frames,
)  # fmt: skip


def dicom_mutator(raw: bytes, rng: random.Random) -> bytes:
    """One or two of these changes."""
    parts = parts_of(raw)
    for _ in range(rng.choice((1, 1, 1, 2))):
        parts = rng.choice(PART_MUTATORS)(parts, rng)
    return file_of(parts)


DICOM_MUTATORS: Sequence[Mutator] = (dicom_mutator,)
