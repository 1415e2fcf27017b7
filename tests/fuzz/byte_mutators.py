"""Changes of bytes that know nothing of a format."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Mutator = Callable[[bytes, random.Random], bytes]

HOSTILE_INTEGERS = (
    0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 127, 128, 255, 256, 257, 1000, 4095, 4096, 20000, 32767,
    32768, 65533, 65534, 65535, 65536, 10**6, 2**24, 2**30, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1,
)  # fmt: skip


def hostile_bytes(rng: random.Random, size: int) -> bytes:
    """A number at the edge of something, in so many bytes, either end first."""
    value = rng.choice(HOSTILE_INTEGERS) % (1 << 8 * size)
    return value.to_bytes(size, rng.choice(("little", "big")))


def put(raw: bytes, at: int, new: bytes) -> bytes:
    """Other bytes at a place; what lies beyond the end is cut off."""
    return (raw[:at] + new + raw[at + len(new) :])[: len(raw)]


def flip_bits(raw: bytes, rng: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64)) if found else 0):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def flip_early_bits(raw: bytes, rng: random.Random) -> bytes:
    """Bits of the first 400 bytes, where headers lie."""
    return flip_bits(raw[:400], rng) + raw[400:]


def set_bytes(raw: bytes, rng: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(rng.choice((1, 2, 8)) if found else 0):
        found[rng.randrange(len(found))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    return bytes(found)


def run_of_bytes(raw: bytes, rng: random.Random) -> bytes:
    size = rng.choice((2, 4, 16, 64, 256, 1024))
    new = bytes([rng.choice((0, 0x7F, 0x80, 0xFF))]) * size if rng.random() < 0.6 else rng.randbytes(size)
    return put(raw, rng.randrange(len(raw) + 1), new)


def hostile_field(raw: bytes, rng: random.Random) -> bytes:
    """A length, count or offset somewhere."""
    for _ in range(rng.choice((1, 1, 2))):
        raw = put(raw, rng.randrange(len(raw) + 1), hostile_bytes(rng, rng.choice((1, 2, 2, 4, 4, 8))))
    return raw


def truncate(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def cut_out(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + raw[at + rng.choice((1, 2, 3, 8, 100, 1000)) :]


def insert(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + rng.randbytes(rng.choice((1, 2, 3, 8, 100))) + raw[at:]


def repeat(raw: bytes, rng: random.Random) -> bytes:
    at, size = rng.randrange(len(raw) + 1), rng.choice((1, 4, 16, 200))
    return raw[:at] + raw[at : at + size] * rng.choice((2, 3, 50)) + raw[at + size :]


def move(raw: bytes, rng: random.Random) -> bytes:
    at, to, size = rng.randrange(len(raw) + 1), rng.randrange(len(raw) + 1), rng.choice((2, 8, 64))
    return put(raw, to, raw[at : at + size])


def pad(raw: bytes, rng: random.Random) -> bytes:
    return raw + rng.choice((b"\0", b"\xff", b" ", b"\n")) * rng.choice((1, 2, 511, 4096))


def splice(raw: bytes, other: bytes, rng: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    return raw[: rng.randrange(len(raw) + 1)] + other[rng.randrange(len(other) + 1) :]


BYTE_MUTATORS: Sequence[Mutator] = (
    flip_bits, flip_early_bits, set_bytes, run_of_bytes, hostile_field, truncate, cut_out, insert, repeat, move, pad,
)  # fmt: skip
