"""Several classifiers in one ONNX graph, whose outputs are the means of their calibrated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from classify.calibration import Calibration, apply_temperature
from classify.config import PreprocessSpec
from classify.files import OUTPUTS, PARTS, part_path
from classify.network.densenet import COVARIATE_INPUTS
from classify.network.export import INPUTS, StoredTensor, stored_tensors
from osteolens.atomic import whole_file, write_whole
from osteolens.errors import WeightsError

LEAST_PROBABILITY = 1e-9
"""As in `apply_temperature`."""

MOST_DIFFERENCE = 1e-4
"""Largest difference of a probability or T-score from the mean of the members that is taken for rounding."""

Half = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A classifier of an ensemble.

    Attributes:
        folder: with classifier.onnx and its safetensors.
        calibration: temperature, and slope and offset of the T-score, by which its outputs are corrected.
    """

    folder: Path
    calibration: Calibration


def write_ensemble(members: Sequence[Member], out: Path, spec: PreprocessSpec) -> None:
    """Write classifier.onnx and safetensors of the means of calibrated class probabilities and T-scores.

    Every member's probabilities get its own temperature, and its T-score its slope and offset, before the mean. What
    members share, such as branches of which folds refitted the head alone, is stored and computed once. The graph that
    was written is run on random input and compared with its members.

    Args:
        members: two or more that take the same inputs.
        out: folder to write into.
        spec: preprocessing of all, for the shape of the input.

    Raises:
        WeightsError: a file of a member cannot be read, the members' graphs do not go together, or the result is not
            the mean of the members.

    Source: Lakshminarayanan 2017, Deep Ensembles (mean of probabilities); Rahaman 2021 (temperatures before the mean).
    """
    graphs = [_graph_of(member) for member in members]
    first = graphs[0]
    signature = _signature(first)
    for member, graph in zip(members, graphs, strict=True):
        if _signature(graph) != signature:
            raise WeightsError(f"{member.folder}: classifier.onnx takes other inputs or operators than the first one's")
    _store_tensors([member.folder for member in members], graphs, out)
    merged = _Merged()
    outputs = [
        merged.add_calibrated(number, graph, member.calibration)
        for number, (member, graph) in enumerate(zip(members, graphs, strict=True), start=1)
    ]
    for name, of_members in zip(OUTPUTS, zip(*outputs, strict=True), strict=True):
        merged.nodes.append(helper.make_node("Mean", list(of_members), [name]))
    graph = helper.make_graph(merged.nodes, "ensemble", first.graph.input, first.graph.output, merged.initialisers)
    model = helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)
    write_whole(out / "classifier.onnx", model.SerializeToString())
    difference = _difference(members, out, spec)
    if not difference <= MOST_DIFFERENCE:
        raise WeightsError(
            f"the ensemble differs by {difference:.2g} from the mean of its members, expected {MOST_DIFFERENCE:g} or "
            "less; their temperatures or T-score slopes are extreme: "
            + ", ".join(f"{m.calibration.temperature:g} and {m.calibration.t_score_slope:g}" for m in members)
        )


@dataclass(slots=True)
class _Merged:
    """A graph that members are added to; equal tensors and equal operations on equal inputs stand in it once."""

    nodes: list[NodeProto] = field(default_factory=list)
    initialisers: list[TensorProto] = field(default_factory=list)
    _tensors: dict[bytes, str] = field(default_factory=dict)
    _operations: dict[bytes, list[str]] = field(default_factory=dict)

    def add_calibrated(self, number: int, model: ModelProto, calibration: Calibration) -> tuple[str, ...]:
        """Add a member; returns the names of its calibrated outputs."""
        names = {entry.name: entry.name for entry in model.graph.input}
        for tensor in model.graph.initializer:
            names[tensor.name] = self._tensor(number, tensor)
        for node in model.graph.node:
            self._node(number, node, names)
        probabilities, t_score = (names[entry.name] for entry in model.graph.output)
        values = {
            "least": LEAST_PROBABILITY,
            "most": 1.0,
            "temperature": calibration.temperature,
            "slope": calibration.t_score_slope,
            "offset": calibration.t_score_offset,
        }
        constants = {name: f"{number}.calibration.{name}" for name in values}
        for name, value in values.items():
            self.initialisers.append(numpy_helper.from_array(np.array(value, np.float32), constants[name]))
        known, logits, scaled, calibrated, product, estimate = (f"{number}.calibrated.{k}" for k in range(6))
        self.nodes += [
            helper.make_node("Clip", [probabilities, constants["least"], constants["most"]], [known]),
            helper.make_node("Log", [known], [logits]),
            helper.make_node("Div", [logits, constants["temperature"]], [scaled]),
            helper.make_node("Softmax", [scaled], [calibrated], axis=1),
            helper.make_node("Mul", [t_score, constants["slope"]], [product]),
            helper.make_node("Add", [product, constants["offset"]], [estimate]),
        ]
        return calibrated, estimate

    def _tensor(self, number: int, tensor: TensorProto) -> str:
        """Name of an equal tensor that is there, or the new one of this."""
        content = TensorProto()
        content.CopyFrom(tensor)
        content.name = ""
        name = f"{number}.{tensor.name}"
        known = self._tensors.setdefault(content.SerializeToString(deterministic=True), name)
        if known == name:
            content.name = name
            self.initialisers.append(content)
        return known

    def _node(self, number: int, node: NodeProto, names: dict[str, str]) -> None:
        """Take an operation up under new names, or the outputs of an equal one."""
        copy = NodeProto()
        copy.CopyFrom(node)
        inputs = [names[name] if name else "" for name in node.input]
        copy.name = ""
        del copy.input[:], copy.output[:]
        copy.input.extend(inputs)
        key = copy.SerializeToString(deterministic=True) + len(node.output).to_bytes(4, "little")
        new = [f"{number}.{name}" if name else "" for name in node.output]
        known = self._operations.setdefault(key, new)
        if known is new:
            copy.output.extend(new)
            self.nodes.append(copy)
        names.update(zip(node.output, known, strict=True))


def _graph_of(member: Member) -> ModelProto:
    path = member.folder / "classifier.onnx"
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise WeightsError(f"{path}: cannot be read as ONNX ({error})") from error
    nested = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    if model.functions or any(entry.type in nested for node in model.graph.node for entry in node.attribute):
        raise WeightsError(f"{path}: holds graphs within its graph; expected one of osteolens train classifier")
    _keep_outputs(model, OUTPUTS)
    return model


def _keep_outputs(model: ModelProto, names: Sequence[str]) -> None:
    """Remove all that serves other outputs alone, such as each member's distance from films of its own training."""
    graph = model.graph
    needed, nodes = set(names), []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= {name for name in node.input if name}
            nodes.append(node)
    kept = [entry for entry in graph.output if entry.name in names]
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    for repeated, entries in ((graph.output, kept), (graph.node, nodes[::-1]), (graph.initializer, tensors)):
        copies = [type(entry).FromString(entry.SerializeToString()) for entry in entries]
        del repeated[:]
        repeated.extend(copies)


def _signature(model: ModelProto) -> list[bytes]:
    """Inputs, outputs and operators of a graph."""
    parts = [*model.graph.input, *model.graph.output, *model.opset_import]
    return [part.SerializeToString(deterministic=True) for part in parts]


def _store_tensors(folders: Sequence[Path], graphs: Sequence[ModelProto], out: Path) -> None:
    """Write every member's tensors into one file for each part, equal ones once, and let the graphs point there."""
    names: dict[tuple[int, str, int], str] = {}
    for part in PARTS:
        tensors: dict[str, Half] = {}
        known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        for number, folder in enumerate(folders, start=1):
            path = part_path(folder, part)
            for name, value, place in _tensors_of(path):
                key = (str(value.dtype), value.shape, value.tobytes())
                stored = known.setdefault(key, f"{number}.{name}")
                tensors[stored] = value
                names[number, path.name, place.offset] = stored
        if tensors:
            with whole_file(part_path(out, part)) as unfinished:
                save_file(tensors, unfinished)
    placed = stored_tensors([path for part in PARTS if (path := part_path(out, part)).is_file()])
    for number, graph in enumerate(graphs, start=1):
        for tensor in graph.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                _point(tensor, number, names, placed)


def _tensors_of(path: Path) -> Iterator[tuple[str, Half, StoredTensor]]:
    """Name, value and place of every tensor of a file; none where there is no file."""
    if not path.is_file():
        return
    try:
        places, values = stored_tensors([path]), load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    for name, value in values.items():
        yield name, value, places[name]


def _point(
    tensor: TensorProto, number: int, names: dict[tuple[int, str, int], str], placed: dict[str, StoredTensor]
) -> None:
    """Let a tensor of a member's graph point to where it lies now."""
    former = {entry.key: entry.value for entry in tensor.external_data}
    stored = names.get((number, former.get("location", ""), int(former.get("offset", -1))))
    if stored is None or int(former.get("length", -1)) != placed[stored].length:
        raise WeightsError(f"member {number}: the tensor {tensor.name} of its graph is in none of its safetensors")
    place = placed[stored]
    del tensor.external_data[:]
    for key, value in (("location", place.path.name), ("offset", place.offset), ("length", place.length)):
        tensor.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))


def _difference(members: Sequence[Member], out: Path, spec: PreprocessSpec) -> float:
    """Largest difference of an output from the mean of the members' calibrated ones, on random input."""
    rng = np.random.default_rng(0)
    crops = (1, spec.crops, spec.size_px, spec.size_px)
    shapes = dict(zip(INPUTS, (crops, crops, (1, 2), (1, COVARIATE_INPUTS)), strict=True))
    feed = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    feed["present"] = np.ones((1, 2), np.float32)
    each = []
    for member in members:
        probabilities, t_score = _run(member.folder, feed)
        calibrated = apply_temperature(probabilities.astype(np.float64), member.calibration.temperature)
        each.append((calibrated, member.calibration.t_score_slope * t_score + member.calibration.t_score_offset))
    expected = [np.mean(outputs, axis=0) for outputs in zip(*each, strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in zip(_run(out, feed), expected, strict=True))


def _run(folder: Path, feed: dict[str, npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(folder / "classifier.onnx"), providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}
    outputs: list[npt.NDArray[np.float32]] = session.run(OUTPUTS, {n: v for n, v in feed.items() if n in taken})
    return outputs
