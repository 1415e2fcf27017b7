"""How a worklist is reviewed: by whom, in which round, and what is hidden."""

from __future__ import annotations

import re
from dataclasses import dataclass

from osteolens.documents.json_document import quoted
from osteolens.errors import ConfigError

READER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?", re.ASCII)
"""A reader's name, which is also the name of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """Who reviews, and what is shown.

    Attributes:
        reader: name of the reader.
        round: 1, or 2 for a second reading by the same reader, who does not see the first.
        blind: whether exports hold this reader's work alone.
        reader_study: random order, predictions and DXA hidden; implies `blind`.
        allow_unblinded: whether a reader study is done by a reader whom predictions were shown to before.
        show_names: whether patient identifiers are shown in place of pseudonyms.
    """

    reader: str = "reader"
    round: int = 1
    blind: bool = False
    reader_study: bool = False
    allow_unblinded: bool = False
    show_names: bool = False

    def __post_init__(self) -> None:
        if not READER.fullmatch(self.reader):
            raise ConfigError(
                f"reader is {quoted(self.reader)}; expected 1 to 40 letters of A-Z, a-z, digits, - and _, with a "
                "letter or digit at both ends"
            )
        if self.round not in (1, 2):
            raise ConfigError(f"round is {self.round}; expected 1, or 2 for a second reading by the same reader")

    @property
    def name(self) -> str:
        """Name of this reading in tables and files; no reader's name holds a dot."""
        return self.reader if self.round == 1 else f"{self.reader}.{self.round}"

    @property
    def sees_others(self) -> bool:
        """Whether exports hold the work of other readers."""
        return not (self.blind or self.reader_study)

    def as_json(self) -> dict[str, object]:
        """The mode as the page shows it."""
        return {
            "reader": self.reader,
            "round": self.round,
            "blind": not self.sees_others,
            "reader_study": self.reader_study,
            "hidden_predictions": self.reader_study,
            "show_names": self.show_names,
        }
