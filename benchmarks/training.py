"""Images a second and peak memory of each stage of training, in one process and in two, on synthetic images.

    python benchmarks/training.py [--out training.json] [--images 256] [--processes 1 2]

Each run is a program of its own, whose memory is the peak of its resident set, with the sum of its processes' peaks
where several share a training. Images a second are those of the steps alone, from the second epoch on: validation,
export and the start of processes are left out. With --quick all of it runs once; its numbers mean nothing. Needs the
extra `train`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from osteolens.training.run_options import RunOptions
    from osteolens.training.watch import Watch

STAGES = ("detector", "segmenter", "classifier")
SAMPLE_SECONDS = 0.2
"""Between two looks at the memory."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON of the numbers")
    parser.add_argument("--images", type=int, default=256, help="that an epoch trains on")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--quick", action="store_true", help="8 images; shows that all of it runs")
    parser.add_argument("--run", nargs=4, metavar=("STAGE", "PROCESSES", "IMAGES", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        stage, processes, images, folder = given.run
        print(json.dumps(train(stage, int(processes), int(images), Path(folder))))
        return
    images = 8 if given.quick else given.images
    print("| stage | processes | images/s | peak memory, MiB |\n|---|---|---|---|")
    rows = []
    for stage in given.stages:
        for processes in given.processes if stage != "detector" else [1]:
            row = measured(stage, processes, images)
            rows.append(row)
            print(f"| {stage} | {processes} | {row['images_s']:.1f} | {row['peak_mib']:.0f} |", flush=True)
    if given.out:
        from osteolens.documents.json_document import write_json

        write_json(given.out, {"images": images, "quick": given.quick, "rows": rows})


def measured(stage: str, processes: int, images: int) -> dict[str, object]:
    """Images a second and peak memory of one training, in a program of its own."""
    peaks: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--run", stage, str(processes), str(images), folder]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch_memory, args=(program.pid, peaks, ended))
        watcher.start()
        told, _ = program.communicate()
        ended.set()
        watcher.join()
    if program.returncode:
        raise SystemExit(f"{stage} in {processes} processes ended with exit code {program.returncode}")
    found = json.loads(told.splitlines()[-1])
    return {"stage": stage, "processes": processes, **found, "peak_mib": sum(peaks.values())}


def _watch_memory(program: int, peaks: dict[int, float], ended: threading.Event) -> None:
    """Note the peak resident set in MiB of a program and of its children, where there is /proc."""
    while not ended.wait(SAMPLE_SECONDS):
        for number in (program, *_children(program)):
            try:
                lines = Path(f"/proc/{number}/status").read_text("ascii").splitlines()
            except OSError:
                continue
            values = dict(line.split(":", 1) for line in lines)
            if "VmHWM" in values:
                peaks[number] = int(values["VmHWM"].split()[0]) / 1024


def _children(program: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{program}/task/{program}/children").read_text("ascii").split()]
    except OSError:
        return []


def train(stage: str, processes: int, images: int, folder: Path) -> dict[str, float]:
    """Train a stage for two epochs; images a second over the steps of the second."""
    from osteolens.training.run_options import RunOptions
    from osteolens.training.watch import EpochStep, Watch

    last: dict[int, EpochStep] = {}
    watch = Watch(on_step=lambda step: last.update({step.epoch: step}))
    began = time.monotonic()
    fits = {"detector": _detector, "segmenter": _segmenter, "classifier": _classifier}
    with contextlib.redirect_stdout(sys.stderr):
        fits[stage](processes, images, folder, RunOptions(device="cpu"), watch)
    step = last[max(last)]
    return {"images_s": step.images_s, "seconds": time.monotonic() - began}


def _detector(processes: int, images: int, folder: Path, options: RunOptions, watch: Watch) -> None:
    """A detector on bright squares of 512 px."""
    import cv2
    import numpy as np
    import yaml

    from detect.config import CLASSES
    from detect.training.config import DetectorTraining
    from detect.training.detector import fit_detector
    from detect.training.yolo_folder import MADE_FROM

    data, rng = folder / "yolo", np.random.default_rng(0)
    for name, subset in [*((str(k), "train") for k in range(images)), *((str(k), "val") for k in range(2))]:
        for kind in ("images", "labels"):
            (data / kind / subset).mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 60, (512, 512), np.uint8)
        image[160:280, 200:360] = 200
        cv2.imwrite(str(data / "images" / subset / f"{name}.png"), image)
        (data / "labels" / subset / f"{name}.txt").write_text("2 0.55 0.43 0.31 0.23")
    names = {k: f"{view}_{level}" for k, (view, level) in enumerate(CLASSES)}
    document = {"path": str(data), "train": "images/train", "val": "images/val", "names": names}
    (data / "data.yaml").write_text(yaml.safe_dump(document))
    (data / MADE_FROM).write_text("squares")
    config = DetectorTraining(epochs=2, batch=min(16, images)).settled(None, images)
    fit_detector(data / "data.yaml", folder / "run", config, options, watch)


def _segmenter(processes: int, images: int, folder: Path, options: RunOptions, watch: Watch) -> None:
    """A segmenter on discs."""
    import numpy as np

    from detect.training.body_crops import STORED_PX, CropStore
    from detect.training.config import SegmenterTraining
    from detect.training.segmenter import fit_segmenter

    y, x = np.mgrid[:STORED_PX, :STORED_PX] - STORED_PX / 2
    masks = np.stack([(np.hypot(y, x) < 40 + k % 20).astype(np.uint8) * 255 for k in range(images)])
    store = CropStore(np.stack((masks // 2 + 40, masks), 1), np.full((images, 4), np.nan, np.float32), "discs")
    few = CropStore(store.planes[:4], store.targets[:4], "few")
    config = SegmenterTraining(epochs=2, batch=min(32, images), processes=processes)
    fit_segmenter(store, few, folder / "run", config, options, watch)


def _classifier(processes: int, images: int, folder: Path, options: RunOptions, watch: Watch) -> None:
    """A classifier of both views of noise, with bodies of 96 px (48 px where images are few)."""
    import numpy as np

    from classify.training.config import ClassifierTraining
    from classify.training.crops.crop_set import CropSet
    from classify.training.train import fit_classifier

    def noise(count: int) -> CropSet:
        rng, labels = np.random.default_rng(0), np.arange(count) % 3
        crops = folder / f"crops-{count}"
        crops.mkdir()
        return CropSet(
            images=rng.integers(0, 255, (count, 1, 2, 4, 96, 96), np.uint8),
            rows=np.arange(count),
            present=np.ones((count, 2), np.float32),
            covariates=np.zeros((count, 6), np.float32),
            labels=labels,
            t_scores=np.array([0.0, -1.8, -3.0], np.float32)[labels],
            level_t_scores=np.full((count, 4), np.nan, np.float32),
            study_uids=tuple(f"s{k}" for k in range(count)),
            patient_ids=tuple(f"p{k}" for k in range(count)),
            folder=crops,
            made_from="noise",
        )

    config = ClassifierTraining(
        resolution_schedule=[(48 if images < 16 else 96, 2)],
        batch=min(16, images),
        head_epochs=0,
        processes=processes,
    )
    fit_classifier(noise(images), noise(6), folder / "run", config, options, watch)


if __name__ == "__main__":
    main()
