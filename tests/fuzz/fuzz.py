"""Mutated files read in child processes; what must never happen is a finding. Prints JSON.

python tests/fuzz/fuzz.py --seed 0 --seconds 60 --what images
python tests/fuzz/fuzz.py --seed 0 --start 4711 --files 1 --keep found   makes file 4711 again

A finding is an exception outside the error tree, a read of more than 5 s of CPU or 60 s in all, a process that dies or
grows by more than 1 GiB, pixels that are no finite float32 (rows, columns) in [0, 1], or a file that an index loses.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2

from osteolens.errors import OsteoLensError
from tests.fuzz.targets import Target, Wrong, targets

MOST_CPU_SECONDS, MOST_SECONDS = 5.0, 60.0
"""For one file; the second is what a busy machine, or a read that waits for something, may take."""

MOST_BYTES = 2**30
"""By which a child may grow."""

BATCH, INDEXED = 400, 10
"""Files of one child, and files of one folder that is indexed."""


@dataclass(slots=True)
class Report:
    """Counts of one kind of file."""

    files: int = 0
    read: int = 0
    refused: int = 0
    unforeseen: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    largest_growth: int = 0
    seconds: float = 0.0

    def add(self, message: dict[str, Any]) -> None:
        """Take what a child says of one file."""
        if message["outcome"] in ("read", "refused"):
            self.files += 1
            self.read += message["outcome"] == "read"
            self.refused += message["outcome"] == "refused"
        if message.get("net"):
            self.unforeseen[message["net"]] += 1
            self.first.setdefault(message["net"], message["number"])
        self.slowest = max(self.slowest, (message.get("cpu", 0.0), message["number"]))
        self.largest_growth = max(self.largest_growth, message.get("growth", 0))

    def as_json(self) -> dict[str, Any]:
        """What is printed."""
        return {
            "files": self.files, "read": self.read, "refused": self.refused, "findings": self.findings,
            "caught_by_the_last_net": {
                kind: {"files": count, "first": self.first[kind]} for kind, count in self.unforeseen.most_common()
            },
            "slowest_file": {"cpu_seconds": round(self.slowest[0], 3), "number": self.slowest[1]},
            "largest_growth_mib": round(self.largest_growth / 2**20), "seconds": round(self.seconds, 1),
            "files_a_second": round(self.files / max(self.seconds, 1e-9), 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked for."""

    seed: int
    start: int
    files: int | None
    seconds: float
    jobs: int
    keep: Path | None
    scratch: Path


def file_name(number: int, seed_name: str) -> str:
    """A name that says which file it is and keeps the seed's suffix."""
    return f"{number:07d}-{seed_name}"


def outcome(read: Callable[[Path], None], path: Path) -> dict[str, Any]:
    """Read one file: read, refused, or a problem."""
    begun = time.process_time()
    found: dict[str, Any] = {"outcome": "read"}
    try:
        read(path)
    except OsteoLensError as error:
        found = {"outcome": "refused"}
        if ": cannot be read (" in str(error) and error.__cause__ is not None:
            found["net"] = type(error.__cause__).__name__
        if not str(error).strip():
            found["problem"] = "an empty message"
    except Wrong as error:
        found["problem"] = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # panics of decoders are no Exception
        place = traceback.extract_tb(error.__traceback__)[-1]
        found["problem"] = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    found["cpu"] = time.process_time() - begun
    if found["cpu"] > MOST_CPU_SECONDS:
        found.setdefault("problem", f"took {found['cpu']:.1f} s of CPU")
    return found


def peak_bytes() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def child(target: Target, run: Run, numbers: range, pipe: int, folder: Path) -> None:
    """Read some files and say of each when it begins and what came out; never returns."""

    def say(**message: Any) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    before = peak_bytes()
    waiting: list[int] = []
    for number in numbers:
        name, _, raw = target.mutated(run.seed, number)
        path = folder / file_name(number, name)
        path.write_bytes(raw)
        say(outcome="begun", number=number)
        found = outcome(target.read, path)
        found["growth"] = peak_bytes() - before
        if found["growth"] > MOST_BYTES:
            found.setdefault("problem", f"grew by {found['growth'] / 2**20:.0f} MiB")
        say(number=number, **found)
        waiting.append(number)
        if target.read_folder is not None and (len(waiting) == INDEXED or number == numbers[-1]):
            indexed = outcome(target.read_folder, folder)
            if "problem" in indexed:
                say(outcome="indexed", number=number, problem=f"index of {waiting}: {indexed['problem']}")
            waiting = []
        if not waiting or target.read_folder is None:
            shutil.rmtree(folder)
            folder.mkdir()
        if found["growth"] > MOST_BYTES:
            break
    say(outcome="done", number=number)
    os._exit(0)


@dataclass(slots=True)
class Worker:
    """A child process and what is known of it."""

    process: int
    pipe: int
    numbers: range
    folder: Path
    heard: float
    number: int
    rest: bytes = b""
    done: bool = False


def started(target: Target, run: Run, numbers: range) -> Worker:
    """Fork a child for some files."""
    folder = Path(tempfile.mkdtemp(dir=run.scratch))
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reading)
            child(target, run, numbers, writing, folder)
        finally:
            os._exit(3)
    os.close(writing)
    return Worker(process, reading, numbers, folder, time.monotonic(), numbers[0])


def fuzz(target: Target, run: Run) -> Report:
    """Read mutated files until time or files are used up."""
    report, begun = Report(), time.monotonic()
    waiting: list[range] = []
    at, end = run.start, sys.maxsize if run.files is None else run.start + run.files
    workers: list[Worker] = []
    while True:
        over = run.seconds and time.monotonic() - begun > run.seconds
        while len(workers) < run.jobs and not over and (waiting or at < end):
            if not waiting:
                waiting.append(range(at, min(at + BATCH, end)))
                at += BATCH
            workers.append(started(target, run, waiting.pop()))
        if not workers:
            break
        ready, _, _ = select.select([worker.pipe for worker in workers], [], [], 0.5)
        for worker in list(workers):
            if over and not worker.done:
                os.kill(worker.process, signal.SIGKILL)
                _close(worker, workers)
                continue
            rest = _heard(worker, worker.pipe in ready, target, run, report)
            if rest is not None:
                _close(worker, workers)
                waiting += [rest] if len(rest) else []
    report.seconds = time.monotonic() - begun
    return report


def _heard(worker: Worker, ready: bool, target: Target, run: Run, report: Report) -> range | None:
    """Take what a child says; the files that are left of its batch when it has ended, None while it works."""
    if ready:
        raw = os.read(worker.pipe, 65536)
        *lines, worker.rest = (worker.rest + raw).split(b"\n")
        worker.heard = time.monotonic()
        for line in lines:
            message = json.loads(line)
            worker.number, worker.done = message["number"], message["outcome"] == "done"
            report.add(message)
            if "problem" in message:
                _found(report, target, run, message["number"], message["problem"])
        if raw:
            return None
        _, status = os.waitpid(worker.process, 0)
        worker.process = 0
        if not worker.done:
            code = os.waitstatus_to_exitcode(status)
            _found(report, target, run, worker.number, f"the process ended with {code}")
    elif time.monotonic() - worker.heard > MOST_SECONDS:
        os.kill(worker.process, signal.SIGKILL)
        _found(report, target, run, worker.number, f"no answer in {MOST_SECONDS:g} s")
    else:
        return None
    return range(worker.number + 1, worker.numbers.stop)


def _close(worker: Worker, workers: list[Worker]) -> None:
    workers.remove(worker)
    os.close(worker.pipe)
    if worker.process:
        os.waitpid(worker.process, 0)
    shutil.rmtree(worker.folder, ignore_errors=True)


def _found(report: Report, target: Target, run: Run, number: int, problem: str) -> None:
    name, mutators, raw = target.mutated(run.seed, number)
    entry = {"number": number, "seed": run.seed, "file": name, "mutators": mutators, "problem": problem}
    report.findings.append(entry)
    if run.keep is not None:
        run.keep.mkdir(parents=True, exist_ok=True)
        (run.keep / f"{run.seed}-{file_name(number, name)}").write_bytes(raw)


def main(arguments: list[str] | None = None) -> int:
    """Run the fuzzer; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Mutated files through the readers of OsteoLens.")
    parser.add_argument("--what", default="images", choices=("images", "tables", "results", "all"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="for each kind of file; 0 goes by --files alone")
    parser.add_argument("--files", type=int, default=None, help="of each kind, at most")
    parser.add_argument("--start", type=int, default=0, help="number of the first file")
    parser.add_argument("--jobs", type=int, default=1, help="child processes at a time")
    parser.add_argument("--keep", type=Path, default=None, help="folder that gets each file of a finding")
    given = parser.parse_args(arguments)
    if not given.seconds and given.files is None:
        parser.error("--seconds 0 needs --files")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="osteolens-fuzz-") as scratch:
        run = Run(given.seed, given.start, given.files, given.seconds, given.jobs, given.keep, Path(scratch))
        found = {target.name: fuzz(target, run).as_json() for target in targets(given.what, Path(scratch))}
    print(json.dumps(found, indent=1))
    return int(any(one["findings"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
