"""The networks as they are timed: what they compute a study, and the inputs that studies give them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classify.classifier import BmdClassifier
from cohort.spine import View
from cohort.study import Study
from detect.detector import VertebraDetector
from detect.segmenter import BodySegmenter
from osteolens.inference.config import InferenceConfig
from osteolens.inference.fastest import openers
from osteolens.inference.network import Network, OpenNetwork, Tensor
from pipeline.bundle.load import Bundle
from pipeline.screening.assessment import AssessedView, assess, views_of
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.spines import DetectedSpine, find_spines

Feed = dict[str, Tensor]


@dataclass(slots=True)
class Runs:
    """Runs of a network since they were last cleared: milliseconds in all, and their inputs where they are kept."""

    keep: bool = False
    milliseconds: float = 0.0
    feeds: list[Feed] = field(default_factory=list)

    def clear(self) -> None:
        """Forget them."""
        self.milliseconds, self.feeds = 0.0, []


class WatchedNetwork:
    """A network that notes how long its runs take."""

    def __init__(self, network: Network, runs: Runs) -> None:
        self._network, self._runs = network, runs
        self.inputs, self.outputs = network.inputs, network.outputs

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        """All outputs, in order."""
        if self._runs.keep:
            self._runs.feeds.append({name: array.copy() for name, array in feed.items()})
        begun = time.perf_counter()
        outputs = self._network.run(feed)
        self._runs.milliseconds += 1000 * (time.perf_counter() - begun)
        return outputs


class Networks:
    """The three networks of a bundle, loaded with settings of inference, with their runs by name."""

    def __init__(self, bundle: Bundle, threads: int, inference: InferenceConfig) -> None:
        self.config = ScreeningConfig(threads=threads, inference=inference)
        self.runs = {name: Runs() for name in bundle.networks}
        load = {
            name: _watched(opened, self.runs[name])
            for name, opened in openers(inference, bundle.networks, threads).items()
        }
        self.detector = VertebraDetector(bundle.detector, self.config.detection, load["detector"])
        self.segmenter = None if bundle.segmenter is None else BodySegmenter(bundle.segmenter, load["segmenter"])
        self.classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration, load["classifier"])

    def find(self, loaded: LoadedStudy) -> list[DetectedSpine]:
        """Spines of a study's radiographs, with refinement."""
        return find_spines(loaded.radiographs, self.detector, self.segmenter)

    def assess(self, loaded: LoadedStudy, spines: Sequence[DetectedSpine]) -> list[AssessedView]:
        """Quality control."""
        return assess(loaded.radiographs, spines, self.config.detection, self.config.min_confidence)

    def crops(self, images: Sequence[AssessedView]) -> dict[View, Tensor]:
        """Inputs of the classifier by view, of those views that are not rejected."""
        return {
            view: self.classifier.network_input(
                image.radiograph.pixels, image.detection, image.used, image.spine.mirrored
            )
            for view, image in views_of(images).items()
            if image.rejection is None
        }

    def clear(self) -> None:
        """Forget the runs."""
        for runs in self.runs.values():
            runs.clear()

    def feeds(self, studies: Sequence[Study]) -> list[dict[str, list[Feed]]]:
        """What the networks are given by each study, by network."""
        given = []
        for runs in self.runs.values():
            runs.keep = True
        for study in studies:
            self.clear()
            loaded = read_study(study)
            if crops := self.crops(self.assess(loaded, self.find(loaded))):
                self.classifier.classify(crops, study.covariates)
            given.append({name: runs.feeds for name, runs in self.runs.items()})
        for runs in self.runs.values():
            runs.keep = False
        self.clear()
        return given


def _watched(load: OpenNetwork, runs: Runs) -> OpenNetwork:
    return lambda onnx: WatchedNetwork(load(onnx), runs)
