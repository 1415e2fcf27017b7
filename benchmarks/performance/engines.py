"""Engines and precisions against each other: each network on what studies give it, with the differences of outputs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.performance.machine import has
from benchmarks.performance.networks import Feed, Networks, plain_graph
from benchmarks.performance.timing import Timing, interleaved
from cohort.study import Study
from detect.config import DetectionConfig
from osteolens.errors import ConfigError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from osteolens.inference.devices import opener
from osteolens.inference.network import Network, Tensor
from pipeline.bundle.load import Bundle

QUANTISED = ("Conv", "MatMul", "Gemm")
"""Nodes that compute in int8; the others, such as those that join boxes and scores, stay in fp32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTime:
    """A network on an engine.

    Attributes:
        network: its name.
        engine: and the precision that it computes in.
        time: of one run.
        differences: largest absolute difference of each output from onnxruntime's in fp32.
    """

    network: str
    engine: str
    time: Timing
    differences: dict[str, float]


REFERENCE = "onnxruntime fp32"


def measured_engines(
    bundle: Bundle,
    studies: Sequence[Study],
    threads: int,
    rounds: int,
    calibration: Sequence[Study],
    names: Sequence[str],
) -> tuple[EngineTime, ...]:
    """Time every engine and precision that is here.

    Args:
        bundle: weights.
        studies: whose inputs are timed.
        threads: of each network.
        rounds: over all inputs.
        calibration: studies by which ranges of int8 are set; other ones than those that are timed.
        names: of the networks.
    """
    networks = Networks(bundle, threads, InferenceConfig())
    timed, calibrating = (_by_network(networks.feeds(some)) for some in (studies, calibration))
    found: list[EngineTime] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            opened = dict(_opened(bundle.networks[name], Path(folder), calibrating[name], threads))
            found += _compared(name, opened, timed[name], rounds)
    return tuple(found)


def _by_network(given: Sequence[Mapping[str, list[Feed]]]) -> dict[str, list[Feed]]:
    return {name: [feed for by_network in given for feed in by_network[name]] for name in given[0]}


def _opened(onnx: Path, folder: Path, calibrating: Sequence[Feed], threads: int) -> Iterator[tuple[str, Network]]:
    """The network by engine and precision."""
    yield REFERENCE, opener(Device.CPU, threads=threads)(onnx)
    whole = quantised(onnx, folder, calibrating) if has("onnx") and calibrating else None
    if whole is not None:
        yield "onnxruntime int8", opener(Device.CPU, threads=threads)(whole)
    if not has("openvino"):
        return
    for precision in (Precision.FP32, Precision.BF16):
        try:
            yield f"OpenVINO {precision}", opener(Device.OPENVINO, precision, threads)(onnx)
        except ConfigError:  # no instructions of this precision
            continue
    if whole is not None:
        yield "OpenVINO int8", opener(Device.OPENVINO, threads=threads)(whole)


def _compared(name: str, opened: Mapping[str, Network], feeds: Sequence[Feed], rounds: int) -> list[EngineTime]:
    calls: dict[str, Callable[[Feed], object]] = {engine: network.run for engine, network in opened.items()}
    timings = interleaved(calls, feeds, rounds)
    expected = [opened[REFERENCE].run(feed) for feed in feeds]
    found = []
    for engine, network in opened.items():
        differences: dict[str, float] = {}
        for feed, right in zip(feeds, expected, strict=True):
            for output, ours, theirs in zip(network.outputs, network.run(feed), right, strict=True):
                for part, largest in _apart(output, ours, theirs).items():
                    differences[part] = max(differences.get(part, 0.0), largest)
        rounded = {output: float(f"{value:.3g}") for output, value in differences.items()}
        found.append(EngineTime(network=name, engine=engine, time=timings[engine], differences=rounded))
    return found


def _apart(output: str, ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """Largest differences of an output; of the detector's, boxes are compared where there is a body."""
    if output != "candidates":
        return {output: float(np.abs(ours - theirs).max())}
    bodies = theirs[0, 4:].sum(0) > DetectionConfig().min_score
    boxes = np.abs(ours - theirs)[0, :4, bodies]
    return {
        "boxes (px)": float(boxes.max(initial=0.0)),
        "scores": float(np.abs(ours - theirs)[0, 4:].max()),
    }


class _Reader:
    """Gives the inputs of some studies to onnxruntime's calibration, one after the other."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        """The next inputs, None at the end."""
        return next(self._feeds, None)


def quantised(onnx: Path, folder: Path, feeds: Sequence[Feed]) -> Path:
    """The network in static int8: activations by their ranges on some inputs, weights by channel.

    Args:
        onnx: in fp32.
        folder: to write into.
        feeds: inputs that set the ranges.

    Source: onnxruntime.quantization.quantize_static in the QDQ format.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    CalibrationDataReader.register(_Reader)
    plain, out = plain_graph(onnx, folder / f"{onnx.stem}_plain.onnx"), folder / f"{onnx.stem}_int8.onnx"
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        quantize_static(
            str(plain),
            str(out),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.root.setLevel(level)
    return out
