"""Each stage of a study: its time, and what its network reaches of the machine's arithmetic."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.performance.machine import Machine, has, limit_of
from benchmarks.performance.networks import Networks, operations, plain_graph
from benchmarks.performance.timing import Clock, Timing
from cohort.study import Study
from osteolens.atomic import write_whole
from osteolens.documents.json_document import write_json
from osteolens.inference.config import InferenceConfig
from pipeline.bundle.load import Bundle
from pipeline.screening.output.overlay import overlay_png
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener, ScreeningOutput

NETWORKS = ("detector", "segmenter", "classifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a study of two views.

    Attributes:
        name: of the stage; a network's own stage holds the runs of that network alone.
        time: that it takes.
        gflop: operations of the network a study; None of other stages.
        gflop_s: rate at the shortest time.
        limit_gflop_s: best rate of products of matrices in the same precision on as many cores.
    """

    name: str
    time: Timing
    gflop: float | None = None
    gflop_s: float | None = None
    limit_gflop_s: float | None = None


def measured_stages(
    bundle: Bundle,
    studies: Sequence[Study],
    inference: InferenceConfig,
    threads: int,
    rounds: int,
    machine: Machine,
) -> tuple[Stage, ...]:
    """Time the stages of some studies.

    Args:
        bundle: weights.
        studies: to screen; each counts alike.
        inference: what networks run on.
        threads: of each network.
        rounds: over all studies.
        machine: whose arithmetic is the limit.
    """
    networks, clock = Networks(bundle, threads, inference), Clock()
    screener = Screener(bundle, networks.config)
    gflop = _operations(networks, bundle, studies) if has("onnx") else {}
    outputs = {study.study_uid: screener.screen_loaded(read_study(study)) for study in studies}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for number, study in enumerate(studies):
                loaded = clock.timed("reading", number, partial(read_study, study))
                _time_networks(clock, number, networks, loaded)
                _time_writing(clock, number, outputs[study.study_uid], Path(folder), networks.config.overlay_px)
                clock.timed("all but reading and writing", number, partial(screener.screen_loaded, loaded))
    limit = limit_of(machine, inference.precision.value, threads)
    return tuple(_stage(name, timing, gflop.get(name), limit) for name, timing in clock.timings().items())


def _time_networks(clock: Clock, number: int, networks: Networks, loaded: LoadedStudy) -> None:
    networks.clear()
    begun = time.perf_counter()
    spines = networks.find(loaded)
    found = 1000 * (time.perf_counter() - begun)
    runs = networks.runs
    in_networks = {name: runs[name].milliseconds for name in NETWORKS[:2] if name in runs}
    for name, taken in in_networks.items():
        clock.add(name, number, taken)
    clock.add("boxes and outlines beside the networks", number, found - sum(in_networks.values()))
    images = clock.timed("quality control", number, partial(networks.assess, loaded, spines))
    crops = clock.timed("crops", number, partial(networks.crops, images))
    if crops:
        networks.classifier.classify(crops, loaded.study.covariates)
        clock.add("classifier", number, runs["classifier"].milliseconds)


def _time_writing(clock: Clock, number: int, output: ScreeningOutput, folder: Path, side: int) -> None:
    prediction = output.prediction
    pictures = clock.timed(
        "drawing overlays",
        number,
        lambda: [
            overlay_png(prediction, view, pixels, side, output.outlines[view]) for view, pixels in output.pixels.items()
        ],
    )

    def write() -> None:
        write_json(folder / "study.json", prediction.as_json())
        for k, picture in enumerate(pictures):
            write_whole(folder / f"{k}.png", picture)

    clock.timed("writing", number, write)


def _operations(networks: Networks, bundle: Bundle, studies: Sequence[Study]) -> dict[str, float]:
    """Mean operations of those studies that a network sees, by network, in thousand millions."""
    given, known = networks.feeds(studies), {}
    totals = dict.fromkeys(bundle.networks, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        plain = {name: plain_graph(path, Path(folder) / f"{name}.onnx") for name, path in bundle.networks.items()}
        for by_network in given:
            for name, feeds in by_network.items():
                for feed in feeds:
                    key = (name, tuple(array.shape for array in feed.values()))
                    if key not in known:
                        known[key] = operations(plain[name], feed).gflop
                    totals[name] += known[key]
    seen = {name: sum(bool(by_network[name]) for by_network in given) for name in totals}
    return {name: round(total / seen[name], 3) for name, total in totals.items() if seen[name]}


def _stage(name: str, timing: Timing, gflop: float | None, limit: float | None) -> Stage:
    if gflop is None:
        return Stage(name=name, time=timing)
    rate = round(1000 * gflop / timing.minimum_ms, 1)
    return Stage(name=name, time=timing, gflop=gflop, gflop_s=rate, limit_gflop_s=limit)
