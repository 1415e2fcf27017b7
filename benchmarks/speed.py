"""How long each step of one study takes once the models are loaded: median over the examples.

Usage: python benchmarks/speed.py [--threads 2] [--rounds 10] [--weights FOLDER]
Prints JSON in milliseconds a study of two views. With --architectures it times untrained detectors of other sizes
instead, in milliseconds a radiograph, and needs the train extra.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np

from classify.classifier import BmdClassifier, Classified
from cohort.io.folder import index_cohort
from cohort.spine import SpineDetection
from cohort.study import Study
from detect.config import CLASSES
from detect.detector import VertebraDetector
from osteolens.inference.devices import Device, opener
from pipeline.bundle.load import load_bundle
from pipeline.screening.assessment import AssessedView, views_of
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener

Result = TypeVar("Result")

WARM_UP = 3
"""Runs of a network that are not timed."""


def main() -> None:
    """Time reading, boxes, crops with their class, and everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--architectures", action="store_true")
    options = parser.parse_args()
    if options.architectures:
        print(json.dumps(_architectures(options.threads, options.rounds), indent=1))
        return
    bundle = load_bundle(options.weights)
    screener = Screener(bundle, ScreeningConfig(threads=options.threads))
    load = opener(Device.CPU, threads=options.threads)
    detector = VertebraDetector(bundle.detector, load=load)
    classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration, load)
    clock = Clock()
    for study in index_cohort(Path(str(files("examples")))).studies * options.rounds:
        loaded = clock.timed("reading", partial(read_study, study))
        clock.timed("boxes", partial(_detect, detector, loaded))
        clock.timed("boxes_and_bodies", partial(screener.find, loaded.radiographs))
        images = clock.timed("with_quality_control", partial(screener.assess, loaded.radiographs))
        clock.timed("classification", partial(_classify, images, study, classifier))
        clock.timed("everything_but_reading", partial(screener.screen_loaded, loaded))
    print(json.dumps({f"{name}_ms": median for name, median in clock.medians.items()}, indent=1))


class Clock:
    """Milliseconds that named steps take."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = {}

    def timed(self, name: str, call: Callable[[], Result]) -> Result:
        """What a step gives."""
        started = time.perf_counter()
        result = call()
        self._taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))
        return result

    @property
    def medians(self) -> dict[str, float]:
        """By the name of the step."""
        return {name: round(float(np.median(taken)), 1) for name, taken in self._taken.items()}


def _detect(detector: VertebraDetector, loaded: LoadedStudy) -> list[SpineDetection | None]:
    return [detector.detect(radiograph) for radiograph in loaded.radiographs]


def _classify(images: Sequence[AssessedView], study: Study, classifier: BmdClassifier) -> Classified:
    inputs = {
        view: classifier.network_input(image.radiograph.pixels, image.detection, mirrored=image.spine.mirrored)
        for view, image in views_of(images).items()
    }
    return classifier.classify(inputs, study.covariates)


def _architectures(threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds a radiograph of untrained YOLO11n and YOLO11s by input size, as ONNX."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    medians = {}
    for name, side in ((name, side) for name in ("yolo11n", "yolo11s") for side in (416, 512)):
        network = DetectionModel(f"{name}.yaml", nc=len(CLASSES), verbose=False).eval()
        network.model[-1].export, network.model[-1].format = True, "onnx"
        pixels = np.random.default_rng(0).random((1, 3, side, side), np.float32)
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            torch.onnx.export(network, (torch.from_numpy(pixels),), str(path), opset_version=17, dynamo=False)
            network = opener(Device.CPU, threads=threads)(path)
            feed = {next(iter(network.inputs)): pixels}
            for _ in range(WARM_UP):
                network.run(feed)
            for _ in range(rounds):
                clock.timed("radiograph", partial(network.run, feed))
        medians[f"{name}_{side}_px_ms"] = clock.medians["radiograph"]
    return medians


if __name__ == "__main__":
    main()
