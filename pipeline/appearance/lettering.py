"""Letters in pictures: DejaVu Sans, which comes with matplotlib, so that every machine draws the same."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import ImageFont

from osteolens.documents.text import visible


@cache
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font at a size; letters are placed one after the other, without a shaping library that may be missing.

    Args:
        size_px: height of a line's letters in pixels.
        bold: heavy letters.
    """
    return ImageFont.truetype(str(_path(bold)), size_px, layout_engine=ImageFont.Layout.BASIC)


def legible(text: str) -> str:
    """A text whose signs the font holds; the others and control characters are written as their code points."""
    return "".join(c if c == " " or ord(c) in _signs() else f"U+{ord(c):04X}" for c in visible(text))


def wrapped(text: str, face: ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    """Lines of a text that are no wider than a width; a word that is wider is broken.

    Args:
        text: that the font holds.
        face: to draw it with.
        width_px: of a line in pixels.
    """
    lines, line = [], ""
    for piece in (piece for word in text.split() for piece in _pieces(word, face, width_px)):
        longer = f"{line} {piece}" if line else piece
        if line and face.getlength(longer) > width_px:
            lines.append(line)
            longer = piece
        line = longer
    return [*lines, line] if line else lines


def _pieces(word: str, face: ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    """A word, broken where it is wider than a line."""
    pieces, start = [], 0
    for end in range(2, len(word) + 1):
        if end - start > 1 and face.getlength(word[start:end]) > width_px:
            pieces.append(word[start : end - 1])
            start = end - 1
    return [*pieces, word[start:]]


@cache
def _path(bold: bool) -> Path:
    """Found without loading matplotlib, which would write a folder into the home of who runs this."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None, "a dependency"
    fonts = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
    return fonts / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


@cache
def _signs() -> frozenset[int]:
    """Code points that both weights of the font hold."""
    held = []
    for bold in (False, True):
        with TTFont(str(_path(bold)), lazy=True) as face:
            held.append(frozenset(face.getBestCmap()))
    return held[0] & held[1]
