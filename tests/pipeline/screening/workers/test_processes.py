"""Studies over several processes: the same files as from one, whatever becomes of a process."""

from __future__ import annotations

import csv
import multiprocessing
import os
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cohort.io.folder import index_cohort
from cohort.study import Study
from osteolens.errors import OutputError, StudyError, WeightsError
from osteolens.progress import Progress, silent
from pipeline.bundle.load import Bundle
from pipeline.prediction import Status
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.workers.engines import Workplace
from pipeline.screening.workers.settings import WorkerSettings
from tests import EXAMPLES


def screened(out: Path, bundle: Bundle, jobs: int, progress: Progress = silent) -> RunSummary:
    options = ScreeningOptions(config=ScreeningConfig(jobs=jobs))
    return screen_folder(index_cohort(EXAMPLES), out, bundle, options, progress=progress)


def settings(bundle: Bundle, out: Path, rois: ManualRois | None = None) -> WorkerSettings:
    for name in ("studies", "overlays"):
        (out / name).mkdir(parents=True, exist_ok=True)
    return WorkerSettings(bundle=bundle, config=ScreeningConfig(jobs=2), manual_rois=rois, root=EXAMPLES, out=out)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(encoding="utf-8") as stream:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.glob("*/*") if path.is_file()}


def test_two_processes_one_of_them_killed_write_what_one_writes(bundle: Bundle, tmp_path: Path) -> None:
    alone = screened(tmp_path / "one", bundle, 1)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        children = [child for child in multiprocessing.active_children() if child.pid is not None]
        if not killed and len(children) > 1:
            victim = children[-1]
            killed.append(victim.pid or 0)
            victim.kill()

    shared = screened(tmp_path / "two", bundle, 2, kill)
    assert killed, "a process was there to be killed"
    assert not shared.stopped and shared.count(Status.FAILED) == 0
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two"), "results and overlays, byte for byte"
    assert set(alone.seconds) == set(shared.seconds) and shared.seconds["load"] > 0
    assert not multiprocessing.active_children(), "no process is left behind"


class EndsWhatLoadsIt(Study):
    """A study that ends the process that receives it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (7,)


def test_a_study_that_ends_its_process_fails_alone(bundle: Bundle, tmp_path: Path) -> None:
    studies = list(index_cohort(EXAMPLES).studies[:2])
    fatal = EndsWhatLoadsIt(**{field.name: getattr(studies[0], field.name) for field in fields(Study)})
    results = list(Workplace(2).results([fatal, studies[1]], settings(bundle, tmp_path), threading.Event()))
    assert [result.row.status for result in results] == [Status.FAILED, Status.SCREENED]
    assert "the process that screened it ended (exit code 7), 2 times" in results[0].row.reason


class EndsWhatStarts(ManualRois):
    """Settings that end every process that starts with them."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def test_processes_that_cannot_start_end_the_run(bundle: Bundle, tmp_path: Path) -> None:
    broken = settings(bundle, tmp_path, EndsWhatStarts({}, "0"))
    with pytest.raises(StudyError, match=r"ended while it loaded the models \(exit code 9\).*--jobs 1"):
        list(Workplace(2).results(index_cohort(EXAMPLES).studies, broken, threading.Event()))


def test_what_a_process_raises_reaches_the_caller(bundle: Bundle, tmp_path: Path) -> None:
    there = settings(bundle, tmp_path / "out")
    (tmp_path / "out" / "studies").rmdir()
    (tmp_path / "out" / "studies").write_bytes(b"")
    with pytest.raises((OutputError, WeightsError), match="studies"):
        list(Workplace(2).results(index_cohort(EXAMPLES).studies, there, threading.Event()))


def test_a_stop_finishes_what_is_in_hand(bundle: Bundle, tmp_path: Path) -> None:
    stop, results = threading.Event(), []
    for result in Workplace(2).results(index_cohort(EXAMPLES).studies * 4, settings(bundle, tmp_path), stop):
        results.append(result)
        stop.set()
    assert 1 <= len(results) < 24, "those in hand, not all"
