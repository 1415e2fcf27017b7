"""What the header of a column says: its column, part of the body, unit, and words that no list knows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from cohort.io.tables.columns import IMAGE_COLUMNS, LEVEL_T_SCORE_COLUMNS
from cohort.mapping.columns_file import MAPPED_COLUMNS
from cohort.mapping.header_words import (
    CONTEXT_WORDS,
    FILLERS,
    HEADER_WORDS,
    UNSURE_WORDS,
    UNUSED_WORDS,
)
from cohort.mapping.regions import normal, without_regions
from cohort.mapping.units import UNIT_WORDS

MOST_WORDS = 16
"""Words, or signs of Chinese and Japanese, of one phrase."""

_NAMED = tuple(column for column in MAPPED_COLUMNS if column not in IMAGE_COLUMNS)
_EXACT = {column.lower(): column for column in _NAMED}
_TOKEN = re.compile(r"[a-z]+|\d+|[^\x00-\x7f]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKETS = re.compile(r"[(\[{（【]([^)\]}）】]*)[)\]}）】]")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderReading:
    """What a header says.

    Attributes:
        roles: columns that its words name, also `z_score`, `any_id`, `any_date` and `unused`.
        regions: L1-L4, L1 .. L4, `other`, `lumbar`, `total`.
        contexts: `DXA`, `radiograph`.
        unit: in brackets or at the end, by the column's words.
        unknown: words of no list.
        unsure: whether a word has two meanings.
        exact: whether it is the name of a column of OsteoLens.
    """

    roles: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    unit: str | None = None
    unknown: tuple[str, ...] = ()
    unsure: bool = False
    exact: bool = False


def compact(text: str) -> str:
    """A phrase without case, accents, blanks and punctuation."""
    return "".join(c for c in normal(text) if c.isalnum())


def phrases(texts: Iterable[str]) -> frozenset[str]:
    """Compact phrases of texts that part them by commas."""
    return frozenset(compact(phrase) for text in texts for phrase in text.split(",") if compact(phrase))


_SPELT = {compact(column): column for column in _NAMED}


@cache
def places(kind: str) -> frozenset[str]:
    """Compact words of `CONTEXT_WORDS` of one kind."""
    return phrases(CONTEXT_WORDS[kind])


@cache
def _vocabulary() -> Mapping[str, str]:
    """What each compact phrase is: `role x`, `context x`, `filler`; the first list that knows it rules."""
    known: dict[str, str] = {
        compact(column): f"role {column}" for column in _NAMED if column not in LEVEL_T_SCORE_COLUMNS.values()
    }
    known |= {compact(word): f"unsure {column}" for word, column in UNSURE_WORDS.items()}
    lists = [(f"role {role}", texts) for role, texts in HEADER_WORDS.items()]
    lists += [("role unused", (UNUSED_WORDS,))]
    lists += [(f"context {kind}", texts) for kind, texts in CONTEXT_WORDS.items()]
    lists += [("filler", (FILLERS,))]
    for meaning, texts in lists:
        for phrase in phrases(texts):
            known.setdefault(phrase, meaning)
    return known


def read_header_words(header: str, spelt_freely: bool = False) -> HeaderReading:
    """What the words of a header say, the longest known phrase first.

    Args:
        header: as it stands.
        spelt_freely: whether `T-Score` is the column t_score, as in cohort.csv and dxa.csv; in another table it may be
            of another part of the body.
    """
    spaced = _CAMEL.sub(" ", unicodedata.normalize("NFKC", header))
    if exact := _EXACT.get(header.strip().lower()) or (_SPELT.get(compact(header)) if spelt_freely else None):
        return _exact(exact)
    bracketed = " ".join(_BRACKETS.findall(spaced))
    outside, levels = without_regions(normal(_BRACKETS.sub(" ", spaced)))
    inside, more_levels = without_regions(normal(bracketed))
    found, rest = _matched(_TOKEN.findall(outside))
    in_brackets, rest_of_brackets = _matched(_TOKEN.findall(inside))
    found += in_brackets
    roles = tuple(dict.fromkeys(f.split(" ", 1)[1] for f in found if f.startswith(("role ", "unsure "))))
    roles = _stronger(roles)
    contexts = tuple(dict.fromkeys(f.split(" ", 1)[1] for f in found if f.startswith("context ")))
    unit, unknown = _unit(roles, rest, rest_of_brackets)
    places_of = {"other place": "other", "lumbar": "lumbar", "total": "total"}
    regions = (*levels, *more_levels, *(places_of[c] for c in contexts if c in places_of))
    return HeaderReading(
        roles=roles,
        regions=tuple(dict.fromkeys(regions)),
        contexts=tuple(c for c in contexts if c in ("DXA", "radiograph")),
        unit=unit,
        unknown=unknown,
        unsure=any(f.startswith("unsure") for f in found),
    )


def _exact(column: str) -> HeaderReading:
    """A header that is the name of a column: its level stands in it."""
    level = next((str(level) for level, name in LEVEL_T_SCORE_COLUMNS.items() if name == column), None)
    if level is not None:
        return HeaderReading(roles=("t_score",), regions=(level,), exact=True)
    return HeaderReading(roles=(column,), exact=True)


def _matched(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Meanings of the phrases of tokens, and the tokens that belong to none."""
    known, found, rest, at = _vocabulary(), [], [], 0
    while at < len(tokens):
        for end in range(min(len(tokens), at + MOST_WORDS), at, -1):
            phrase = "".join(tokens[at:end])
            if phrase in known:
                found.append(known[phrase])
                at = end
                break
        else:
            rest.append(tokens[at])
            at += 1
    return found, rest


def _stronger(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Roles without those that give way to another of the same header: `Patient age`, `BMD T-score`, `BMD date`."""
    scored = {"t_score", "z_score"} & set(roles)
    strong = tuple(r for r in roles if r not in ("any_id", "any_date") and not (scored and r == "bmd_g_cm2"))
    if "any_date" in roles and strong == ("bmd_g_cm2",):
        return ("dxa_date",)
    return strong or roles


def _unit(roles: tuple[str, ...], rest: list[str], in_brackets: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """The unit that words of no list name for the column, and the words that are left."""
    for column in roles:
        for unit, words in UNIT_WORDS.get(column, {}).items():
            known = phrases([words])
            for tokens, others in ((in_brackets, rest), (rest, in_brackets)):
                words_of_unit = [token for token in tokens if token != "in"] or tokens
                if "".join(words_of_unit) in known:
                    return unit, tuple(others)
    return None, (*rest, *in_brackets)
