"""How long each step of one study takes once the models are loaded: median over the examples.

Usage: python scripts/measure_speed.py [--threads 2] [--rounds 10] [--weights FOLDER]
Prints JSON in milliseconds a study of two views. With --architectures it times untrained detectors of other sizes
instead, in milliseconds a film, and needs the train extra.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from classify.classifier import BmdClassifier, Classified
from cohort.io.folder import index_cohort
from cohort.study import Study
from detect.config import CLASSES
from detect.detector import VertebraDetector
from osteolens.onnx_session import open_session
from pipeline.bundle.load import load_bundle
from pipeline.screening.assessment import AssessedImage, views_of
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.film_reader import read_study
from pipeline.screening.screener import Screener


def main() -> None:
    """Time reading, boxes, crops with their class, and everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--architectures", action="store_true")
    options = parser.parse_args()
    if options.architectures:
        print(json.dumps(_architectures(options.threads, options.rounds), indent=1))
        return
    weights = load_bundle(options.weights)
    screener = Screener(weights, ScreeningConfig(threads=options.threads))
    detector = VertebraDetector(weights.detector, threads=options.threads)
    classifier = BmdClassifier(weights.classifier, weights.preprocess, options.threads, weights.calibration)
    taken: dict[str, list[float]] = {}
    for study in index_cohort(Path(str(files("examples")))).studies * options.rounds:
        read = _timed(taken, "reading", lambda s=study: read_study(s))  # type: ignore[misc]
        _timed(taken, "boxes", lambda r=read: [detector.detect(one) for one in r.radiographs])  # type: ignore[misc]
        _timed(taken, "boxes_and_bodies", lambda r=read: screener.find(r.radiographs))  # type: ignore[misc]
        images = _timed(taken, "with_quality_control", lambda r=read: screener.assess(r.radiographs))  # type: ignore[misc]
        _timed(taken, "classification", lambda i=images, s=study: _classify(i, s, classifier))  # type: ignore[misc]
        _timed(taken, "everything_but_reading", lambda r=read: screener.screen(r))  # type: ignore[misc]
    print(json.dumps({f"{name}_ms": round(float(np.median(own)), 1) for name, own in taken.items()}, indent=1))


def _classify(images: list[AssessedImage], study: Study, classifier: BmdClassifier) -> Classified:
    inputs = {
        view: classifier.network_input(image.radiograph.pixels, image.detection, mirrored=image.spine.mirrored)
        for view, image in views_of(images).items()
    }
    return classifier.classify(inputs, study.covariates)


def _architectures(threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds a film of untrained YOLO11n and YOLO11s by input size, as ONNX."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    found = {}
    for name, side in ((name, side) for name in ("yolo11n", "yolo11s") for side in (416, 512)):
        network = DetectionModel(f"{name}.yaml", nc=len(CLASSES), verbose=False).eval()
        network.model[-1].export, network.model[-1].format = True, "onnx"
        film = np.random.default_rng(0).random((1, 3, side, side), np.float32)
        taken: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            torch.onnx.export(network, (torch.from_numpy(film),), str(path), opset_version=17, dynamo=False)
            session = open_session(path, threads)
            feed = {session.get_inputs()[0].name: film}
            for _ in range(rounds + 3):
                _timed(taken, "film", lambda s=session, f=feed: s.run(None, f))  # type: ignore[misc]
        found[f"{name}_{side}_px_ms"] = round(float(np.median(taken["film"][3:])), 1)
    return found


def _timed(taken: dict[str, list[float]], name: str, call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))
    return result


if __name__ == "__main__":
    main()
