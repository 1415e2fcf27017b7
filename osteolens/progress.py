"""Progress of long loops: a callable that each of them takes."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called after every step of a long loop."""

    def __call__(self, done: int, total: int) -> None:
        """Show or store the progress.

        Args:
            done: steps that are done, those of an earlier run included.
            total: steps in all.
        """


def silent(done: int, total: int) -> None:
    """Ignore the progress."""
