"""The classifier on disk: half-precision safetensors by branch, and an ONNX graph that reads its weights from them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classify.config import PreprocessSpec
from classify.files import OUTPUTS, PARTS, part_path
from classify.network.checkpoint import load_network, save_network, split_weights


def export_classifier(network: Any, out: Path, spec: PreprocessSpec, working_side: int) -> float:
    """Write classifier_ap, _lateral, _fusion.safetensors and classifier.onnx, whose tensors are external data in them.

    So each number is stored once, and the files cannot drift apart.

    Returns:
        largest difference of a probability or T-score between torch and onnxruntime on random input.
    """
    import onnx
    import onnxruntime
    import torch

    from classify.network.densenet import ProbabilityExport

    save_network(network, out / "whole.partial.safetensors")
    load_network(network, out / "whole.partial.safetensors")
    split_weights(out / "whole.partial.safetensors", out)
    (out / "whole.partial.safetensors").unlink()
    size = spec.size_px
    model = ProbabilityExport(network, max(1, size // working_side)).eval()
    crops = torch.randn(2, 1, spec.crops, size, size)
    inputs = (crops[0], crops[1], torch.ones(1, 2), torch.randn(1, 6))
    names = ["ap", "lateral", "present", "covariates"]
    path = out / "classifier.onnx"
    torch.onnx.export(
        model, inputs, str(path), input_names=names, output_names=OUTPUTS, opset_version=17, dynamo=False,
        do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
        dynamic_axes={
            **{name: {0: "n"} for name in [*names, *OUTPUTS]},
            **({name: {0: "n", 1: f"{name}_crops"} for name in names[:2]} if spec.crops > 1 else {}),
        },
    )  # fmt: skip
    graph = onnx.load(path)
    parts = [part_path(out, part) for part in PARTS]
    _point_to_safetensors(graph, [part for part in parts if part.is_file()], prefix="network.")
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}
    feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True) if name in taken}
    found = session.run(None, feed)
    with torch.inference_mode():
        expected = model(*inputs)
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True))


def _point_to_safetensors(graph: Any, weights: Sequence[Path], prefix: str) -> None:
    """Replace float32 initialisers by float16 external tensors inside safetensors files, with a cast behind each."""
    import onnx
    from onnx import TensorProto, helper

    places: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for path in weights:
        with path.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(length))
        places.update({name: (path, 8 + length, entry) for name, entry in header.items() if name != "__metadata__"})
    kept, casts = [], []
    for tensor in graph.graph.initializer:
        found = places.get(tensor.name.removeprefix(prefix))
        if found is None or list(tensor.dims) != found[2]["shape"]:
            kept.append(tensor)
            continue
        path, base, entry = found
        half = TensorProto(name=f"{tensor.name}.half", data_type=TensorProto.FLOAT16, dims=tensor.dims)
        half.data_location = TensorProto.EXTERNAL
        start, end = entry["data_offsets"]
        for key, value in (("location", path.name), ("offset", base + start), ("length", end - start)):
            half.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *nodes])
