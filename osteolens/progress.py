"""One way to tell of progress: a callable that every long loop takes."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told after every step of a long loop."""

    def __call__(self, done: int, total: int) -> None:
        """Take note.

        Args:
            done: steps that are done, those of an earlier run included.
            total: steps in all.
        """


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""
