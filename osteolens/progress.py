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


class Steps:
    """Progress of several works in a row as that of one."""

    def __init__(self, progress: Progress, total: int) -> None:
        """Begin.

        Args:
            progress: told of the whole.
            total: steps of all works.
        """
        self._progress, self._total, self._before = progress, total, 0

    def of(self, count: int) -> Progress:
        """Progress of the next work, of so many steps."""
        before = self._before
        self._before += count
        return lambda done, _: self._progress(before + done, self._total)
