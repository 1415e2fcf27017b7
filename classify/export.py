"""The classifier on disk: half-precision safetensors by branch, and an ONNX graph that reads its weights from them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classify.config import PreprocessSpec
from cohort.errors import WeightsError

OUTPUTS = ["probabilities", "t_score"]


def save_network(network: Any, path: Path) -> None:
    """Parameters and buffers as float16 safetensors, written beside and renamed."""
    import torch
    from safetensors.torch import save_file

    state = {}
    for name, value in network.state_dict().items():
        if value.dtype == torch.int64:
            continue
        state[name] = value.detach().to("cpu", torch.float16).contiguous()
    partial = path.with_suffix(".partial")
    save_file(state, partial)
    partial.replace(path)


def load_network(network: Any, path: Path, only_fitting: bool = False) -> None:
    """Parameters and buffers of a file, or of a folder of shipped weights, into a network of the same shape, or those
    of them that fit one of another shape. A network without covariates takes the head of one with them.

    Raises:
        WeightsError: no such weights, or tensors are missing or unknown, unless only fitting ones are asked for.
    """
    from safetensors.torch import load_file

    from classify.inherit import with_fusions, without_covariates

    files = [part_path(path, part) for part in PARTS] if path.is_dir() else [path]
    found = [file for file in files if file.is_file()]
    if not found:
        raise WeightsError(f"{path}: no weights; expected best.safetensors of a run, or a folder of shipped weights")
    state = with_fusions({name: value.float() for file in found for name, value in load_file(file).items()})
    if only_fitting:
        own = network.state_dict()
        state = state if network.covariates is not None else without_covariates(state)
        state = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        network.load_state_dict(state, strict=False)
        return
    _load_state(network, state, path.name)


def _load_state(network: Any, state: dict[str, Any], where: str) -> None:
    missing = [name for name in network.state_dict() if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in network.state_dict()]
    if missing or unknown:
        raise WeightsError(f"{where}: {len(missing)} tensors missing, {len(unknown)} unknown")
    network.load_state_dict(state, strict=False)


PARTS = ("ap", "lateral", "fusion")
"""Files of the shipped weights: both branches, and all that stands behind them."""


def part_path(out: Path, part: str) -> Path:
    """Where one part of the weights lies."""
    return out / f"classifier_{part}.safetensors"


def export_classifier(network: Any, out: Path, spec: PreprocessSpec, working_side: int) -> float:
    """Write classifier_ap, _lateral, _fusion.safetensors and classifier.onnx, whose tensors are external data in them.

    So each number is stored once, and the files cannot drift apart.

    Returns:
        largest difference of a probability or T-score between torch and onnxruntime on random input.
    """
    import onnx
    import onnxruntime
    import torch

    from classify.model import ProbabilityExport

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


def split_weights(whole: Path, out: Path) -> None:
    """One safetensors file into its parts: tensors of a branch by their name's first word, the others together."""
    from safetensors.torch import load_file, save_file

    state = load_file(whole)
    for part in PARTS:
        own = {name: value for name, value in state.items() if _part_of(name) == part}
        part_path(out, part).unlink(missing_ok=True)
        if own:
            save_file(own, part_path(out, part))


def _part_of(name: str) -> str:
    first = name.partition(".")[0]
    return first if first in PARTS else "fusion"


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
