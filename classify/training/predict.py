"""What a network says of cached crops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import BatchPlan, batches
from classify.training.crops.crop_set import CropSet

Floats = npt.NDArray[np.float64]


def predict(model: DualChannelDenseNet, crops: CropSet, plan: BatchPlan) -> tuple[Floats, Floats]:
    """Class probabilities (n, 3) and T-scores (n,) of plain crops at a working side, in float32 as they are exported.

    Args:
        model: network.
        crops: studies.
        plan: side, size of the batches and device.
    """
    model.eval()
    probabilities, t_scores = [], []
    with torch.inference_mode():
        for batch in batches(crops, plan):
            logits, t_score = model(*batch.inputs)
            probabilities.append(torch.softmax(logits.float(), 1).cpu().numpy())
            t_scores.append(t_score[:, 0].float().cpu().numpy())
    return np.concatenate(probabilities).astype(np.float64), np.concatenate(t_scores).astype(np.float64)
