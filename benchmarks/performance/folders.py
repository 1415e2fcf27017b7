"""Folders through `osteolens process`: throughput by --jobs, time and memory over a run, a finished folder again."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.performance.studies import write_manifest
from cohort.study import Study
from osteolens.errors import StudyError

ROOT = Path(__file__).parent.parent.parent
SAMPLE_SECONDS = 0.5
"""Between two looks at the memory."""

DONE = (0, 3)
"""Exit codes of a run that came to its end; 3 tells that some studies failed."""

WINDOWS = 10
"""Parts of a run that are compared."""

EARLY_STUDIES = 500
"""Studies after which memory is compared with that at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRun:
    """One run of the program.

    Attributes:
        processes: that screened.
        seconds: from start to end of the program.
        finished: when each study's result was written, in seconds since the start.
        memory: (seconds since the start, MiB of the program, MiB of it and all its children) by resident set, in which
            libraries that processes share count for each.
        core_seconds: of the program and all its children, at each look at the memory; zero where there is no /proc.
    """

    processes: int
    seconds: float
    finished: tuple[float, ...]
    memory: tuple[tuple[float, float, float], ...]
    core_seconds: tuple[float, ...] = ()

    @property
    def studies_s(self) -> float:
        """Studies a second after the first one of each process, so without loading."""
        first = self.finished[min(max(self.processes, 1), len(self.finished) - 1) - 1]
        return (len(self.finished) - self.processes) / max(self.finished[-1] - first, 1e-9)


def screened(source: Path, out: Path, jobs: int, arguments: Sequence[str] = ()) -> FolderRun:
    """Run `osteolens process` and watch it.

    Args:
        source: folder or manifest.
        out: results; those of an earlier run are kept.
        jobs: processes side by side.
        arguments: more of the command line.

    Raises:
        StudyError: the program failed.
    """
    words = ["process", str(source), "--out", str(out), "--jobs", str(jobs), "--quiet", *arguments]
    begun, since = time.perf_counter(), time.time()
    program = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import app; app()", *words],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    samples: list[tuple[float, float, float]] = []
    core_seconds: list[float] = []
    watcher = threading.Thread(target=_watch, args=(program, begun, samples, core_seconds), daemon=True)
    watcher.start()
    _, said = program.communicate()
    seconds = time.perf_counter() - begun
    watcher.join()
    if program.returncode not in DONE:
        raise StudyError(f"osteolens {' '.join(words)} ended with {program.returncode}: {said.decode()[-500:]}")
    processes = int(json.loads((out / "run.json").read_text("utf-8"))["processes"])
    finished = sorted(path.stat().st_mtime - since for path in (out / "studies").glob("*.json"))
    return FolderRun(
        processes=processes,
        seconds=seconds,
        finished=tuple(finished),
        memory=tuple(samples),
        core_seconds=tuple(core_seconds),
    )


def _watch(
    program: subprocess.Popen[bytes],
    begun: float,
    samples: list[tuple[float, float, float]],
    core_seconds: list[float],
) -> None:
    while program.poll() is None:
        family = _family(program.pid)
        resident = {pid: _resident_mib(pid) for pid in family}
        if any(resident.values()):
            samples.append((time.perf_counter() - begun, resident[program.pid], sum(resident.values())))
            core_seconds.append(sum(_core_seconds(pid) for pid in family))
        time.sleep(SAMPLE_SECONDS)


def _family(pid: int) -> list[int]:
    """A process and all below it; itself alone where the system has no /proc."""
    family, waiting = [], [pid]
    while waiting:
        family.append(waiting.pop())
        for task in Path(f"/proc/{family[-1]}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in task.read_text("ascii").split()]
            except OSError:  # it has ended
                continue
    return family


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _core_seconds(pid: int) -> float:
    """Of a process and those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsTime:
    """Throughput with a number of processes.

    Attributes:
        jobs: processes; 0 is the loop of ultralytics and torch.
        studies: of the folder.
        studies_s: the largest of the rounds, without loading.
        median_studies_s: the median of the rounds.
        seconds: of the whole program, the shortest; None of the loop.
        peak_mib: memory of all processes together; None of the loop.
    """

    jobs: int
    studies: int
    studies_s: float
    median_studies_s: float
    seconds: float | None = None
    peak_mib: float | None = None


def measured_jobs(
    studies: Sequence[Study],
    count: int,
    numbers: Sequence[int],
    rounds: int,
    folder: Path,
    arguments: Sequence[str] = (),
    rival: Callable[[], float] | None = None,
) -> tuple[JobsTime, ...]:
    """Throughput by --jobs, and of the other side's loop over the same files, in turns.

    Args:
        studies: whose files are screened again and again.
        count: studies of a folder.
        numbers: of processes.
        rounds: of every number of processes.
        folder: to write into.
        arguments: more of the command line.
        rival: gives studies a second of the other side.
    """
    manifest = write_manifest(folder / "jobs.csv", studies, count)
    runs: dict[int, list[FolderRun]] = {jobs: [] for jobs in numbers}
    rates: list[float] = []
    for number in range(rounds):
        for jobs in numbers:
            runs[jobs].append(screened(manifest, folder / f"jobs-{jobs}-{number}", jobs, arguments))
        if rival is not None:
            rates.append(rival())
    found = [_jobs_time(jobs, count, of_jobs) for jobs, of_jobs in runs.items()]
    if rates:
        best, median = (round(value, 3) for value in (max(rates), statistics.median(rates)))
        found.append(JobsTime(jobs=0, studies=count, studies_s=best, median_studies_s=median))
    return tuple(found)


def _jobs_time(jobs: int, count: int, runs: Sequence[FolderRun]) -> JobsTime:
    rates = [run.studies_s for run in runs]
    return JobsTime(
        jobs=jobs,
        studies=count,
        studies_s=round(max(rates), 3),
        median_studies_s=round(statistics.median(rates), 3),
        seconds=round(min(run.seconds for run in runs), 2),
        peak_mib=round(max((all_of_it for run in runs for _, _, all_of_it in run.memory), default=0.0)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """A folder of many studies, and the same folder again once it is finished.

    Attributes:
        studies: of the folder.
        jobs: processes.
        seconds: of the run.
        ms_a_study: in each of some parts of the run, from the first to the last.
        early_studies: after which memory is told first.
        early_mib: memory of the program, and of all its processes, about then; the median of some samples.
        late_mib: likewise at the end.
        again_seconds: of the run over the finished folder.
        core_ms_a_study: as ms_a_study, of all cores together, which other work on the machine changes less.
        flatness: the slowest part over the median one.
    """

    studies: int
    jobs: int
    seconds: float
    ms_a_study: tuple[float, ...]
    early_studies: int
    early_mib: tuple[float, float]
    late_mib: tuple[float, float]
    again_seconds: float
    core_ms_a_study: tuple[float, ...] = ()
    flatness: float = field(init=False)

    def __post_init__(self) -> None:
        """The slowest part over the median one, by the time of the cores where it is known."""
        times = self.core_ms_a_study if any(self.core_ms_a_study) else self.ms_a_study
        slowest = max(times) / statistics.median(times)
        object.__setattr__(self, "flatness", round(slowest, 3))


def measured_long_run(
    studies: Sequence[Study], count: int, jobs: int, folder: Path, arguments: Sequence[str] = ()
) -> LongRun:
    """Screen many studies and look at time and memory over the run, then run the finished folder again.

    Args:
        studies: whose files are screened again and again.
        count: studies of the folder.
        jobs: processes.
        folder: to write into.
        arguments: more of the command line.
    """
    manifest, out = write_manifest(folder / "long.csv", studies, count), folder / "long"
    run = screened(manifest, out, jobs, arguments)
    again = screened(manifest, out, jobs, arguments)
    edges = [round(k * (count - 1) / WINDOWS) for k in range(WINDOWS + 1)]
    spans = [(a, b) for a, b in pairwise(edges) if b > a]
    early = min(EARLY_STUDIES, max(1, count // 2))
    return LongRun(
        studies=count,
        jobs=jobs,
        seconds=round(run.seconds, 1),
        ms_a_study=tuple(round(1000 * (run.finished[b] - run.finished[a]) / (b - a), 1) for a, b in spans),
        core_ms_a_study=_core_ms(run, spans),
        early_studies=early,
        early_mib=_memory_about(run, early),
        late_mib=_memory_about(run, count),
        again_seconds=round(again.seconds, 2),
    )


def _core_ms(run: FolderRun, spans: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """Milliseconds of all cores a study, between the ends of two studies each."""
    times = [sample[0] for sample in run.memory]
    if len(times) != len(run.core_seconds) or not times:
        return (0.0,) * len(spans)
    ends = [(np.interp([run.finished[a], run.finished[b]], times, run.core_seconds), b - a) for a, b in spans]
    return tuple(round(float(1000 * (late - early) / count), 1) for (early, late), count in ends)


def _memory_about(run: FolderRun, studies: int) -> tuple[float, float]:
    """Median memory while the last fifth of the first studies were screened, or the last sample before."""
    end = run.finished[studies - 1]
    begin = run.finished[max(0, studies - 1 - min(100, studies // 5))]
    samples = [sample for sample in run.memory if begin <= sample[0] <= end]
    samples = samples or [sample for sample in run.memory if sample[0] <= end][-1:] or [(0.0, 0.0, 0.0)]
    parent, together = (round(statistics.median(sample[k] for sample in samples), 1) for k in (1, 2))
    return parent, together
