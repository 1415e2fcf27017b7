"""The network's parameters as half-precision safetensors, whole or by branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from classify.files import PARTS, part_path
from osteolens.errors import WeightsError


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

    from classify.network.inherit import with_fusions, without_covariates

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
