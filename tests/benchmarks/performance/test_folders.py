"""What is said of a run of the program follows from when its results were written and what memory it held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.performance import folders
from benchmarks.performance.folders import FolderRun, LongRun, _core_ms, _memory_about, measured_jobs
from benchmarks.performance.studies import examples


def test_throughput_is_counted_after_the_first_result_of_each_process() -> None:
    finished = (10.0, 10.5, *(11.0 + 0.5 * k for k in range(8)))
    run = FolderRun(processes=2, seconds=20.0, finished=finished, memory=())
    assert run.studies_s == pytest.approx(8 / (14.5 - 10.5))


def test_memory_is_that_while_the_last_of_some_studies_were_screened() -> None:
    samples = tuple((float(second), 100.0 + second, 300.0 + 2 * second) for second in range(1000))
    run = FolderRun(processes=1, seconds=1000, finished=tuple(float(k) for k in range(1000)), memory=samples)
    assert _memory_about(run, 500) == (100 + 449, 300 + 2 * 449), "the median from study 400 to 500"
    assert _memory_about(run, 1000) == (100 + 949, 300 + 2 * 949)


def test_flatness_is_the_slowest_part_over_the_median_one() -> None:
    run = LongRun(
        studies=30, jobs=1, seconds=9.0, ms_a_study=(100.0, 110.0, 132.0), early_studies=10,
        early_mib=(1.0, 2.0), late_mib=(1.0, 2.0), again_seconds=1.0,
    )  # fmt: skip
    assert run.flatness == 1.2


def test_numbers_of_processes_and_the_other_side_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []

    def screened(source: Path, out: Path, jobs: int, arguments: Sequence[str]) -> FolderRun:
        assert source.is_file() and not out.exists() and list(arguments) == ["--precision=fp32"]
        turns.append(jobs)
        pace = 1.0 / jobs / len(turns)
        finished = tuple(5 + pace * k for k in range(12))
        return FolderRun(
            processes=jobs, seconds=20.0 + len(turns), finished=finished, memory=((1.0, 50.0, 100.0 * jobs),)
        )

    def rival() -> float:
        turns.append(0)
        return float(len(turns))

    monkeypatch.setattr(folders, "screened", screened)
    one, two, loop = measured_jobs(examples(), 12, (1, 2), 2, tmp_path, ["--precision=fp32"], rival)
    assert turns == [1, 2, 0, 1, 2, 0]
    assert [one.studies_s, one.median_studies_s] == pytest.approx([4.0, 2.5]), "paces of turns 1 and 4"
    assert two.studies_s == pytest.approx(10.0) and (one.seconds, one.peak_mib, two.peak_mib) == (21.0, 100, 200)
    assert (loop.jobs, loop.studies_s, loop.median_studies_s) == (0, 6.0, 4.5)


def test_time_of_the_cores_tells_how_flat_a_run_is_where_it_is_known() -> None:
    """Other work on the machine doubles the seconds of the second half and no second of the cores."""
    finished = (1.0, 2.0, 3.0, 5.0, 7.0)
    memory = tuple((float(at), 1.0, 1.0) for at in range(8))
    run = FolderRun(
        processes=1, seconds=8.0, finished=finished, memory=memory, core_seconds=(0, 1, 2, 3, 3.5, 4, 4.5, 5)
    )
    core_ms = _core_ms(run, [(0, 2), (2, 4)])
    assert core_ms == (1000.0, 1000.0)
    assert _core_ms(replace(run, core_seconds=()), [(0, 2), (2, 4)]) == (0.0, 0.0)
