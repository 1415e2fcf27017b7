"""The classifier on disk: half-precision safetensors by branch, and an ONNX graph that reads its weights from them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor

from classify.config import PreprocessSpec
from classify.files import FEATURE_DISTANCE, OUTPUTS, PARTS, part_path
from classify.inputs import branch_name
from classify.network.checkpoint import load_network, save_network, split_weights
from classify.network.densenet import COVARIATE_INPUTS, DualChannelDenseNet, ProbabilityExport
from classify.network.feature_distance import FeatureDistance
from cohort.spine import View
from osteolens.atomic import write_whole

INPUTS = [*(branch_name(view) for view in View), "present", "covariates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where a tensor lies in a safetensors file: its shape, and its bytes from the start of the file."""

    path: Path
    shape: list[int]
    offset: int
    length: int


def export_classifier(
    network: DualChannelDenseNet,
    out: Path,
    spec: PreprocessSpec,
    working_side: int,
    feature_distance: FeatureDistance | None = None,
) -> float:
    """Write classifier_ap, _lateral, _fusion.safetensors and classifier.onnx, whose tensors are external data in them.

    So each number is stored once, and the files cannot drift apart.

    Args:
        network: in evaluation mode, on the CPU.
        out: folder to write into.
        spec: preprocessing that it was trained with.
        working_side: that crops are averaged down to.
        feature_distance: from the features of the training; the graph tells it, and holds its tensors.

    Returns:
        largest difference of an output, relative where it exceeds 1, between torch and onnxruntime on random input.
    """
    unsplit = out / ".unsplit.safetensors"
    save_network(network, unsplit)
    load_network(network, unsplit)
    split_weights(unsplit, out)
    unsplit.unlink()
    size = spec.size_px
    model = ProbabilityExport(network, max(1, size // working_side), feature_distance).eval()
    outputs = OUTPUTS if feature_distance is None else [*OUTPUTS, FEATURE_DISTANCE]
    crops = torch.randn(2, 1, spec.crops, size, size)
    inputs = (crops[0], crops[1], torch.ones(1, 2), torch.randn(1, COVARIATE_INPUTS))
    path = out / "classifier.onnx"
    any_crops = {name: {0: "n", 1: f"{name}_crops"} for name in INPUTS[:2]} if spec.crops > 1 else {}
    torch.onnx.export(
        model, inputs, str(path), input_names=INPUTS, output_names=outputs, opset_version=17, dynamo=False,
        do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
        dynamic_axes={**{name: {0: "n"} for name in [*INPUTS, *outputs]}, **any_crops},
    )  # fmt: skip
    graph = onnx.load(path)
    parts = [part_path(out, part) for part in PARTS]
    _point_to_safetensors(graph, [part for part in parts if part.is_file()], prefix="network.")
    write_whole(path, graph.SerializeToString())
    return _difference(path, model, inputs)


def _difference(path: Path, model: ProbabilityExport, inputs: Sequence[Tensor]) -> float:
    """Largest difference of an output between torch and onnxruntime, relative where it exceeds 1."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}
    feed = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True) if name in taken}
    outputs = session.run(None, feed)
    with torch.inference_mode():
        expected = model(*inputs)
    pairs = [(own, of_torch.numpy()) for own, of_torch in zip(outputs, expected, strict=True)]
    return max(float((np.abs(a - b) / np.maximum(np.abs(b), 1)).max()) for a, b in pairs)


def stored_tensors(weights: Sequence[Path]) -> dict[str, StoredTensor]:
    """Every tensor of some safetensors files by its name."""
    stored = {}
    for path in weights:
        with path.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                stored[name] = StoredTensor(
                    path=path, shape=entry["shape"], offset=8 + length + start, length=end - start
                )
    return stored


def _point_to_safetensors(graph: onnx.ModelProto, weights: Sequence[Path], prefix: str) -> None:
    """Replace float32 initialisers by float16 external tensors inside safetensors files, with a cast behind each."""
    stored = stored_tensors(weights)
    initialisers, casts = [], []
    for tensor in graph.graph.initializer:
        place = stored.get(tensor.name.removeprefix(prefix))
        if place is None or list(tensor.dims) != place.shape:
            initialisers.append(tensor)
            continue
        half = TensorProto(name=f"{tensor.name}.half", data_type=TensorProto.FLOAT16, dims=tensor.dims)
        half.data_location = TensorProto.EXTERNAL
        for key, value in (("location", place.path.name), ("offset", place.offset), ("length", place.length)):
            half.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))
        initialisers.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(initialisers)
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *nodes])
