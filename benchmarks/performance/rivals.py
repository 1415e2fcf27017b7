"""Ours against what a user would put together: ultralytics' own predict and eager torch, with the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from benchmarks.performance.networks import Networks
from benchmarks.performance.timing import Timing, interleaved
from classify.calibration import apply_temperature
from classify.covariates import encode
from classify.network.checkpoint import load_network
from classify.network.densenet import DualChannelDenseNet, ProbabilityExport
from cohort.bmd import BMD_CLASSES
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph, Study
from detect.config import CLASSES
from detect.training.ultralytics_settings import private_ultralytics
from osteolens.inference.config import InferenceConfig
from osteolens.inference.network import Tensor
from pipeline.bundle.load import Bundle
from pipeline.bundle.manifest import read_manifest
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener

Crops = dict[View, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivalry:
    """Times of both sides on the same studies, a study of two views.

    Attributes:
        ours: by step: detector, classifier, both with the crops between them, and all of `process` but reading and
            writing, with refinement of the boxes and quality control.
        theirs: by step: detector, classifier, and both with the crops between them; without refinement.
        largest_difference: of a probability between the two classifiers on the same crops.
    """

    ours: dict[str, Timing]
    theirs: dict[str, Timing]
    largest_difference: float


class UserScript:
    """A detector in ultralytics and a classifier in torch, as a script of twenty lines would use them."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        from ultralytics import YOLO
        from ultralytics.nn.tasks import DetectionModel

        folder = bundle.detector.parent
        entry = read_manifest(folder).models.detector
        network = DetectionModel(f"{entry.architecture}.yaml", nc=len(CLASSES), verbose=False).eval()
        network.load_state_dict({k: v.float() for k, v in load_file(folder / "detector.safetensors").items()})
        network.names = dict(enumerate(entry.classes))
        self._yolo: Any = YOLO(f"{entry.architecture}.yaml", task="detect")
        self._yolo.model = network
        self._side, self._classes = entry.input_px or 0, entry.classes
        self._arguments = {"imgsz": self._side, "device": "cpu", "verbose": False}
        classifier = DualChannelDenseNet(bundle.network)
        load_network(classifier, folder)
        self._classifier = ProbabilityExport(classifier, max(1, bundle.preprocess.size_px // bundle.working_px)).eval()
        self._temperature = bundle.calibration.temperature
        size = bundle.preprocess.size_px
        self._empty = np.zeros((bundle.preprocess.crops, size, size), np.float32)
        self._yolo.predict(np.zeros((self._side, self._side, 3), np.uint8), **self._arguments)
        torch.set_num_threads(threads)  # the first predict sets a number of its own

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """The surest box of each level, in the projection of the sum of which is the largest."""
        images = [
            np.repeat(np.round(255 * radiograph.pixels).astype(np.uint8)[..., None], 3, axis=2)
            for radiograph in radiographs
        ]
        results = [self._yolo.predict(image, **self._arguments)[0] for image in images]
        return [self._spine(result.boxes, image.shape[:2]) for result, image in zip(results, images, strict=True)]

    def _spine(self, boxes: Any, shape: tuple[int, int]) -> SpineDetection | None:
        surest: dict[tuple[View, VertebralLevel], VertebraBox] = {}
        for corners, kind, confidence in zip(
            boxes.xyxy.tolist(), boxes.cls.int().tolist(), boxes.conf.tolist(), strict=True
        ):
            view, level = self._classes[kind].split("_")
            key = View(view), VertebralLevel(level)
            if key not in surest or surest[key].confidence < confidence:
                x0, y0, x1, y1 = corners
                surest[key] = VertebraBox(level=key[1], x0=x0, y0=y0, x1=x1, y1=y1, confidence=confidence)
        found = {view: tuple(box for (of, _), box in surest.items() if of is view) for view in View}
        view = max(View, key=lambda v: sum(box.confidence for box in found[v]))
        ordered = tuple(sorted(found[view], key=lambda box: box.centre[1]))
        return SpineDetection(view=view, boxes=ordered, image_shape=shape, labelling_margin=0.0) if ordered else None

    def classify(self, crops: Crops, study: Study) -> npt.NDArray[np.float64]:
        """Calibrated probabilities (1, 3)."""
        images = [torch.from_numpy(crops.get(view, self._empty)[None].copy()) for view in View]
        present = torch.tensor([[float(view in crops) for view in View]])
        with torch.inference_mode():
            probabilities, _ = self._classifier(*images, present, torch.from_numpy(encode(study.covariates)[None]))
        return apply_temperature(probabilities.numpy().astype(np.float64), self._temperature)


def crops_of(networks: Networks, radiographs: Sequence[Radiograph], found: Sequence[SpineDetection | None]) -> Crops:
    """Crops of those of L1-L4 that have a box, by view; the same for both sides."""
    crops = {}
    for radiograph, detection in zip(radiographs, found, strict=True):
        levels = () if detection is None else tuple(box.level for box in detection.boxes if box.level in TARGET_LEVELS)
        if detection is not None and levels:
            crops[detection.view] = networks.classifier.network_input(radiograph.pixels, detection, levels)
    return crops


@contextmanager
def user_script(bundle: Bundle, threads: int, folder: Path) -> Iterator[UserScript]:
    """The other side, offline.

    Args:
        bundle: weights.
        threads: of torch.
        folder: for ultralytics' settings.
    """
    before = torch.get_num_threads()
    with private_ultralytics(folder):
        try:
            yield UserScript(bundle, threads)
        finally:
            torch.set_num_threads(before)


def measured_rivals(
    bundle: Bundle, studies: Sequence[Study], inference: InferenceConfig, threads: int, rounds: int, folder: Path
) -> Rivalry:
    """Time both sides in turns.

    Args:
        bundle: weights.
        studies: to screen.
        inference: what our networks run on.
        threads: of both sides.
        rounds: over all studies.
        folder: for ultralytics' settings.
    """
    networks = Networks(bundle, threads, inference)
    screener = Screener(bundle, networks.config)
    loaded = [read_study(study) for study in studies]
    known = [
        crops_of(networks, one.radiographs, [networks.detector.detect(r) for r in one.radiographs]) for one in loaded
    ]
    pairs = [(one, crops) for one, crops in zip(loaded, known, strict=True) if crops]
    with user_script(bundle, threads, folder) as script:
        calls: dict[str, Callable[[tuple[LoadedStudy, Crops]], object]] = {
            "ours detector": lambda pair: [networks.detector.detect(r) for r in pair[0].radiographs],
            "theirs detector": lambda pair: script.detect(pair[0].radiographs),
            "ours classifier": lambda pair: networks.classifier.classify(pair[1], pair[0].study.covariates),
            "theirs classifier": lambda pair: script.classify(pair[1], pair[0].study),
            "ours detector and classifier": lambda pair: our_study(networks, pair[0]),
            "theirs detector and classifier": lambda pair: their_study(script, networks, pair[0]),
            "ours with refinement and quality control": lambda pair: screener.screen_loaded(pair[0]),
        }
        timings = interleaved(calls, pairs, rounds)
        difference = max(_difference(networks, script, one, crops) for one, crops in pairs)
    sides = {
        side: {name.removeprefix(f"{side} "): timing for name, timing in timings.items() if name.startswith(side)}
        for side in ("ours", "theirs")
    }
    return Rivalry(**sides, largest_difference=float(f"{difference:.2g}"))


def our_study(networks: Networks, loaded: LoadedStudy) -> None:
    """Detector, crops and classifier, without refinement and quality control."""
    found = [networks.detector.detect(radiograph) for radiograph in loaded.radiographs]
    if crops := crops_of(networks, loaded.radiographs, found):
        networks.classifier.classify(crops, loaded.study.covariates)


def their_study(script: UserScript, networks: Networks, loaded: LoadedStudy) -> None:
    """The same with the other side's networks."""
    if crops := crops_of(networks, loaded.radiographs, script.detect(loaded.radiographs)):
        script.classify(crops, loaded.study)


def their_rate(bundle: Bundle, studies: Sequence[Study], threads: int, folder: Path) -> Callable[[], float]:
    """What screens a folder in a loop with reading, from loaded networks on, and gives studies a second.

    Args:
        bundle: weights.
        studies: of the folder.
        threads: of torch.
        folder: for ultralytics' settings.
    """
    networks = Networks(bundle, threads, InferenceConfig())

    def rate() -> float:
        with user_script(bundle, threads, folder) as script:
            their_study(script, networks, read_study(studies[0]))
            begun = time.perf_counter()
            for study in studies:
                their_study(script, networks, read_study(study))
            return len(studies) / (time.perf_counter() - begun)

    return rate


def _difference(networks: Networks, script: UserScript, loaded: LoadedStudy, crops: Crops) -> float:
    """Largest difference of a calibrated probability on the same crops."""
    ours = networks.classifier.classify(crops, loaded.study.covariates).probabilities
    theirs = script.classify(crops, loaded.study)[0]
    return max(abs(ours[kind] - float(probability)) for kind, probability in zip(BMD_CLASSES, theirs, strict=True))
