"""Headers of many files are read by several processes, with the answer of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from cohort.io import image_files
from cohort.io.folder import index_cohort
from tests import EXAMPLES


def test_several_processes_index_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "films")
    (tmp_path / "films" / "note.txt").write_text("no image")
    (tmp_path / "films" / "broken.dcm").write_bytes(b"no image either")
    alone = index_cohort(tmp_path / "films")
    monkeypatch.setattr(image_files, "MANY", 1)
    monkeypatch.setattr(image_files, "A_SHARE", 4)
    monkeypatch.setattr(image_files, "available_cores", lambda: 2)
    told: list[tuple[int, int]] = []
    assert index_cohort(tmp_path / "films", progress=lambda done, total: told.append((done, total))) == alone
    assert told[-1][0] == told[-1][1] and len(told) > 1 and [done for done, _ in told] == sorted(d for d, _ in told)


def test_a_process_that_ends_costs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = index_cohort(EXAMPLES)
    monkeypatch.setattr(image_files, "MANY", 1)
    monkeypatch.setattr(image_files, "available_cores", lambda: 2)

    def broken(
        pool: object, function: Callable[..., object], *columns: Iterable[object], chunksize: int
    ) -> Iterator[object]:
        for number, row in enumerate(zip(*columns, strict=False)):
            if number == 3:
                raise BrokenProcessPool
            yield function(*row)

    monkeypatch.setattr(ProcessPoolExecutor, "map", broken)
    assert index_cohort(EXAMPLES) == alone
