"""The dual-channel DenseNet: one branch a view, pooled features fused with the covariates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cohort.errors import MissingExtra
from cohort.study import BMD_CLASSES

COVARIATE_INPUTS = 6


class DualChannelDenseNet(nn.Module):
    """DenseNet-121 branches for AP and lateral, pooled features concatenated with an MLP of the covariates.

    A view that is absent has its features zeroed by `present`. Besides class logits the network gives a T-score,
    which guides training only.

    Source: Mao et al. 2022, "Development of the CNN models"; DenseNet-121, the fusion point and the MLP are ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ap = _densenet()
        self.lateral = _densenet()
        self.covariates = nn.Sequential(nn.Linear(COVARIATE_INPUTS, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.fuse = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * 1024 + 2 + 32, 128), nn.ReLU(), nn.Dropout(0.2))
        self.classes = nn.Linear(128, len(BMD_CLASSES))
        self.t_score = nn.Linear(128, 1)
        nn.init.constant_(self.t_score.bias, -1.8)

    def forward(self, ap: Tensor, lateral: Tensor, present: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (n, 3) and T-scores (n,).

        Args:
            ap: (n, 1, side, side).
            lateral: (n, 1, side, side).
            present: (n, 2), 1 where the AP or lateral image exists.
            covariates: (n, 6) from `classify.covariates.encode`.
        """
        ap, lateral = _centre_columns(ap), _centre_columns(lateral)
        features = torch.cat(
            (
                self.ap(ap)[-1].relu().mean((2, 3)) * present[:, :1],
                self.lateral(lateral)[-1].relu().mean((2, 3)) * present[:, 1:],
                present,
                self.covariates(covariates),
            ),
            1,
        )
        fused = self.fuse(features)
        return self.classes(fused), self.t_score(fused)[:, 0]


class ProbabilityExport(nn.Module):
    """The network as it is shipped: full-size crops in, averaged down to the working side; probabilities (n, 3) out."""

    def __init__(self, network: DualChannelDenseNet, shrink: int) -> None:
        super().__init__()
        self.network = network
        self.shrink = nn.AvgPool2d(shrink) if shrink > 1 else nn.Identity()

    def forward(self, ap: Tensor, lateral: Tensor, present: Tensor, covariates: Tensor) -> Tensor:
        """Softmax of the class logits."""
        return torch.softmax(self.network(self.shrink(ap), self.shrink(lateral), present, covariates)[0], 1)


def _centre_columns(images: Tensor) -> Tensor:
    """The central five eighths of the columns; a crop of L1-L4 is tall, and the rest of its square is grey border."""
    margin = images.shape[-1] * 3 // 16
    return images[..., margin : images.shape[-1] - margin]


def _densenet() -> Any:
    try:
        from segmentation_models_pytorch.encoders import get_encoder
    except ImportError as error:
        raise MissingExtra("train classifier", "segmentation-models-pytorch") from error
    return get_encoder("densenet121", in_channels=1, depth=5, weights=None)
