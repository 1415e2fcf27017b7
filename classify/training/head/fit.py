"""The head refitted on the pooled features of finished branches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from classify.inputs import FUSIONS
from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import hide_covariates, sample_variants
from classify.training.config import ClassifierTraining
from classify.training.head.features import Device
from classify.training.head.side import Side
from classify.training.loss import Loss
from cohort.spine import View


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPlan:
    """How a head is fitted.

    Attributes:
        config: `head_epochs`, `head_batch`, `head_lr`, `l2_sp`, and what is hidden.
        loss: of outputs and targets.
        device: of the network.
        seed: of order and hiding.
        weight_decay: of AdamW.
    """

    config: ClassifierTraining
    loss: Loss
    device: Device
    seed: int
    weight_decay: float


def fit_head(network: DualChannelDenseNet, side: Side, plan: HeadPlan) -> float:
    """Fit all that stands behind the branches on cached features, in place; returns the last epoch's mean loss.

    A step shows every study to the fusion of each set of views that it has, unless `drop_view` is 0: then to that of
    all its views alone. Covariates are hidden as in the training of the whole. Weights decay to zero, or to what they
    were before. Sources: Kang 2020, decoupled training; Li 2018, L2-SP.

    Args:
        network: whose branches are finished.
        side: training studies with the features of these branches.
        plan: how it is fitted.
    """
    config = plan.config
    behind = (network.norms, network.covariates, network.fuse, network.classes, network.t_score)
    parts = [part for part in behind if part is not None]
    parameters = [parameter for part in parts for parameter in part.parameters()]
    goals = [parameter.detach().clone() for parameter in parameters if config.l2_sp]
    fused = torch.device(plan.device).type in ("cpu", "cuda")  # a third of the time of a step of the plain one
    optimizer = torch.optim.AdamW(parameters, lr=config.head_lr, weight_decay=plan.weight_decay, fused=fused)
    steps = config.head_epochs * -(-len(side.studies.labels) // config.head_batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    rng = np.random.default_rng([plan.seed, 1])
    losses: list[float] = []
    for part in parts:
        part.train()
    for _ in range(config.head_epochs):
        losses = []
        order = rng.permutation(len(side.studies.labels))
        for start in range(0, len(order), config.head_batch):
            index = order[start : start + config.head_batch]
            if len(index) < 2:
                continue
            optimizer.zero_grad()
            losses.append(_backward(network, side, index, plan, rng))
            nn.utils.clip_grad_norm_(parameters, 2.0)
            for parameter, goal in zip(parameters, goals, strict=False):
                parameter.data.add_(goal, alpha=optimizer.param_groups[0]["lr"] * plan.weight_decay)
            optimizer.step()
            schedule.step()
    network.eval()
    return float(np.mean(losses)) if losses else float("nan")


def _backward(
    network: DualChannelDenseNet,
    side: Side,
    index: npt.NDArray[np.int64],
    plan: HeadPlan,
    rng: np.random.Generator,
) -> float:
    """Gradients of one step over every fusion; returns the mean loss."""
    studies = side.studies
    variant = sample_variants(side.variants, len(index), plan.config, rng)
    shown = side.shown(studies.rows[index], variant).to(plan.device)
    covariates = hide_covariates(torch.from_numpy(studies.covariates[index]).to(plan.device), plan.config, rng)
    losses = []
    for name, rows in _rows_of_fusions(network, studies.present[index], plan.config.drop_view > 0).items():
        targets = _HeadTargets(
            labels=torch.from_numpy(studies.labels[index[rows]]).to(plan.device),
            t_scores=torch.from_numpy(studies.t_scores[index[rows]]).to(plan.device),
        )
        loss = plan.loss(network.fused_as(shown[rows], covariates[rows], name), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _rows_of_fusions(
    network: DualChannelDenseNet, present: npt.NDArray[np.float32], every: bool
) -> dict[str, npt.NDArray[np.int64]]:
    """Which rows of a batch each fusion learns from: all that have its views, or only those that have no more."""
    has = {view: present[:, k] > 0 for k, view in enumerate(View)}
    chosen = {}
    for name in network.fuse:
        rows = np.all([has[view] for view in FUSIONS[name]], axis=0)
        if not every and len(network.fuse) > 1 and name != "both":
            rows &= ~(has[View.AP] & has[View.LATERAL])
        if rows.sum() > 1:
            chosen[name] = np.flatnonzero(rows)
    return chosen


@dataclass(frozen=True, slots=True)
class _HeadTargets:
    """Targets of the rows that one fusion learns from."""

    labels: Tensor
    t_scores: Tensor
