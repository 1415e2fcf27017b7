"""How far the features of a study lie from those of the training: what tells films unlike the training's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

AXES = 32
"""Principal axes along which the training's features have a variance of their own; across them they share one."""

LEAST_SPREAD = 1e-3
"""A feature's standard deviation counts as at least this fraction of the median one, lest one that hardly varies in
training decides."""

MOST_STUDIES = 6000
"""Rows that a fit looks at."""


class FeatureDistance(nn.Module):
    """Mahalanobis distance of pooled features (n, views, channels) under probabilistic PCA, by view.

    Each feature is standardised; the covariance is that of `AXES` principal axes and, across them, one variance. The
    distance is the root of the mean square over channels, so that films of the training lie at about 1.

    Source: Lee 2018, arXiv 1807.03888 (Mahalanobis distance of features); Tipping and Bishop 1999, doi
    10.1111/1467-9868.00196 (probabilistic PCA).
    """

    def __init__(self, views: int, channels: int, axes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(views, channels))
        self.register_buffer("spread", torch.ones(views, channels))
        self.register_buffer("axes", torch.zeros(views, axes, channels))
        self.register_buffer("along", torch.ones(views, axes))
        self.register_buffer("across", torch.ones(views, 1))

    def forward(self, pooled: Tensor) -> Tensor:
        """Distances (n, views)."""
        mean, spread, axes = self.get_buffer("mean"), self.get_buffer("spread"), self.get_buffer("axes")
        shown = (pooled - mean) / spread
        along = (shown.transpose(0, 1) @ axes.transpose(1, 2)).transpose(0, 1) ** 2
        rest = ((shown**2).sum(2) - along.sum(2)).clamp_min(0)
        squares = (along / self.get_buffer("along")).sum(2) + rest / self.get_buffer("across").T
        return (squares / pooled.shape[2]).sqrt()


def fit_feature_distance(features: Sequence[npt.NDArray[np.floating]]) -> FeatureDistance:
    """The distance from the features of a training.

    Args:
        features: of each view, (n, channels), n of 2 or more.
    """
    from sklearn.decomposition import PCA

    channels = features[0].shape[1]
    axes = min(AXES, min(len(rows) for rows in features) - 1, channels - 1)
    fitted = FeatureDistance(len(features), channels, axes)
    for view, every in enumerate(features):
        rows = every[:: -(-len(every) // MOST_STUDIES)].astype(np.float32)
        mean, spread = rows.mean(0), rows.std(0)
        spread = np.maximum(spread, max(LEAST_SPREAD * float(np.median(spread)), 1e-6))
        pca = PCA(axes, svd_solver="randomized", random_state=0).fit((rows - mean) / spread)
        values = {
            "mean": mean,
            "spread": spread,
            "axes": pca.components_,
            "along": np.maximum(pca.explained_variance_, 1e-6),
            "across": np.maximum(pca.noise_variance_, 1e-6),
        }
        for name, value in values.items():
            fitted.get_buffer(name)[view] = torch.from_numpy(np.asarray(value, np.float32))
    return fitted
