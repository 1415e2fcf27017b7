"""A run's record keeps the start where nothing beats it, and shows its epochs while they go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pandas as pd
import pytest

from osteolens.training.record import RunRecord
from osteolens.training.watch import EpochClock, EpochStep, Watch


def record_of(out: Path, scores: list[float]) -> tuple[RunRecord, list[str], list[bool]]:
    lines: list[str] = []
    record = RunRecord(out, "dice", Watch(notify=lines.append))
    best = [record.add({"epoch": epoch, "dice": score, "minutes": epoch}) for epoch, score in enumerate(scores)]
    record.tell_outcome()
    return record, lines, best


def test_the_start_is_kept_where_nothing_beats_it(tmp_path: Path) -> None:
    record, lines, best = record_of(tmp_path, [0.9, 0.8, float("nan"), 0.9])
    assert record.best["epoch"] == 0 and best == [True, False, False, False] and record.waited() == 3
    assert lines[0] == "epoch 0 (the start): dice 0.9, minutes 0"
    assert lines[-1] == "no epoch beat the start, so the start is kept: dice 0.9, at best 0.9 after epoch 3"


def test_a_better_epoch_is_kept(tmp_path: Path) -> None:
    record, lines, best = record_of(tmp_path, [0.5, 0.7, 0.6])
    assert record.best["epoch"] == 1 and best == [True, True, False] and record.minutes == 2
    assert lines[-1] == "epoch 1 is kept: dice 0.7"
    assert pd.read_csv(tmp_path / "history.csv")["dice"].tolist() == [0.5, 0.7, 0.6]
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG" and "</svg>" in (tmp_path / "curves.svg").read_text(
        "utf-8"
    )


def test_tensorboard_gets_every_epoch_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    told: list[tuple[str, float, int]] = []

    class Writer:
        folders: ClassVar[list[str]] = []

        def __init__(self, folder: str) -> None:
            self.folders.append(folder)

        def __enter__(self) -> Writer:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def add_scalar(self, name: str, value: float, epoch: int) -> None:
            told.append((name, value, epoch))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr("osteolens.training.record.find_spec", lambda name: object())
    rows: list[Mapping[str, float]] = []
    RunRecord(tmp_path, "dice", Watch(on_epoch=rows.append)).add({"epoch": 4, "dice": 0.5})
    assert told == [("epoch", 4, 4), ("dice", 0.5, 4)] and rows == [{"epoch": 4, "dice": 0.5}]
    assert Writer.folders == [str(tmp_path / "tensorboard")]


def test_steps_tell_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("osteolens.training.watch.time.monotonic", lambda: now[0])
    lines: list[str] = []
    clock = EpochClock(Watch(notify=lines.append), 2, 5, 400)
    for _ in range(4):
        now[0] += 20
        clock.add(50)
    assert lines == [
        "epoch 2 of 5: 100 of 400 images, 2.5 images/s, 2:00 left",
        "epoch 2 of 5: 200 of 400 images, 2.5 images/s, 1:20 left",
    ]
    steps: list[EpochStep] = []
    clock = EpochClock(Watch(on_step=steps.append), 1, 1, 2)
    for _ in range(2):
        clock.add(1)
    assert [step.done for step in steps] == [2], "the last step is told, others half a second apart"
