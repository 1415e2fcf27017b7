"""Changes of tables and JSON documents: cells, lines, encodings, nodes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

from tests.fuzz.byte_mutators import BYTE_MUTATORS, Mutator

CELLS = (
    "", " ", "NA", "nan", "NaN", "inf", "-inf", "1e999", "-1e308", "1e-320", "0", "-0", "-1", "1,5", "1.234,5", "1;5",
    "9" * 30, "9" * 5000, "0x10", "1_000", "１２", "½", "2024-02-30", "31.12.2024", "01/02/2024", "2024", "20240229",
    "H", "M", "w", "L1", "L9", "S1", "AP", "LAT", "AP LAT", "true", "=1+1", '="007"',
    "\u202e", "\x00", "\x1b[31m", "\ufeff",
    "\ud800", '"', '""', '"a', "a\nb", "\r", "\u2028", "A" * 100000, "../x", "-", "L1:wedge:0.3", "L1:wedge:2",
    "test1", "validation",
)  # fmt: skip

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030", "cp037", "utf-7")

NODES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 1.5, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"),
    "", "x", "NaN", "A" * 70000, "\x00", "\ud800", "../x", [], {}, [[]], [None], [0] * 500, [[1e9, 1e9]] * 3,
    {"": {}}, {"a": {"a": {"a": 1}}}, "L1", "AP", 64 * "0",
)  # fmt: skip


def encoded(text: str, encoding: str) -> bytes:
    """Bytes, whatever the text holds."""
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") and encoding != "utf-7" else "replace")


def lines(raw: bytes, rng: random.Random) -> bytes:
    """Lines away, twice, elsewhere, longer or shorter."""
    found = raw.decode("utf-8", "replace").split("\n")
    k, what = rng.randrange(len(found)), rng.random()
    if what < 0.2:
        del found[k]
    elif what < 0.4:
        found.insert(rng.randrange(len(found) + 1), found[k])
    elif what < 0.6:
        found[k] += rng.choice((",", ";", "\t", ",,,,", ',"', "\r", "," * 3000, '"' * 3))
    elif what < 0.8:
        cells = found[k].split(",")
        del cells[rng.randrange(len(cells))]
        found[k] = ",".join(cells)
    else:
        found *= rng.choice((2, 20))
    return "\n".join(found).encode("utf-8", "surrogatepass")


def cells(raw: bytes, rng: random.Random) -> bytes:
    """Values and names of columns that are hostile."""
    found = raw.decode("utf-8", "replace").split("\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        k = rng.randrange(len(found))
        own = found[k].split(",")
        own[rng.randrange(len(own))] = rng.choice(CELLS)
        found[k] = ",".join(own)
    return "\n".join(found).encode("utf-8", "surrogatepass")


def spelling(raw: bytes, rng: random.Random) -> bytes:
    """Another delimiter, line end or encoding."""
    text = raw.decode("utf-8", "replace")
    text = text.replace(",", rng.choice((",", ";", "\t", "|", ", ")))
    text = text.replace("\n", rng.choice(("\n", "\r\n", "\r", "\n\n", "\n\r")))
    return encoded(text.replace("AP", "AP ä正"), rng.choice(ENCODINGS))


TABLE_MUTATORS: Sequence[Mutator] = (lines, cells, cells, cells, spelling, *BYTE_MUTATORS)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every container and key within a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        own = list(one.items()) if isinstance(one, dict) else list(enumerate(one)) if isinstance(one, list) else []
        found += [(one, key) for key, _ in own]
        waiting += [value for _, value in own]
    return found


def nodes(raw: bytes, rng: random.Random) -> bytes:
    """A value, key or item replaced, away or added."""
    document = json.loads(raw)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = _places(document)
        if not places:
            break
        holder, key = rng.choice(places)
        what = rng.random()
        if what < 0.65:
            holder[key] = copy.deepcopy(rng.choice(NODES))
        elif what < 0.8:
            del holder[key]
        elif isinstance(holder, list):
            holder += [copy.deepcopy(holder[key]) for _ in range(rng.choice((1, 2, 500)))]
            break
        else:
            holder[rng.choice(("x", "", "\x00", "format", f"{key} "))] = copy.deepcopy(
                rng.choice((holder[key], *NODES[:14]))
            )
    return json.dumps(document).encode()


def tokens(raw: bytes, rng: random.Random) -> bytes:
    """What no writer of JSON would write: bare words, keys twice, depth, endless numbers."""
    text = raw.decode("utf-8", "replace")
    at = rng.randrange(len(text) + 1)
    new = rng.choice((
        "[" * 5000, '{"a":' * 5000, "[" * 200 + "]" * 200, "9" * 5000, "1e99999", "NaN", "-Infinity", "nul", ",", '"',
        '"study_uid": 1,', '"\\ud800"', "\\u0000", "/* */", "\ufeff",
    ))  # fmt: skip
    return (text[:at] + new + text[at + rng.choice((0, 0, 1, 5)) :]).encode("utf-8", "surrogatepass")


def renamed(raw: bytes, rng: random.Random) -> bytes:
    """Another encoding."""
    return encoded(raw.decode("utf-8", "replace"), rng.choice(ENCODINGS))


JSON_MUTATORS: Sequence[Mutator] = (nodes, nodes, nodes, nodes, tokens, renamed, *BYTE_MUTATORS)
