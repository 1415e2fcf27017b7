"""Growth: indexing with the number of files, reading and screening with the size of radiographs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.performance.studies import examples, larger_study, many_headers
from benchmarks.performance.timing import Clock, Timing
from cohort.io.folder import index_cohort
from osteolens.inference.config import InferenceConfig
from pipeline.bundle.load import Bundle
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener


@dataclass(frozen=True, slots=True)
class IndexTime:
    """Indexing of a folder: files, the studies that they make, seconds."""

    files: int
    studies: int
    seconds: float


def measured_indexing(counts: Sequence[int], rounds: int, folder: Path) -> tuple[IndexTime, ...]:
    """Index folders of DICOM files of two a study; only headers are read, so their images are small.

    Args:
        counts: files of each folder.
        rounds: of which the shortest counts.
        folder: to write into.
    """
    times: dict[int, list[float]] = {count: [] for count in counts}
    studies = {}
    for count in counts:
        (folder / f"{count}").mkdir()
        many_headers(folder / f"{count}", count)
    for _ in range(rounds):
        for count in counts:
            begun = time.perf_counter()
            studies[count] = len(index_cohort(folder / f"{count}").studies)
            times[count].append(time.perf_counter() - begun)
    return tuple(IndexTime(count, studies[count], round(min(times[count]), 3)) for count in counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTime:
    """A study whose radiographs have a longer side of so many pixels.

    Attributes:
        side_px: longer side.
        megabytes: both files.
        reading: time of reading both.
        screening: all but reading and writing.
    """

    side_px: int
    megabytes: float
    reading: Timing
    screening: Timing


def measured_sizes(
    bundle: Bundle, inference: InferenceConfig, threads: int, sides: Sequence[int], rounds: int, folder: Path
) -> tuple[SizeTime, ...]:
    """Read and screen an example that is enlarged, uncompressed.

    Args:
        bundle: weights.
        inference: what networks run on.
        threads: of each network.
        sides: longer side of the radiographs, in pixels.
        rounds: over all sizes.
        folder: to write into.
    """
    screener = Screener(bundle, ScreeningConfig(threads=threads, inference=inference))
    studies = {side: larger_study(examples()[0], side, folder / f"{side}-px") for side in sides}
    clocks = {side: Clock() for side in sides}
    for number in range(rounds + 1):
        for side, study in studies.items():
            clock = clocks[side] if number else Clock()  # the first round prepares
            loaded = clock.timed("reading", 0, partial(read_study, study))
            clock.timed("screening", 0, partial(screener.screen_loaded, loaded))
    found = []
    for side, study in studies.items():
        size = sum(path.stat().st_size for _, path in study.images)
        timings = clocks[side].timings()
        found.append(SizeTime(side_px=side, megabytes=round(size / 1e6, 1), **timings))
    return tuple(found)
