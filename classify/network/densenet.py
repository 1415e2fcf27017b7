"""The dual-channel DenseNet: one branch a view, pooled features fused with the covariates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from classify.config import Backbone, NetworkSpec
from classify.inputs import FUSIONS, branch_name
from classify.network.feature_distance import FeatureDistance
from cohort.bmd import BMD_CLASSES, NORMAL_FROM, OSTEOPOROSIS_TO
from cohort.spine import View

COVARIATE_INPUTS = 6
SCALES: dict[Backbone, tuple[int, ...]] = {
    "densenet121": (64, 256, 512, 1024, 1024),
    "densenet169": (64, 256, 512, 1280, 1664),
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "efficientnet-b0": (32, 24, 40, 112, 320),
    "mobilenet_v2": (16, 24, 32, 96, 1280),
}
"""Channels of each backbone's feature maps at strides 2, 4, 8, 16 and 32."""

FIELDS = (4, 4, 1, 1, 1)
"""Fields a side over which each of them is averaged: a shell shows by where it is, so the fine maps keep place."""


def column_margin(side_px: int) -> int:
    """Columns at each side of a column's square that the network does not see: a crop of L1-L4 is tall, and three
    sixteenths of the side are grey border."""
    return side_px * 3 // 16


class DualChannelDenseNet(nn.Module):
    """DenseNet-121 branches, or another backbone, for AP and lateral; an MLP of the covariates joins pooled features.

    Each set of views that a study may have is fused by layers of its own, which `present` chooses; a network of one
    view has one branch and one fusion. Several crops a view go through the same branch and are pooled by attention.
    `pooled` says whether the last feature map is averaged, or every scale's, the finest by fields: the texture and the
    shell of bone are in these. The network gives a T-score with its spread; the class logits are the logarithms of that
    distribution's probabilities below -2.5, between, and above -1.0, plus a learned correction. So classes are ordered
    as the T-score is, which learns from both targets; its spread and the correction learn from the classes.

    Source: Mao et al. 2022, "Development of the CNN models"; DenseNet-121, the fusion point and the MLP are ours.
    """

    def __init__(self, spec: NetworkSpec | None = None) -> None:
        super().__init__()
        self.spec = spec or NetworkSpec()
        views = self.spec.views
        scales = SCALES[self.spec.backbone]
        self.ap = _branch(self.spec.backbone) if View.AP in views else None
        self.lateral = _branch(self.spec.backbone) if View.LATERAL in views else None
        self.last_maps = nn.ModuleDict({branch_name(view): nn.Identity() for view in View if view in views})
        self.attention = nn.Linear(scales[-1], 1) if self.spec.crops > 1 else None
        every = sum(channels * fields**2 for channels, fields in zip(scales, FIELDS, strict=True))
        self.channels = features = every if self.spec.pooled == "all" else scales[-1]
        normed = self.spec.pooled == "all"
        self.norms = nn.ModuleDict(
            {branch_name(view): nn.BatchNorm1d(features) if normed else nn.Identity() for view in View if view in views}
        )
        self.covariates = (
            nn.Sequential(nn.Linear(COVARIATE_INPUTS, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
            if self.spec.covariates
            else None
        )
        more = 32 if self.spec.covariates else 0
        self.fuse = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Dropout(0.2), nn.Linear(features * len(joined) + more, 128), nn.ReLU(), nn.Dropout(0.2)
                )
                for name, joined in FUSIONS.items()
                if set(joined) <= set(views)
            }
        )
        self.classes = nn.Linear(128, len(BMD_CLASSES))
        self.t_score = nn.Linear(128, 2)
        nn.init.zeros_(self.classes.weight)
        nn.init.zeros_(self.classes.bias)
        with torch.no_grad():
            self.t_score.bias.copy_(torch.tensor([-1.8, 0.0]))

    def forward(self, ap: Tensor, lateral: Tensor, present: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (n, 3) and T-scores with the logarithm of their spread (n, 2).

        Args:
            ap: (n, crops, side, side); attention takes any number of crops, so training may show fewer.
            lateral: likewise.
            present: (n, 2), 1 where the AP or lateral image exists.
            covariates: (n, 6) from `classify.covariates.encode`.
        """
        return self.fused(self.pooled(ap, lateral), present, covariates)

    def pooled(self, ap: Tensor, lateral: Tensor) -> Tensor:
        """Features (n, branches, channels) of the views that the network takes, before normalisation."""
        images = {View.AP: ap, View.LATERAL: lateral}
        return torch.stack([self.pooled_view(view, images[view]) for view in View if view in self.spec.views], 1)

    def of_crops(self, ap: Tensor, lateral: Tensor) -> Tensor:
        """Features (n, branches, crops, channels) of each crop of the views that the network takes, as many a view."""
        images = {View.AP: ap, View.LATERAL: lateral}
        return torch.stack([self.crops_of(view, images[view]) for view in View if view in self.spec.views], 1)

    def fused(self, pooled: Tensor, present: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, from what `pooled` gives."""
        if len(self.fuse) == 1:
            return self._outputs(self._joined(pooled, covariates, next(iter(self.fuse))))
        ap, lateral = present[:, :1], present[:, 1:]
        chosen = {"both": ap * lateral, "ap": ap * (1 - lateral), "lateral": (1 - ap) * lateral}
        parts = [one * self._joined(pooled, covariates, name) for name, one in chosen.items()]
        return self._outputs(torch.stack(parts).sum(0))

    def fused_as(self, pooled: Tensor, covariates: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """As `fused`, every study by the fusion of one name."""
        return self._outputs(self._joined(pooled, covariates, name))

    def _joined(self, pooled: Tensor, covariates: Tensor, name: str) -> Tensor:
        features = [
            norm(pooled[:, k])
            for k, (view, norm) in enumerate(self.norms.items())
            if view in {branch_name(joined) for joined in FUSIONS[name]}
        ]
        if self.covariates is not None:
            features.append(self.covariates(covariates))
        joined: Tensor = self.fuse[name](torch.cat(features, 1))
        return joined

    def _outputs(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        t_score = self.t_score(joined).float()
        return ordinal_logits(t_score) + self.classes(joined).float(), t_score

    def pooled_view(self, view: View, images: Tensor) -> Tensor:
        """Features (n, channels) of one view's crops (n, crops, side, side)."""
        return self.over_crops(self.crops_of(view, images))

    def crops_of(self, view: View, images: Tensor) -> Tensor:
        """Features (n, crops, channels) of each of one view's crops (n, crops, side, side)."""
        branch = self.ap if view is View.AP else self.lateral
        assert branch is not None, f"a network without {view}"
        side = images.shape[-1]
        shown = _centre_columns(images) if self.attention is None else images.reshape(-1, 1, side, side)
        start = 0 if self.spec.pooled == "all" else len(FIELDS) - 1
        scales = list(branch(shown)[1 + start :])
        scales[-1] = self.last_maps[branch_name(view)](scales[-1])
        if self.spec.backbone.startswith("densenet"):  # whose maps are not rectified yet
            scales = [scale.relu() for scale in scales]
        each = [_mean_of_fields(scale, fields) for scale, fields in zip(scales, FIELDS[start:], strict=True)]
        features: Tensor = torch.cat(each, 1)
        return features.reshape(images.shape[0], -1, features.shape[1])

    def over_crops(self, features: Tensor) -> Tensor:
        """Features (..., channels) of a view from those of its crops (..., crops, channels), by attention."""
        if self.attention is None:
            return features[..., 0, :]
        last = features[..., -self.attention.in_features :]
        pooled: Tensor = (torch.softmax(self.attention(last), -2) * features).sum(-2)
        return pooled


def ordinal_logits(t_score: Tensor) -> Tensor:
    """Log-probabilities (n, 3) of normal, osteopenia and osteoporosis of logistic distributions of T-scores.

    They are computed as logarithms, so the surest mistake still has a gradient.

    Args:
        t_score: (n, 2), location and logarithm of the scale.
    """
    location, scale = t_score[:, 0], t_score[:, 1].clamp(-2.5, 2.0).exp()
    above, below = (location - NORMAL_FROM) / scale, (OSTEOPOROSIS_TO - location) / scale
    gap = torch.log1p(-torch.exp((OSTEOPOROSIS_TO - NORMAL_FROM) / scale))
    between = gap - functional.softplus(above) - functional.softplus(below)
    return torch.stack((-functional.softplus(-above), between, -functional.softplus(-below)), 1)


class ProbabilityExport(nn.Module):
    """The network as it is shipped: full-size crops in, averaged down to the working side; classes, T-score and, where
    it is known, the distance of the features from those of the training out."""

    def __init__(
        self, network: DualChannelDenseNet, shrink: int, feature_distance: FeatureDistance | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.shrink = nn.AvgPool2d(shrink) if shrink > 1 else nn.Identity()
        self.feature_distance = feature_distance

    def forward(self, ap: Tensor, lateral: Tensor, present: Tensor, covariates: Tensor) -> tuple[Tensor, ...]:
        """Probabilities (n, 3), T-scores (n,) and distances (n, branches)."""
        pooled = self.network.pooled(self.shrink(ap), self.shrink(lateral))
        logits, t_score = self.network.fused(pooled, present, covariates)
        outputs = (torch.softmax(logits, 1), t_score[:, 0])
        return outputs if self.feature_distance is None else (*outputs, self.feature_distance(pooled))


def _mean_of_fields(maps: Tensor, fields: int) -> Tensor:
    """Means (n, channels * fields * fields) in float32 over a grid of fields of maps (n, channels, rows, columns)."""
    tall, wide = (side // fields for side in maps.shape[2:])
    cropped = maps[..., : tall * fields, : wide * fields]
    grid = cropped.reshape(*maps.shape[:2], fields, tall, fields, wide)
    return grid.mean((3, 5), dtype=torch.float32).flatten(1)


def _centre_columns(images: Tensor) -> Tensor:
    margin = column_margin(images.shape[-1])
    return images[..., margin : images.shape[-1] - margin]


def _branch(backbone: Backbone) -> nn.Module:
    from segmentation_models_pytorch.encoders import get_encoder

    encoder: nn.Module = get_encoder(backbone, in_channels=1, depth=5, weights=None)
    return encoder
