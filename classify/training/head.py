"""The fusion fitted anew on the pooled features of finished branches: many epochs for the price of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from classify.config import PreprocessSpec
from classify.network.densenet import FUSIONS, DualChannelDenseNet
from classify.training.batches import drawn_copies, hide_covariates, network_images
from classify.training.config import ClassifierTraining
from classify.training.crops import CropSet
from cohort.spine import View
from osteolens.training.precision import bfloat16_is_fast

Loss = Callable[[Any, Any], Tensor]
Features = Sequence[npt.NDArray[np.float32]]
"""Of each branch: (rows of the images, copies, channels)."""

IMAGES = 6
"""Studies, each with its copies, that go through a branch at a time."""


def pooled_features(
    network: DualChannelDenseNet, crops: CropSet, side: int, spec: PreprocessSpec, device: Any
) -> Features:
    """Features of every cached copy of the images of a set, without augmentation, by branch; kept in the set's folder,
    so that networks that share a branch share its features."""
    network.eval().to(memory_format=torch.channels_last)
    found = []
    for view in (view for view in View if view in network.spec.views):
        path = crops.folder / f"features-{_digest(network, view, side)}.npy"
        if not path.is_file():
            partial = path.with_suffix(".partial.npy")
            np.save(partial, _features_of(network, view, crops, side, spec, device))
            partial.replace(path)
        found.append(np.load(path, mmap_mode="r"))
    return found


def _features_of(
    network: DualChannelDenseNet, view: View, crops: CropSet, side: int, spec: PreprocessSpec, device: Any
) -> npt.NDArray[np.float32]:
    count, copies = crops.images.shape[:2]
    which, found = list(View).index(view), []
    with (
        torch.inference_mode(),
        torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16_is_fast(device)),
    ):
        for start in range(0, count, IMAGES):
            shown = crops.images[start : start + IMAGES, :, which].reshape(-1, 1, *crops.images.shape[3:])
            found.append(network.pooled_view(view, network_images(shown, side, spec, device)[:, 0]).float().cpu())
    return torch.cat(found).reshape(count, copies, -1).numpy()


def _digest(network: DualChannelDenseNet, view: View, side: int) -> str:
    """Of all that the features of a view come from, but the crops."""
    found = hashlib.sha256(f"{view} {side} {network.spec.pooled}".encode())
    for part in (network.ap if view is View.AP else network.lateral, network.attention):
        for value in part.state_dict().values() if part is not None else ():
            if value.is_floating_point():
                found.update(value.detach().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


def judged_head(
    network: DualChannelDenseNet, features: Features, crops: CropSet, device: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Class probabilities (n, 3) and T-scores (n,) from the features of the first copy."""
    network.eval()
    with torch.inference_mode():
        shown = torch.from_numpy(np.stack([own[crops.rows, 0] for own in features], 1)).to(device)
        present, covariates = (torch.from_numpy(v).to(device) for v in (crops.present, crops.covariates))
        logits, t_score = network.fused(shown, present, covariates)
    shares = torch.softmax(logits, 1).cpu().numpy().astype(np.float64)
    return shares, t_score[:, 0].cpu().numpy().astype(np.float64)


def fit_head(
    network: DualChannelDenseNet,
    features: Features,
    crops: CropSet,
    config: ClassifierTraining,
    loss: Loss,
    device: Any,
    seed: int,
    decay: float,
) -> float:
    """Fit all that stands behind the branches on cached features, in place; returns the last epoch's mean loss.

    A step shows every study to the fusion of each set of views that it has, unless `drop_view` is 0: then to that of
    all its views alone. Covariates are hidden as in the training of the whole. Weights decay to zero, or to what they
    were before. Sources: Kang 2020, decoupled training; Li 2018, L2-SP.

    Args:
        network: whose branches are finished.
        features: of the training studies (`pooled_features`).
        crops: the same studies.
        config: `head_epochs`, `head_lr`, `l2_sp`, and what is hidden.
        loss: of (logits, T-scores) and a batch.
        device: of the network.
        seed: of order and hiding.
        decay: weight decay.
    """
    parts = [network.norms, network.covariates, network.fuse, network.classes, network.t_score]
    parameters = [p for part in parts if part is not None for p in part.parameters()]
    goals = [p.detach().clone() if config.l2_sp else torch.zeros_like(p) for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=config.head_lr, weight_decay=decay)
    steps = config.head_epochs * -(-len(crops.labels) // config.head_batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    rng = np.random.default_rng([seed, 1])
    found: list[float] = []
    for module in parts:
        if module is not None:
            module.train()
    for _ in range(config.head_epochs):
        found = []
        order = rng.permutation(len(crops.labels))
        for start in range(0, len(order), config.head_batch):
            index = order[start : start + config.head_batch]
            if len(index) < 2:
                continue
            copy = drawn_copies(crops, len(index), config, rng)
            shown = torch.from_numpy(np.stack([own[crops.rows[index], copy] for own in features], 1)).to(device)
            known = hide_covariates(torch.from_numpy(crops.covariates[index]).to(device), config, rng)
            optimizer.zero_grad()
            values = []
            for name, rows in _rows_of_fusions(network, crops.present[index], config.drop_view > 0).items():
                value = loss(network.fused_as(shown[rows], known[rows], name), _Labels(crops, index[rows], device))
                value.backward()  # type: ignore[no-untyped-call]
                values.append(float(value.detach()))
            nn.utils.clip_grad_norm_(parameters, 2.0)
            for parameter, goal in zip(parameters, goals, strict=True):
                parameter.data.add_(goal, alpha=optimizer.param_groups[0]["lr"] * decay)
            optimizer.step()
            schedule.step()
            found.append(float(np.mean(values)))
    network.eval()
    return float(np.mean(found)) if found else float("nan")


def _rows_of_fusions(
    network: DualChannelDenseNet, present: npt.NDArray[np.float32], every: bool
) -> dict[str, npt.NDArray[np.int64]]:
    """Which rows of a batch each fusion learns from: all that have its views, or only those that have no more."""
    has = {view: present[:, k] > 0 for k, view in enumerate(View)}
    found = {}
    for name in network.fuse:
        rows = np.all([has[view] for view in FUSIONS[name]], axis=0)
        if not every and len(network.fuse) > 1 and name != "both":
            rows &= ~(has[View.AP] & has[View.LATERAL])
        if rows.sum() > 1:
            found[name] = np.flatnonzero(rows)
    return found


class _Labels:
    """What a loss asks of a batch."""

    def __init__(self, crops: CropSet, index: Any, device: Any) -> None:
        self.labels = torch.from_numpy(crops.labels[index]).to(device)
        self.t_scores = torch.from_numpy(crops.t_scores[index]).to(device)
