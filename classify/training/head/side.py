"""Studies with the features of finished branches: what a head is fitted on and judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from classify.network.densenet import DualChannelDenseNet
from classify.training.crops.crop_set import StudyArrays
from classify.training.head.features import Device, Features

Floats = npt.NDArray[np.float64]

AT_ONCE = 4096
"""Studies that a head sees at a time; their features take 0.25 GB."""


@dataclass(frozen=True, slots=True)
class Side:
    """Studies, and the features of their branches (`pooled_features`)."""

    studies: StudyArrays
    features: Features

    @property
    def variants(self) -> int:
        """Of every study."""
        return int(self.features[0].shape[1])

    def shown(self, rows: npt.NDArray[np.int64], variant: npt.NDArray[np.int64] | int) -> Tensor:
        """Features (n, branches, channels) of some rows, each in a variant of its own or all in one."""
        return torch.from_numpy(np.stack([branch[rows, variant] for branch in self.features], 1, dtype=np.float32))

    def results(
        self, network: DualChannelDenseNet, device: Device, of: StudyArrays | None = None
    ) -> tuple[Floats, Floats]:
        """Class probabilities (n, variants, 3) and T-scores (n, variants) of every variant of the studies, or of some
        of them.

        Args:
            network: whose branches the features are of.
            device: of the network.
            of: some of the studies.
        """
        found = [self.result(network, device, variant, of) for variant in range(self.variants)]
        return np.stack([own for own, _ in found], 1), np.stack([own for _, own in found], 1)

    def result(
        self, network: DualChannelDenseNet, device: Device, variant: int = 0, of: StudyArrays | None = None
    ) -> tuple[Floats, Floats]:
        """Class probabilities (n, 3) and T-scores (n,) of one variant, as `results`."""
        studies = self.studies if of is None else of
        network.eval()
        probabilities, t_scores = [], []
        with torch.inference_mode():
            for start in range(0, max(1, len(studies.rows)), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                known = (torch.from_numpy(v[part]).to(device) for v in (studies.present, studies.covariates))
                logits, t_score = network.fused(self.shown(studies.rows[part], variant).to(device), *known)
                probabilities.append(torch.softmax(logits, 1).cpu().numpy())
                t_scores.append(t_score[:, 0].cpu().numpy())
        return np.concatenate(probabilities).astype(np.float64), np.concatenate(t_scores).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Sides:
    """What a head is fitted on, and what chooses among heads."""

    training: Side
    validation: Side
