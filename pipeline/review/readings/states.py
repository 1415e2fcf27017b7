"""What holds of each study that a reader saved, kept in memory as it stands in his file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.review.readings.corrections import PredictionsShown, Saved


class SavedStudies(Mapping[str, Saved]):
    """The last line of each study, in the order in which studies were first read.

    Lines stay text until they are asked for: of 5,000 studies they take a tenth of the memory.
    """

    def __init__(self, lines: Mapping[str, bytes] | None = None) -> None:
        """From lines by study."""
        self._lines: dict[str, bytes] = dict(lines or {})

    def __getitem__(self, study_uid: str) -> Saved:
        """What holds of a study."""
        return Saved.model_validate_json(self._lines[study_uid])

    def __contains__(self, study_uid: object) -> bool:
        """Whether a study was saved."""
        return study_uid in self._lines

    def __iter__(self) -> Iterator[str]:
        """Studies."""
        return iter(self._lines)

    def __len__(self) -> int:
        """Number of studies."""
        return len(self._lines)

    def keep(self, study_uid: str, line: bytes) -> None:
        """A line now holds."""
        self._lines[study_uid] = line

    def with_others(self, others: SavedStudies) -> SavedStudies:
        """The same, in which those of others count first."""
        return SavedStudies({**self._lines, **others._lines})


@dataclass(slots=True)
class Readings:
    """What one file of a reader holds.

    Attributes:
        last: what holds of each study.
        blind: the same of what was said while predictions were hidden; no later look at predictions changes it.
        shown: when predictions were first shown to the reader, None where they never were.
        latest: when a study was saved the last time, None where none was.
    """

    last: SavedStudies = field(default_factory=SavedStudies)
    blind: SavedStudies = field(default_factory=SavedStudies)
    shown: datetime | None = None
    latest: datetime | None = None

    def add(self, line: Saved | PredictionsShown, text: bytes) -> None:
        """Take one more line.

        Args:
            line: what it says.
            text: as it stands in the file.
        """
        hidden = isinstance(line, Saved) and line.hidden_predictions
        if isinstance(line, Saved):
            self.last.keep(line.study_uid, text)
            self.latest = max(line.moment, self.latest or line.moment)
            if hidden:
                self.blind.keep(line.study_uid, text)
        if not hidden and self.shown is None:
            self.shown = line.moment

    @property
    def unbiased(self) -> SavedStudies:
        """Of each study what was said while predictions were hidden; else the last."""
        return self.last.with_others(self.blind)

    def copy(self) -> Readings:
        """What is held at this moment."""
        return Readings(SavedStudies(self.last._lines), SavedStudies(self.blind._lines), self.shown, self.latest)
