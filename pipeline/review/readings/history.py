"""What a reader has done here before: whether a reader study is still blind, and how long ago the first round was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from osteolens.errors import ConfigError
from pipeline.review.options import ReviewOptions
from pipeline.review.readings.log import readings_of, shown_to

LEAST_APART = timedelta(days=14)
"""Between two rounds of one reader, so that he does not remember the first one. Source: two to four weeks are usual in
studies of agreement within a reader."""


def notes_of(folder: Path, options: ReviewOptions) -> tuple[str, ...]:
    """What is to be known before a reader begins.

    Args:
        folder: of the readers' files.
        options: who reads, and what is hidden.

    Raises:
        ConfigError: a reader study by a reader whom predictions of these studies were shown to.
        ReadError: a file that is no reader's.
    """
    notes = []
    if options.reader_study and (shown := shown_to(folder, options.reader)) is not None:
        seen = f"predictions of these studies were shown to {options.reader} on {_day(shown)}"
        if not options.allow_unblinded:
            raise ConfigError(
                f"{seen}; a reader study would not be blind; take another --reader, or --allow-unblinded, which marks "
                "each of these readings"
            )
        notes.append(f"{seen}; each of these readings is marked as predictions_shown_before")
    if options.round > 1:
        first = readings_of(folder, options.reader, 1).latest
        apart = None if first is None else datetime.now(UTC) - first
        if first is None or apart is None:
            notes.append(f"round {options.round} of {options.reader}, who has no round 1 here")
        elif apart < LEAST_APART:
            notes.append(
                f"round {options.round} begins {apart.days} days after the last reading of round 1 by {options.reader} "
                f"({_day(first)}); expected {LEAST_APART.days} days or more, since readers remember"
            )
    return tuple(notes)


def _day(moment: datetime) -> str:
    return moment.astimezone().date().isoformat()
