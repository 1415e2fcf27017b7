"""Every word for a vertebral level in labels of other tools: one list, compared without regard to case and accents."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cohort.spine import LEVELS, VertebralLevel

LUMBAR = (
    *("L", "LV", "LW", "LWK", "lumbar", "lumbal", "lumbaler", "lumbaire", "lombaire", "lombare", "lombar"),
    *("lumbale", "lumbare", "Lendenwervel", "Lendenwirbel", "Lendenwirbelkörper", "腰", "腰椎", "요추"),
)
"""Words for a lumbar vertebra."""

THORACIC = (
    *("T", "Th", "TV", "D", "BW", "BWK", "BrW", "BrWK", "thoracic", "thorakal", "thorakaler", "thoracique"),
    *("thoracale", "Borstwervel", "toracica", "toracico", "dorsal", "dorsale", "Brustwirbel", "Brustwirbelkörper"),
    *("胸", "胸椎", "흉추"),
)
"""Words for a thoracic vertebra."""

SACRAL = (
    *("S", "SW", "SWK", "sacral", "sakral", "sakraler", "sacrale", "sacree", "sacra", "Sakralwirbel"),
    *("Sakralwirbelkörper", "Kreuzbeinwirbel", "骶", "骶椎", "仙", "仙椎", "천추"),
)
"""Words for a sacral vertebra."""

VERTEBRA = (
    *("vertebra", "vertebrae", "vertebral", "vertebral body", "body", "vert", "VB", "Wirbel", "Wirbelkörper", "WK"),
    *("vertèbre", "corps vertébral", "vértebra", "cuerpo vertebral", "corpo vertebral", "corpo vertebrale"),
    *("椎体", "椎骨", "椎", "척추", "추체", "spine", "bone", "object"),
)
"""Words for a vertebra of any level."""

NO_BODY = (
    *("disc", "disk", "discs", "disks", "IVD", "intervertebral", "Bandscheibe", "Zwischenwirbelraum", "disque"),
    *("disco", "endplate", "end plate", "Deckplatte", "Grundplatte", "pedicle", "pedicles", "Pedikel", "spinous"),
    *("lamina", "facet", "foramen", "canal", "osteophyte", "processus"),
    *("椎间盘", "椎間板", "椎間盤", "间隙", "間隙", "사이", "棘突", "椎弓"),
)
"""Words for what is no vertebral body, though a level may stand beside them."""

NO_LEVEL = "the label names no single vertebral level"

_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "x": 10, "xi": 11, "xii": 12}
_CHINESE = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "十": 10, "十一": 11, "十二": 12}
_WORDS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "tenth": 10, "eleventh": 11, "twelfth": 12}
_NUMBERS = {**_ROMAN, **_CHINESE, **_WORDS}


def plain(text: str) -> str:
    """A label without case, accents and full-width forms; single blanks in place of underscores and dots."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[_.,:;#()\[\]]+", " ", unicodedata.normalize("NFC", folded)).split())


def _either(words: tuple[str, ...] | dict[str, int]) -> str:
    return "|".join(sorted((re.escape(plain(word)) for word in words), key=len, reverse=True))


_SIGNS = re.compile(r"[^\x00-\x7f]")
_REGIONS = {"L": LUMBAR, "T": THORACIC, "S": SACRAL}
_SPELT = "|".join(f"(?P<{letter}>{_either(words)})" for letter, words in _REGIONS.items())
_SPELT_BEHIND = "|".join(
    f"(?P<{letter}_behind>{_either(tuple(w for w in words if len(plain(w)) > 2 or _SIGNS.search(w)))})"
    for letter, words in _REGIONS.items()
)
_MENTION = re.compile(
    rf"(?<![a-z0-9])(?:{_SPELT})(?:[\s\-]*(?:{_either(VERTEBRA)}))?"
    rf"(?:[\s\-]*第?0*(?P<digits>[0-9]{{1,3}})(?![0-9])|[\s\-]+(?P<roman>{_either(_ROMAN)})(?![a-z0-9])"
    rf"|[\s第]*(?P<chinese>{_either(_CHINESE)}))"
    rf"|(?<![a-z0-9])(?:0*(?P<number>[0-9]{{1,2}})(?:st|nd|rd|th|er|ere|eme|e|a|o)?|(?P<word>{_either(_NUMBERS)}))"
    rf"[\s\-]*(?:{_SPELT_BEHIND})(?![a-z])"
)
_REGION = _either((*LUMBAR, *THORACIC, *SACRAL))
_NEXT = re.compile(rf"\s*(?P<sign>[-/~]|(?:{_REGION})|)\s*(?P<number>[0-9]{{1,2}})(?![0-9])")
_NO_BODY = re.compile(rf"(?<![a-z])(?:{_either(NO_BODY)})(?![a-z])")


@dataclass(frozen=True, slots=True)
class LevelName:
    """What a label says: a level, or why it says none."""

    level: VertebralLevel | None
    reason: str = ""


def read_level(text: str) -> LevelName:
    """The one level that a label spells (`L1`, `AP_L1`, `LWK 1`, `Th12`, `第1腰椎`), or why it spells none.

    Discs, end plates and other parts, two levels in one label and levels outside T10 to S1 are none.
    """
    label = plain(text)
    mentions = list(_MENTION.finditer(label))
    names = {_name(mention) for mention in mentions}
    if not names:
        return LevelName(None, NO_LEVEL)
    if _NO_BODY.search(label):
        return LevelName(None, f"{NO_LEVEL} (a disc or another part)")
    if len(names) > 1 or _goes_on(label, mentions[-1]):
        return LevelName(None, f"{NO_LEVEL} (two, as for a disc)")
    name = names.pop()
    if name not in LEVELS:
        return LevelName(None, f"{NO_LEVEL} from {LEVELS[0]} to {LEVELS[-1]} ({name})")
    return LevelName(VertebralLevel(name))


def level_of(text: str) -> VertebralLevel | None:
    """The one level that a label spells, or None, by `read_level`."""
    return read_level(text).level


def names_a_body(text: str) -> bool:
    """Whether a label is a word for a vertebra of any level and nothing else, a number apart."""
    return re.fullmatch(rf"(?:{_either(VERTEBRA)})[\s\-]*[0-9]*", plain(text)) is not None


def _name(mention: re.Match[str]) -> str:
    parts = {key: value for key, value in mention.groupdict().items() if value is not None}
    letter = next(key for key in parts if key[0] in _REGIONS)[0]
    digits = parts.get("digits") or parts.get("number")
    spelt = parts.get("roman") or parts.get("chinese") or parts.get("word") or ""
    return f"{letter}{int(digits) if digits else _NUMBERS[spelt]}"


def _goes_on(label: str, mention: re.Match[str]) -> bool:
    """Whether a second level's number follows: `L1/2`, `L1-2`, and `L1 2`, but not `L1 7`."""
    following = _NEXT.match(label, mention.end())
    if following is None:
        return False
    return bool(following["sign"]) or int(following["number"]) == int(_name(mention)[1:]) + 1
