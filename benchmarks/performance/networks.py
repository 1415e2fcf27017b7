"""The networks as they are timed: their operations, and the inputs that studies give them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

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


COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Nodes that multiply; the others are a few percent of the operations."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Of one run of a network: operations in thousand millions (two a multiplication and addition), and nodes."""

    gflop: float
    nodes: int


def plain_graph(network: Path, out: Path) -> Path:
    """The same network in one file, its constants folded.

    Args:
        network: ONNX file, whose tensors may lie in other files.
        out: file to write.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    return out


def operations(plain: Path, feed: Mapping[str, Tensor]) -> Operations:
    """Operations of one run, by the sizes that the run has.

    Args:
        plain: from `plain_graph`.
        feed: an array for each input, by name.
    """
    import onnx

    model = onnx.load(plain)
    nodes = [node for node in model.graph.node if node.op_type in COUNTED]
    known = {output.name for output in model.graph.output} | set(feed)
    wanted = sorted({name for node in nodes for name in (node.input[0], node.output[0])})
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, dict(feed))
    shapes = {name: value.shape for name, value in zip(names, values, strict=True)}
    shapes |= {name: array.shape for name, array in feed.items()} | constants
    products = sum(
        _products(node.op_type, shapes[node.input[0]], shapes.get(node.input[1]), shapes[node.output[0]])
        for node in nodes
    )
    return Operations(gflop=round(2 * products / 1e9, 4), nodes=len(nodes))


def _products(kind: str, given: tuple[int, ...], weight: tuple[int, ...] | None, made: tuple[int, ...]) -> int:
    """Multiplications of one node by the shapes of its input, weight and output."""
    if kind == "MatMul":
        return math.prod(made) * given[-1]
    assert weight is not None, f"{kind} without a constant weight"
    if kind == "Conv":
        return math.prod(made) * math.prod(weight[1:])
    if kind == "ConvTranspose":
        return math.prod(given) * math.prod(weight[1:])
    return math.prod(made) * int(np.prod(weight)) // made[-1]
