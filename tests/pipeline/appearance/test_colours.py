"""Colours are the same on the review page, in the style sheet of reports and in pictures, and can be told apart."""

from __future__ import annotations

import re

import pytest

from cohort.spine import TARGET_LEVELS, VertebralLevel
from pipeline.appearance.colours import CLASSES, DARK, INK, LEVELS, LIGHT, OTHER, level_colour, rgb
from tests import ROOT

PAGE = (ROOT / "pipeline" / "review" / "static" / "page.css").read_text("utf-8")
LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2, level AA."""


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [value / 255 for value in rgb(colour)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Ratio of two colours by WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_review_page_has_the_same_colours() -> None:
    named = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", PAGE))
    table = {**DARK, "ink": INK, "other": OTHER}
    table |= {level.lower(): colour for level, colour in LEVELS.items()}
    table |= {c.value: colour for c, colour in CLASSES.items()}
    assert named == table


def test_four_levels_have_colours_of_their_own() -> None:
    assert tuple(LEVELS) == TARGET_LEVELS and len(set(LEVELS.values())) == 4
    assert level_colour(VertebralLevel.L5) == level_colour(VertebralLevel.T12) == OTHER


@pytest.mark.parametrize("name", ["text", "quiet", "link", "warn", "bad", "good"])
@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_words_are_readable_on_both_grounds(theme: dict[str, str], name: str) -> None:
    assert min(contrast(theme[name], theme[ground]) for ground in ("page", "raised")) >= LEAST_CONTRAST


@pytest.mark.parametrize("colour", [*LEVELS.values(), *CLASSES.values(), OTHER])
def test_letters_on_a_plate_are_readable(colour: str) -> None:
    assert contrast(colour, INK) >= LEAST_CONTRAST
