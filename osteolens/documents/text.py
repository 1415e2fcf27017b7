"""Text that came from a file, made safe to show: on a terminal, in a page, and in a table that a spreadsheet opens."""

from __future__ import annotations

import re
import unicodedata

UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that steer a terminal or no encoding holds: controls, lone surrogates, line separators."""

TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that change the direction of what follows, so that a name reads as another."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters, full-width ones too, that make a spreadsheet run a cell.

Source: OWASP, CSV injection.
"""

NUMBER = r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?"
HARMLESS = re.compile(rf"[+-]|{NUMBER} ?%?( \({NUMBER}(( to |-){NUMBER})?\))?", re.ASCII)
"""A lone sign, a number, and a number with its interval or spread: they are no formulas."""


def visible(text: object) -> str:
    """The text with every control character, lone surrogate and turning mark written out as its escape.

    Applied twice it gives the same.
    """
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_escape(c) if unicodedata.category(c) in UNSEEN or c in TURNING else c for c in shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def csv_cell(value: object) -> object:
    """A cell for a CSV that people open in a spreadsheet: text that would run as a formula gets a leading apostrophe.

    Numbers, also as text, and what is no text stay as they are; control characters are made visible.
    """
    if not isinstance(value, str):
        return value
    runs = value.lstrip(" ").startswith(FORMULA) and not HARMLESS.fullmatch(value.strip(" "))
    return f"'{visible(value)}" if runs else visible(value)
