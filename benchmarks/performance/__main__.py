"""Where the time of a study goes on this machine, in one run: machine, stages, rivals, engines, folders, growth.

Usage: python -m benchmarks.performance [--out speed.json] [--page speed.md] [--cohort FOLDER] [--studies 10000]
Writes JSON, a picture and a page. With --quick it shows that all of it runs; its times mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.performance.engines import measured_engines
from benchmarks.performance.folders import measured_jobs, measured_long_run
from benchmarks.performance.growth import measured_indexing, measured_sizes
from benchmarks.performance.machine import Machine, has, measured_machine
from benchmarks.performance.page import page_of
from benchmarks.performance.picture import write_picture
from benchmarks.performance.stages import measured_stages
from benchmarks.performance.studies import examples, studies_of
from cohort.study import Study
from osteolens.documents.json_document import write_json
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from osteolens.inference.fastest import with_devices
from osteolens.processes import available_cores
from pipeline.bundle.load import Bundle, load_bundle

RIVAL_PACKAGES = ("torch", "ultralytics", "segmentation_models_pytorch", "safetensors")

SECTIONS = ("stages_of_examples", "stages", "rivals", "engines", "jobs", "long_run", "indexing", "sizes")
"""Names of what is measured, in order."""

NOTE = sys.stderr
"""Where progress goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        bundle: weights.
        inference: what our networks run on.
        studies: that are timed one by one.
        simulated: whether they are others than the examples.
        calibration: studies that set the ranges of int8.
        threads: of each network and of torch.
        rounds: over single studies.
        networks: that are run by every engine.
        jobs: numbers of processes whose throughput is measured; the largest screens the long run too.
        folder_rounds: over folders.
        folder_studies: of a folder whose throughput is measured.
        long_studies: of the folder over which memory is looked at.
        index_files: of the folders that are indexed.
        sides: longer side of enlarged radiographs, in pixels.
        megabytes: of arrays that are copied.
        product_side: of matrices that are multiplied.
    """

    bundle: Bundle
    inference: InferenceConfig
    studies: tuple[Study, ...]
    simulated: bool
    calibration: tuple[Study, ...]
    threads: int
    rounds: int
    networks: tuple[str, ...]
    jobs: tuple[int, ...]
    folder_rounds: int
    folder_studies: int
    long_studies: int
    index_files: tuple[int, ...]
    sides: tuple[int, ...]
    megabytes: int = 256
    product_side: int = 1536

    @property
    def arguments(self) -> list[str]:
        """Of `osteolens process`, beside folder, output and jobs."""
        return [
            *(f"--set=inference.{name}={device}" for name, device in self.inference.devices.items()),
            f"--precision={self.inference.precision}",
            f"--weights={self.bundle.detector.parent.resolve()}",
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write."""
    options = _options(arguments)
    plan = _plan(options)
    document: dict[str, Any] = {"measured": date.today().isoformat(), "command": _told(options)}
    document["threads"] = plan.threads
    document |= {"quick": options.quick, "devices": plan.inference.model_dump(mode="json")}
    document["weights"] = plan.bundle.version
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        print("machine", file=NOTE, flush=True)
        machine = measured_machine(plan.rounds, plan.megabytes, plan.product_side)
        document["machine"] = asdict(machine)
        for name, measure in _sections(plan, machine, Path(folder)).items():
            if options.only and name not in options.only:
                continue
            print(name, file=NOTE, flush=True)
            found = measure()
            document[name] = None if found is None else [asdict(one) for one in found]
            write_json(options.out, document)
    if options.only:
        print(f"{options.out} is written; page and picture are of a whole run")
        return
    write_picture(document, options.picture)
    options.page.write_text(page_of(document), "utf-8")
    print(f"{options.out}, {options.page} and {options.picture} are written")


def _told(options: argparse.Namespace) -> str:
    """Numbers and names of the command line; paths of this machine are left out."""
    told = {name: value for name, value in vars(options).items() if not isinstance(value, Path | None)}
    return ", ".join(f"{name.replace('_', '-')} {value}" for name, value in told.items())


def _sections(plan: Plan, machine: Machine, folder: Path) -> dict[str, Callable[[], Sequence[Any] | None]]:
    """What is measured, in order, by its name in the document; None where a package is missing."""
    stages = {"stages_of_examples": examples()[: len(plan.studies)]}
    stages |= {"stages": plan.studies} if plan.simulated else {}
    by_name: dict[str, Callable[[], Sequence[Any] | None]] = {
        name: lambda studies=studies: measured_stages(  # type: ignore[misc]
            plan.bundle, studies, plan.inference, plan.threads, plan.rounds, machine
        )
        for name, studies in stages.items()
    }
    return {
        **by_name,
        "rivals": lambda: _rivals(plan, folder),
        "engines": lambda: measured_engines(
            plan.bundle, plan.studies, plan.threads, plan.rounds, plan.calibration, plan.networks
        ),
        "jobs": lambda: _jobs(plan, folder),
        "long_run": lambda: [
            measured_long_run(plan.studies, plan.long_studies, max(plan.jobs, default=1), folder, plan.arguments)
        ],
        "indexing": lambda: measured_indexing(plan.index_files, plan.folder_rounds, folder),
        "sizes": lambda: measured_sizes(plan.bundle, plan.inference, plan.threads, plan.sides, plan.rounds, folder),
    }


def _rivals(plan: Plan, folder: Path) -> Sequence[Any] | None:
    if not has(*RIVAL_PACKAGES):
        return None
    from benchmarks.performance.rivals import measured_rivals

    return [measured_rivals(plan.bundle, plan.studies, plan.inference, plan.threads, plan.rounds, folder)]


def _jobs(plan: Plan, folder: Path) -> Sequence[Any]:
    rival = None
    if plan.jobs and has(*RIVAL_PACKAGES):
        from benchmarks.performance.rivals import their_rate

        of_folder = list(islice(cycle(plan.studies), plan.folder_studies))
        rival = their_rate(plan.bundle, of_folder, available_cores(), folder)
    return measured_jobs(
        plan.studies, plan.folder_studies, plan.jobs, plan.folder_rounds, folder, plan.arguments, rival
    )


def _plan(options: argparse.Namespace) -> Plan:
    bundle = load_bundle(options.weights)
    device = Device(options.device)
    inference = InferenceConfig(
        detector=device, segmenter=device, classifier=device, precision=Precision(options.precision)
    )
    studies = studies_of(options.cohort, options.timed + options.calibration)
    plan = Plan(
        bundle=bundle,
        inference=with_devices(inference, bundle.networks),
        studies=studies[: options.timed],
        simulated=options.cohort is not None,
        calibration=studies[options.timed :] or studies,
        threads=options.threads or available_cores(),
        rounds=options.rounds,
        networks=tuple(bundle.networks),
        jobs=tuple(sorted({1, 2, available_cores()})),
        folder_rounds=options.folder_rounds,
        folder_studies=options.folder_studies,
        long_studies=options.studies,
        index_files=tuple(options.index_files),
        sides=tuple(options.sides),
    )
    return _quick(plan) if options.quick else plan


def _quick(plan: Plan) -> Plan:
    """The same with next to nothing of everything."""
    one = plan.studies[:1]
    return replace(
        plan, studies=one, calibration=one, threads=1, rounds=1, networks=("segmenter",), jobs=(), folder_rounds=1,
        folder_studies=2, long_studies=2, index_files=(2, 4), sides=(700,), megabytes=1,
        product_side=64,
    )  # fmt: skip


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.performance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("speed.json"), help="JSON to write")
    add("--page", type=Path, default=Path("speed.md"), help="page to write")
    add("--picture", type=Path, default=Path("speed.png"), help="picture to write")
    add("--weights", type=Path, help="folder of weights; the shipped ones when left out")
    add("--cohort", type=Path, help="folder of studies with both views; the six examples when left out")
    add("--timed", type=int, default=30, help="studies that are timed one by one")
    add("--calibration", type=int, default=30, help="further studies that set the ranges of int8")
    add("--threads", type=int, default=0, help="of each network and of torch; all cores when left out")
    add("--device", default="cpu", choices=[device.value for device in Device])
    add("--precision", default="fp32", choices=[precision.value for precision in Precision])
    add("--rounds", type=int, default=5, help="over single studies")
    add("--folder-rounds", type=int, default=3, help="over folders")
    add("--folder-studies", type=int, default=100, help="of the folder that is screened with each number of jobs")
    add("--studies", type=int, default=10_000, help="of the folder over which memory and time are looked at")
    add("--index-files", type=int, nargs="+", default=[1_000, 10_000], help="files of folders that are indexed")
    add("--sides", type=int, nargs="+", default=[700, 1500, 3000], help="longer side of enlarged radiographs")
    add("--scratch", type=Path, help="folder for temporary files")
    add("--only", nargs="+", default=[], choices=SECTIONS, help="sections to measure, into the JSON alone")
    add("--quick", action="store_true", help="next to nothing of everything")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
