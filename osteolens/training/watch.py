"""Who is told how a fit goes: lines for people, a row an epoch, and the steps within an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LINE_SECONDS = 30.0
"""Time between two lines within an epoch."""

STEP_SECONDS = 0.5
"""Least time between two steps that a bar is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStep:
    """How far an epoch has come.

    Attributes:
        epoch: its number, from 1.
        epochs: how many there will be.
        done: images that were trained on in it.
        total: images of an epoch.
        images_s: images a second.
        seconds_left: until its images are done.
    """

    epoch: int
    epochs: int
    done: int
    total: int
    images_s: float
    seconds_left: float

    @property
    def speed(self) -> str:
        """Images a second, and the time that is left of the epoch, in words."""
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{self.images_s:.3g} images/s, {minutes}:{seconds:02} left"

    def __str__(self) -> str:
        """One line for people."""
        return f"epoch {self.epoch} of {self.epochs}: {self.done} of {self.total} images, {self.speed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told how a fit goes.

    Attributes:
        notify: told in lines for people.
        on_epoch: told of every epoch's row when it ends; epoch 0 is the start.
        on_step: told of the steps within an epoch; lines, half a minute apart, when None.
    """

    notify: Callable[[str], None] = lambda _: None
    on_epoch: Callable[[Mapping[str, float]], None] = lambda _: None
    on_step: Callable[[EpochStep], None] | None = None


class EpochClock:
    """Counts the images of one epoch and tells how fast they go."""

    def __init__(self, watch: Watch, epoch: int, epochs: int, total: int) -> None:
        """Start the clock.

        Args:
            watch: who is told.
            epoch: its number, from 1.
            epochs: how many there will be.
            total: images of an epoch.
        """
        self._watch, self._epoch, self._epochs, self._total = watch, epoch, epochs, total
        self._began = self._told = time.monotonic()
        self._done = 0

    def add(self, images: int) -> None:
        """Some more images are done."""
        self._done += images
        now = time.monotonic()
        lines = self._watch.on_step is None
        if now - self._told < (LINE_SECONDS if lines else STEP_SECONDS) and (lines or self._done < self._total):
            return
        self._told = now
        images_s = self._done / max(now - self._began, 1e-9)
        step = EpochStep(
            epoch=self._epoch,
            epochs=self._epochs,
            done=self._done,
            total=self._total,
            images_s=images_s,
            seconds_left=(self._total - self._done) / images_s,
        )
        if self._watch.on_step is None:
            self._watch.notify(str(step))
        else:
            self._watch.on_step(step)
