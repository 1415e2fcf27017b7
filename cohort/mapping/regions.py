"""Regions of a DXA scan by their names: L1-L4, single levels, and every other place, which is none of the spine's."""

from __future__ import annotations

import re
import unicodedata

from cohort.io.tables.words import plain

L1_L4 = "L1-L4"

_BETWEEN = r"(?:-|_|/|~|\.\.|to|bis|a|ate|hasta|至|到|から|\s)+"
_RANGE = re.compile(rf"(?<![a-z0-9])(?:l|lwk|lw)\s?1\s?(?:{_BETWEEN}\s?(?:l|lwk|lw)?|l)\s?4(?![0-9])")
_OTHER_RANGE = re.compile(
    r"(?<![a-z0-9])(?:[lt]|lwk|lw|th|bwk)\s?\d{1,2}\s?(?:-|_|/|~|\+|,|to|bis|至|到)+\s?(?:[lt]|lwk|lw|th|bwk)?\s?\d{1,2}"
)
_LEVEL = re.compile(r"(?<![a-z0-9])(?:l|lwk|lw)\s?([1-4])(?![0-9])")
_OTHER_LEVEL = re.compile(r"(?<![a-z0-9])(?:(?:l|lwk)\s?5|(?:t|th|bwk|d)\s?\d{1,2})(?![0-9])")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−－ー〜～", "-"))


def normal(text: str) -> str:
    """Text in small letters without accents, with one kind of dash."""
    return plain(re.sub(r"\b([nN])°", r"\1o", unicodedata.normalize("NFKC", text)).translate(_DASHES))


def without_regions(text: str) -> tuple[str, tuple[str, ...]]:
    """A normal text without names of vertebrae, and what they name: L1-L4, L1 .. L4, or `other`."""
    found = []
    for pattern, name in ((_RANGE, L1_L4), (_OTHER_RANGE, "other"), (_LEVEL, ""), (_OTHER_LEVEL, "other")):
        found += [name or f"L{match[1]}" for match in pattern.finditer(text)]
        text = pattern.sub(" ", text)
    return text, tuple(dict.fromkeys(found))


def region_of_cell(
    cell: str, lumbar: frozenset[str], other: frozenset[str], total: frozenset[str] = frozenset()
) -> str | None:
    """What a cell of a column of regions names: L1-L4, L1 .. L4, `other`, or None where it is no known region.

    Args:
        cell: as it stands.
        lumbar: compact words for the lumbar spine.
        other: compact words for other places.
        total: compact words for the whole of a place, which change nothing beside its name.
    """
    rest, found = without_regions(normal(cell))
    compact = "".join(c for c in rest if c.isalnum())
    if compact in other or any(word in compact for word in other if len(word) > 3 or not word.isascii()):
        return "other"
    for word in total:
        if compact != word and (compact.startswith(word) or compact.endswith(word)):
            compact = compact.removeprefix(word).removesuffix(word)
    if len(found) == 1 and (not compact or compact in lumbar or compact in total):
        return found[0]
    return L1_L4 if not found and compact in lumbar else None
