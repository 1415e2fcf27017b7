"""Captions of tables and figures, numbered in their order on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands with a table or a figure.

    Attributes:
        title: without a full stop.
        note: sentences that say how to read it; may be empty.
    """

    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A caption with its label, such as "Table 3"; without one where nothing is numbered."""

    label: str
    title: str
    note: str

    @property
    def heading(self) -> str:
        """Label and title, as "Table 3. Calibration"."""
        return f"{self.label}. {self.title}" if self.label else self.title


def numbered(kind: str, names: Iterable[str], captions: Mapping[str, Caption]) -> dict[str, Numbered]:
    """Captions by name, numbered from 1 in the order of the names; a name without a caption gives its own words.

    Args:
        kind: "Table" or "Figure".
        names: of what is on the page, in its order.
        captions: by name.
    """
    found = {}
    for number, name in enumerate(names, start=1):
        caption = captions.get(name, Caption(words_of(name)))
        found[name] = Numbered(f"{kind} {number}", caption.title, caption.note)
    return found


def words_of(name: str) -> str:
    """The words of a name in code: "quality_control" gives "Quality control"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
