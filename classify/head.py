"""The fusion fitted anew on the pooled features of finished branches: many epochs for the price of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from classify.config import ClassifierTraining, PreprocessSpec
from classify.dataset import CropSet, batches, drawn_copies, hide
from classify.model import DualChannelDenseNet

Loss = Callable[[Any, Any], Tensor]


def pooled_features(
    network: DualChannelDenseNet, crops: CropSet, side: int, spec: PreprocessSpec, size: int, device: Any
) -> Tensor:
    """Features (n, copies, branches, channels) of every cached copy of the crops, without augmentation."""
    network.eval()
    copies = []
    for copy in range(crops.images.shape[1]):
        one = replace(crops, images=crops.images[:, copy : copy + 1])
        found = []
        with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16):
            for batch in batches(one, side, size, spec, None, np.random.default_rng(0), device):
                found.append(network.pooled(batch.images[:, 0], batch.images[:, 1]).float().cpu())
        copies.append(torch.cat(found))
    return torch.stack(copies, 1)


def fit_head(
    network: DualChannelDenseNet,
    features: Tensor,
    crops: CropSet,
    config: ClassifierTraining,
    loss: Loss,
    device: Any,
    seed: int,
    decay: float,
) -> float:
    """Fit all that stands behind the branches on cached features, in place; returns the last epoch's mean loss.

    Views and covariates are hidden as in the training of the whole. Source: Kang 2020, decoupled training.

    Args:
        network: whose branches are finished.
        features: (n, copies, branches, channels) of the training studies (`pooled_features`).
        crops: the same studies.
        config: `head_epochs`, `head_lr`, and what is hidden.
        loss: of (logits, T-scores) and a batch.
        device: of the network.
        seed: of order and hiding.
        decay: weight decay.
    """
    parts = [network.norms, network.covariates, network.fuse, network.classes, network.t_score]
    parameters = [p for part in parts if part is not None for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.head_lr, weight_decay=decay)
    steps = config.head_epochs * -(-len(features) // config.head_batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    rng = np.random.default_rng([seed, 1])
    found: list[float] = []
    for module in parts:
        if module is not None:
            module.train()
    for _ in range(config.head_epochs):
        found = []
        order = rng.permutation(len(features))
        for start in range(0, len(order), config.head_batch):
            index = order[start : start + config.head_batch]
            if len(index) < 2:
                continue
            batch = _Labels(crops, index, device)
            shown = features[index, drawn_copies(crops, len(index), config, rng)].to(device)
            present = torch.from_numpy(crops.present[index]).to(device)
            present, known = hide(present, torch.from_numpy(crops.covariates[index]).to(device), config, rng)
            value = loss(network.fused(shown, present, known), batch)
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 2.0)
            optimizer.step()
            schedule.step()
            found.append(float(value.detach()))
    network.eval()
    return float(np.mean(found)) if found else float("nan")


class _Labels:
    """What a loss asks of a batch."""

    def __init__(self, crops: CropSet, index: Any, device: Any) -> None:
        self.labels = torch.from_numpy(crops.labels[index]).to(device)
        self.t_scores = torch.from_numpy(crops.t_scores[index]).to(device)
