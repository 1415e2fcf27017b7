"""The loss of the classifier: of the class and of the T-score of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from classify.training.config import ClassifierTraining
from cohort.bmd import BMD_CLASSES
from osteolens.training.parallel.group import Mean, plain_mean

Outputs = tuple[Tensor, Tensor]
"""Class logits (n, 3), and T-scores with the logarithm of their spread (n, 2)."""


class Targets(Protocol):
    """What is known of the studies of a step."""

    @property
    def labels(self) -> Tensor:
        """Int64 (n,), index into BMD_CLASSES."""

    @property
    def t_scores(self) -> Tensor:
        """Float32 (n,)."""


Loss = Callable[[Outputs, Targets], Tensor]


def classifier_loss(
    labels: npt.NDArray[np.int64], config: ClassifierTraining, device: torch.device | str, mean: Mean = plain_mean
) -> Loss:
    """Cross-entropy with `class_weights`, by default the classes' rarity, and the T-score's Huber loss.

    Args:
        labels: of the training studies.
        config: settings.
        device: of the network.
        mean: of a total and a count; that of a group where its processes share a batch.
    """
    weight = torch.tensor(_class_weights(labels, config), dtype=torch.float32, device=device)

    def loss(outputs: Outputs, targets: Targets) -> Tensor:
        logits, t_score = outputs
        smoothing = config.label_smoothing
        classes = functional.cross_entropy(
            logits.float(), targets.labels, weight, label_smoothing=smoothing, reduction="sum"
        )
        scores = functional.smooth_l1_loss(t_score[:, 0], targets.t_scores, reduction="sum")
        counts = torch.stack((weight[targets.labels].sum(), weight.new_tensor(len(targets.labels))))
        means = mean(torch.stack((classes, scores.float())), counts)
        return means[0] + config.t_score_weight * means[1]

    return loss


def _class_weights(labels: npt.NDArray[np.int64], config: ClassifierTraining) -> Sequence[float]:
    """Weight of each class, as BMD_CLASSES."""
    if config.class_weights == "equal":
        return [1.0] * len(BMD_CLASSES)
    if config.class_weights != "rarity":
        return list(config.class_weights)
    counts = np.bincount(labels, minlength=len(BMD_CLASSES))
    return list(counts.sum() / len(BMD_CLASSES) / np.maximum(counts, 1))
