"""T-scores of single levels, told from single crops: they guide the branches while these train, and go no further."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import Batch
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from cohort.spine import View
from osteolens.training.parallel.group import Mean


class LevelHeads(nn.Module):
    """A linear layer of each branch, from the normalised features of a crop to the T-score of its level.

    A crop of several levels has none, nor has a training without their T-scores: then there are no layers.
    """

    def __init__(self, network: DualChannelDenseNet, training: CropSet, config: ClassifierTraining) -> None:
        super().__init__()
        known = network.attention is not None and bool(np.isfinite(training.level_t_scores).any())
        views = [view for view in View if view in network.spec.views and known and config.level_t_score_weight]
        self._weight, self._channels = config.level_t_score_weight, [list(View).index(view) for view in views]
        self.heads = nn.ModuleList(_head(network.channels, training) for _ in views)

    def __bool__(self) -> bool:
        return len(self.heads) > 0

    def loss(self, crops: Tensor, batch: Batch, mean: Mean) -> Tensor:
        """Huber loss of the T-scores of the levels that are shown and known, times its weight.

        Args:
            crops: features (n, branches, crops, channels) of each crop.
            batch: with their T-scores.
            mean: of a total and a count.
        """
        branches = zip(self.heads, crops.unbind(1), self._channels, strict=True)
        told = [(head(features.flatten(0, 1)).float(), batch.present[:, k, None]) for head, features, k in branches]
        total, count = crops.new_zeros(()).float(), crops.new_zeros(()).float()
        for t_scores, present in told:
            known = (batch.level_t_scores.isfinite() * present).float()
            error = functional.smooth_l1_loss(
                t_scores.reshape(known.shape), batch.level_t_scores.nan_to_num(), reduction="none"
            )
            total, count = total + (known * error).sum(), count + known.sum()
        return self._weight * mean(total, count)


def _head(channels: int, training: CropSet) -> nn.Module:
    """Of one branch; it begins with the mean T-score."""
    last = nn.Linear(channels, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, float(np.nanmean(training.level_t_scores)))
    return nn.Sequential(nn.BatchNorm1d(channels), nn.Dropout(0.2), last)
