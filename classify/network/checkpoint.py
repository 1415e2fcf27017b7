"""The network's parameters as half-precision safetensors, whole or by branch, and heads of other layouts."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from classify.files import FUSION, PARTS, part_path
from classify.inputs import FUSIONS, branch_name
from classify.network.densenet import DualChannelDenseNet
from cohort.spine import View
from osteolens.atomic import whole_file
from osteolens.errors import WeightsError

State = dict[str, Tensor]
"""Tensors by name, of `DualChannelDenseNet`."""

ONE_FUSION = "fuse.1"
"""Name of the fusion in heads of which one serves every set of views: features of absent views are zero, and two more
inputs say which views are present. The shipped head is one."""


def save_network(network: DualChannelDenseNet, path: Path) -> None:
    """Parameters and buffers as float16 safetensors, written whole or not at all."""
    state = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
        if value.dtype != torch.int64
    }
    with whole_file(path) as unfinished:
        save_file(state, unfinished)


def load_network(network: DualChannelDenseNet, path: Path, only_fitting: bool = False) -> int:
    """Parameters and buffers of a file, or of a folder of shipped weights, into a network of the same shape, or those
    of them that fit one of another shape. A network without covariates takes the head of one with them.

    Returns:
        how many tensors of the network came from the file.

    Raises:
        WeightsError: no such weights, or tensors are missing or unknown; where only fitting ones are asked for, none
            fits.
    """
    files = [part_path(path, part) for part in PARTS] if path.is_dir() else [path]
    present = [file for file in files if file.is_file()]
    if not present:
        raise WeightsError(f"{path}: no weights; expected best.safetensors of a run, or a folder of shipped weights")
    state = with_fusions({name: value.float() for file in present for name, value in _tensors(file).items()})
    if not only_fitting:
        _load_state(network, state, path.name)
        return len(network.state_dict())
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    state = state if network.covariates is not None else without_covariates(state)
    fitting = {name: value for name, value in state.items() if shapes.get(name) == value.shape}
    if not fitting:
        raise WeightsError(f"{path}: none of {len(state)} tensors fits this network; start from other weights")
    network.load_state_dict(fitting, strict=False)
    counters = sum(name.endswith("num_batches_tracked") for name in shapes)
    return len(fitting) + (counters if len(fitting) + counters == len(shapes) else 0)


def split_weights(unsplit: Path, out: Path) -> None:
    """One safetensors file into its parts: tensors of a branch by their name's first word, the others together."""
    state = load_file(unsplit)
    for part in PARTS:
        tensors = {name: value for name, value in state.items() if _part_of(name) == part}
        part_path(out, part).unlink(missing_ok=True)
        if tensors:
            with whole_file(part_path(out, part)) as unfinished:
                save_file(tensors, unfinished)


def with_fusions(state: State) -> State:
    """The tensors of a network, one fusion for every set of views written as one of each set that gives the same."""
    if f"{ONE_FUSION}.weight" not in state:
        return state
    converted = {name: value for name, value in state.items() if not name.startswith(f"{ONE_FUSION}.")}
    weight, bias = state[f"{ONE_FUSION}.weight"], state[f"{ONE_FUSION}.bias"]
    views = [view for view in View if any(name.startswith(f"{branch_name(view)}.") for name in state)]
    more = len(state["covariates.2.bias"]) if "covariates.2.bias" in state else 0
    widths = [*[(weight.shape[1] - more) // len(views) - 1] * len(views), len(views), more]
    *features, present, known = torch.split(weight, widths, 1)
    for name, joined in FUSIONS.items():
        if set(joined) <= set(views):
            places = [views.index(view) for view in joined]
            converted[f"fuse.{name}.1.weight"] = torch.cat([*(features[k] for k in places), known], 1)
            converted[f"fuse.{name}.1.bias"] = bias + present[:, places].sum(1)
    return converted


def without_covariates(state: State) -> State:
    """The tensors of a network that takes covariates, as those of one that takes none and gives what the first gives
    for a study whose covariates are all unknown."""
    first, second = ("covariates.0", "covariates.2")
    if f"{first}.bias" not in state:
        return state
    hidden = state[f"{first}.bias"].relu()
    unknown = torch.relu(state[f"{second}.weight"] @ hidden + state[f"{second}.bias"])
    converted = {name: value for name, value in state.items() if not name.startswith("covariates.")}
    for name in [name for name in converted if name.startswith("fuse.") and name.endswith(".weight")]:
        weight, bias = converted[name], name.removesuffix("weight") + "bias"
        converted[name] = weight[:, : -len(unknown)]
        converted[bias] = converted[bias] + weight[:, -len(unknown) :] @ unknown
    return converted


def _tensors(path: Path) -> State:
    state: State = load_file(path)
    return state


def _load_state(network: DualChannelDenseNet, state: State, where: str) -> None:
    expected = network.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in expected]
    if missing or unknown:
        named = f", such as {(missing + unknown)[0]}"
        raise WeightsError(f"{where}: {len(missing)} tensors missing, {len(unknown)} unknown{named}")
    network.load_state_dict(state, strict=False)


def _part_of(name: str) -> str:
    first = name.partition(".")[0]
    return first if first in PARTS else FUSION
