"""Epochs of a run: what each measured, which is kept, and the files that show it while it goes."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from osteolens.atomic import write_csv
from osteolens.training.curves import draw_curves
from osteolens.training.watch import Watch

log = logging.getLogger(__name__)

Row = Mapping[str, float]


class RunRecord:
    """The history of a run, from epoch 0, which is the start where there is one.

    After every epoch history.csv, curves.png and curves.svg are written, and TensorBoard's events into `tensorboard/`
    where the package tensorboard is installed.
    """

    def __init__(
        self, out: Path, metric: str, watch: Watch, history: Sequence[Row] = (), smaller_is_better: bool = False
    ) -> None:
        """Begin a record, or go on with one.

        Args:
            out: run folder.
            metric: on the validation studies by which the best epoch is chosen.
            watch: told of every row.
            history: rows of the epochs that are done.
            smaller_is_better: of the metric.
        """
        self._sign = -1 if smaller_is_better else 1
        self.out, self.metric, self._watch = out, metric, watch
        self.history: list[Row] = list(history)

    @property
    def best(self) -> Row:
        """The first of the epochs with the best metric, so the start where nothing beats it."""
        return max(self.history, key=self._score)

    @property
    def minutes(self) -> float:
        """How long the epochs took, those before a break included."""
        return self.history[-1].get("minutes", 0.0) if self.history else 0.0

    def add(self, row: Row) -> bool:
        """Take an epoch up and write what shows it; returns whether it is the best one so far.

        Raises:
            OutputError: a file cannot be written.
        """
        self.history.append(row)
        self._watch.on_epoch(row)
        values = ", ".join(f"{name} {value:.3g}" for name, value in row.items() if name != "epoch")
        self._watch.notify(f"epoch {row['epoch']:.0f}{' (the start)' if not row['epoch'] else ''}: {values}")
        write_csv(self.out / "history.csv", pd.DataFrame(self.history))
        draw_curves(self.history, self.out, int(self.best["epoch"]))
        self._tensorboard(row)
        return self.best is row

    def waited(self) -> int:
        """Epochs since the best one."""
        return int(self.history[-1]["epoch"] - self.best["epoch"])

    def tell_outcome(self) -> None:
        """Say which epoch is kept, and that the start is where none beat it."""
        best, name = self.best, self.metric
        if best["epoch"] or len(self.history) == 1:
            self._watch.notify(f"epoch {best['epoch']:.0f} is kept: {name} {best[name]:.4g}")
            return
        other = max(self.history[1:], key=self._score)
        self._watch.notify(
            f"no epoch beat the start, so the start is kept: {name} {best[name]:.4g}, at best {other[name]:.4g} after "
            f"epoch {other['epoch']:.0f}"
        )

    def _score(self, row: Row) -> float:
        value = row.get(self.metric, math.nan)
        return -math.inf if math.isnan(value) else self._sign * value

    def _tensorboard(self, row: Row) -> None:
        if find_spec("tensorboard") is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            log.warning("TensorBoard is left out: %s", error)
            return

        with SummaryWriter(str(self.out / "tensorboard")) as writer:
            for name, value in row.items():
                writer.add_scalar(name, value, int(row["epoch"]))
