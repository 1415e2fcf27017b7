"""Colours of levels, classes and pages, the same on overlays, reports, the review page and in DICOM objects.

Source: Okabe and Ito, "Color Universal Design" (2008), for levels and classes: readers with any kind of colour
blindness can tell them apart. `pipeline/review/static/page.css` holds the same values, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cohort.bmd import BmdClass
from cohort.spine import VertebralLevel

Rgb = tuple[int, int, int]

LEVELS: Mapping[VertebralLevel, str] = MappingProxyType(
    {
        VertebralLevel.L1: "#56b4e9",
        VertebralLevel.L2: "#e69f00",
        VertebralLevel.L3: "#f0e442",
        VertebralLevel.L4: "#cc79a7",
    }
)
"""Of L1 to L4."""

OTHER = "#c3cad1"
"""Of every other level."""

CLASSES: Mapping[BmdClass, str] = MappingProxyType(
    {BmdClass.NORMAL: "#56b4e9", BmdClass.OSTEOPENIA: "#e69f00", BmdClass.OSTEOPOROSIS: "#d55e00"}
)
"""Of the three classes."""

INK = "#0b0e11"
"""Of letters on one of the colours above."""

DARK: Mapping[str, str] = MappingProxyType(
    {
        "page": "#14181d",
        "raised": "#1c2229",
        "line": "#36404b",
        "text": "#e8ecf0",
        "quiet": "#aab4bf",
        "focus": "#f0e442",
        "link": "#8fcdf2",
        "button": "#28313b",
        "pressed": "#d7dde3",
        "warn": "#f0b64f",
        "bad": "#ff9a6b",
        "good": "#5fd0a8",
    }
)
"""Of pages, by their name in the style sheets; overlays stand on the same ground."""

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "page": "#ffffff",
        "raised": "#f1f4f7",
        "line": "#b4bcc5",
        "text": "#1a222c",
        "quiet": "#4c5763",
        "focus": "#1f5f99",
        "link": "#1f5f99",
        "button": "#e4e9ee",
        "pressed": "#28313b",
        "warn": "#7a4f00",
        "bad": "#a03600",
        "good": "#1f6b49",
    }
)
"""Of pages on a light ground and on paper."""


def level_colour(level: VertebralLevel) -> str:
    """Of a level's box and label, as #rrggbb."""
    return LEVELS.get(level, OTHER)


def rgb(colour: str) -> Rgb:
    """Red, green and blue, 0 to 255, of a colour as #rrggbb."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
