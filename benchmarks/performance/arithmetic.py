"""Operations of a network, counted on its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from osteolens.inference.network import Tensor

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
