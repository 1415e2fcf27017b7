"""Fonts of figures: signs that the usual font lacks are drawn in one that the machine has, or written out."""

from __future__ import annotations

from functools import cache

from matplotlib import font_manager
from matplotlib.text import Text

USUAL = "DejaVu Sans"
"""Comes with matplotlib."""

OTHERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "Yu Gothic", "Meiryo", "MS Gothic", "Malgun Gothic"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil", "FreeSans", "Unifont"),
)
"""Fonts of operating systems with further scripts, in the order in which they are tried."""


def fit_font(text: Text) -> None:
    """Give a text of a figure fonts that hold its signs; a sign that no font holds is written as its code point."""
    written = text.get_text()
    if written.isascii():
        return
    text.set_fontfamily(families())
    shown = "".join(c if c.isspace() or _is_held(c) else f"U+{ord(c):04X}" for c in written)
    if shown != written:
        text.set_text(shown)


@cache
def families() -> tuple[str, ...]:
    """The usual font and those of OTHERS that the machine has."""
    present = {font.name for font in font_manager.fontManager.ttflist}
    return (USUAL, *(name for name in OTHERS if name in present))


@cache
def _is_held(sign: str) -> bool:
    return any(ord(sign) in _signs(family) for family in families())


@cache
def _signs(family: str) -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(family, fallback_to_default=False))
    return frozenset(font.get_charmap())
