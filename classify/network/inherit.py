"""Heads of an earlier layout, or of a network with more inputs, as another network has them."""

from __future__ import annotations

from typing import Any

from cohort.spine import View

EARLIER = "fuse.1"
"""Until weights 2026.11.4 one fusion served every set of views: features of absent views were zero, and two more inputs
said which views are present."""


def with_fusions(state: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a network, a fusion of the earlier layout written as one of each set of views that gives the same.

    Args:
        state: tensors by name, of `DualChannelDenseNet`.
    """
    import torch

    from classify.network.densenet import FUSIONS

    if f"{EARLIER}.weight" not in state:
        return state
    found = {name: value for name, value in state.items() if not name.startswith(f"{EARLIER}.")}
    weight, bias = state[f"{EARLIER}.weight"], state[f"{EARLIER}.bias"]
    views = [view for view in View if any(name.startswith(f"{view.value.lower()}.") for name in state)]
    more = len(state["covariates.2.bias"]) if "covariates.2.bias" in state else 0
    *features, present, known = weight.split(
        [*[(weight.shape[1] - more) // len(views) - 1] * len(views), len(views), more], 1
    )
    for name, joined in FUSIONS.items():
        if set(joined) <= set(views):
            own = [views.index(view) for view in joined]
            found[f"fuse.{name}.1.weight"] = torch.cat([*(features[k] for k in own), known], 1)
            found[f"fuse.{name}.1.bias"] = bias + present[:, own].sum(1)
    return found


def without_covariates(state: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a network that takes covariates, as those of one that takes none and gives what the first gives
    for a study whose covariates are all unknown."""
    import torch

    first, second = ("covariates.0", "covariates.2")
    if f"{first}.bias" not in state:
        return state
    hidden = state[f"{first}.bias"].relu()
    unknown = torch.relu(state[f"{second}.weight"] @ hidden + state[f"{second}.bias"])
    found = {name: value for name, value in state.items() if not name.startswith("covariates.")}
    for name in [name for name in found if name.startswith("fuse.") and name.endswith(".weight")]:
        weight, bias = found[name], name.removesuffix("weight") + "bias"
        found[name] = weight[:, : -len(unknown)]
        found[bias] = found[bias] + weight[:, -len(unknown) :] @ unknown
    return found
